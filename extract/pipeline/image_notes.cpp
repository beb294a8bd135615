#include "extract/pipeline/image_notes.h"

#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep {

NoteCounts CountNotes(const std::vector<NotedImage>& noted) {
  NoteCounts counts{};
  for (const NotedImage& image : noted) ++counts.at(static_cast<std::size_t>(image.kind));
  return counts;
}

void WriteNoted(H5Writer& file, const std::vector<NotedImage>& noted) {
  if (noted.empty()) return;
  std::vector<std::int64_t> indices;
  std::vector<std::int32_t> kinds;
  for (const NotedImage& image : noted) {
    indices.push_back(image.index);
    kinds.push_back(static_cast<std::int32_t>(image.kind));
  }
  file.Write("noted_index", {indices.size()}, indices);
  file.Write("noted_kind", {kinds.size()}, kinds);
}

std::vector<NotedImage> ReadNoted(const H5Reader& file) {
  std::vector<NotedImage> noted;
  if (!file.Has("noted_index")) return noted;
  const auto indices = file.Int64s("noted_index");
  const auto kinds = file.Int32s("noted_kind");
  if (indices.size() != kinds.size()) file.Fail("the lists of noted images differ in length");
  for (std::size_t i = 0; i < indices.size(); ++i) {
    if (kinds[i] < 0 || kinds[i] >= static_cast<std::int32_t>(kNoteNames.size())) {
      file.Fail("'noted_kind' holds a kind that is not known");
    }
    noted.push_back({indices[i], static_cast<NoteKind>(kinds[i])});
  }
  return noted;
}

void NoteBook::Put(std::int64_t image, const std::vector<ImageNote>& notes) {
  if (notes.empty()) return;
  const std::lock_guard lock(mutex_);
  notes_[image] = notes;
}

std::vector<NotedImage> NoteBook::Tell(std::int64_t image, const std::filesystem::path& path) {
  std::vector<ImageNote> notes;
  {
    const std::lock_guard lock(mutex_);
    const auto found = notes_.extract(image);
    if (found.empty()) return {};
    notes = found.mapped();
  }
  std::vector<NotedImage> noted;
  for (const ImageNote& note : notes) {
    LogWarning("{}: {}", Printable(path.string()), note.text);
    noted.push_back({image, note.kind});
  }
  return noted;
}

}  // namespace clipsweep
