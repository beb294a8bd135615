// What decoders noted about pictures that were read all the same: from the threads that decode to
// the log, the shard and the feature file.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <vector>

#include "common/hdf5/hdf5_file.h"
#include "extract/images/image_decode.h"

namespace clipsweep {

// An image with more than one note is there more than once.
struct NotedImage {
  std::int64_t index;  // position in the image list
  NoteKind kind;
};

// How many images have a note of each kind.
using NoteCounts = std::array<std::int64_t, kNoteNames.size()>;
NoteCounts CountNotes(const std::vector<NotedImage>& noted);

// The data sets noted_index and noted_kind (a place in kNoteNames); nothing when there are none.
// Reading throws InputError naming the file when they do not fit together.
void WriteNoted(H5Writer& file, const std::vector<NotedImage>& noted);
std::vector<NotedImage> ReadNoted(const H5Reader& file);

// Decode threads put notes in, the thread that collects results takes them out in list order.
class NoteBook {
 public:
  void Put(std::int64_t image, const std::vector<ImageNote>& notes);
  // Logs a warning for each note of the image, with its path.
  std::vector<NotedImage> Tell(std::int64_t image, const std::filesystem::path& path);

 private:
  std::mutex mutex_;
  std::map<std::int64_t, std::vector<ImageNote>> notes_;
};

}  // namespace clipsweep
