// Which pictures features were computed from: the SHA-256 of each file's bytes as they are decoded,
// kept with the features. What is on disk is told to be the same without reading it all again:
// only files whose size or times are others than when they were read are hashed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/comm/comm.h"
#include "common/compute/device.h"
#include "common/data/image_list.h"
#include "common/disk/file_stamp.h"
#include "common/hdf5/hdf5_file.h"

namespace clipsweep {

inline constexpr const char* kTimesFormat = "clipsweep-times";

struct PictureRecord {
  std::string sha256;  // 64 hex digits; "" when the file cannot be read
  FileStamp stamp;     // as it was before it was read
};

// Of each picture of the list that `file`, a feature file, was made from, `count` altogether: its
// hash and, from the note beside the file, its stamp. Empty when `file` does not say.
std::vector<PictureRecord> ReadRecords(const H5Reader& file, std::size_t count);

// Hashes one file. Never throws for a file that cannot be read.
PictureRecord RecordPicture(const std::filesystem::path& path);

// SHA-256 over the hashes of all pictures of a list, in its order, each followed by a line feed.
std::string PicturesSha256(const std::vector<std::string>& hashes);

// Positions of those of `records` whose file now has other content; `first` is the position of the
// first of them in the list. A record whose file has other times but the same content takes the
// new times.
std::vector<std::int64_t> ChangedPictures(const ImageList& list, std::int64_t first,
                                          std::vector<PictureRecord>& records);

// "4 pictures have changed (cat/1.jpg, cat/2.jpg, dog/7.jpg, ..)"
std::string DescribeChanged(const ImageList& list, const std::vector<std::int64_t>& changed);

// Holds what `features` says of its pictures against the files of `list`, from which it was made;
// its seal was checked a moment ago. Returns "" when all are what they were, or it does not say,
// else what DescribeChanged says. Takes times from the note beside it and, with `keep_note`, brings
// that up to date. Collective: ranks share the reading.
std::string CheckContent(const ImageList& list, const std::filesystem::path& features,
                         bool keep_note, const Compute& compute, Comm& comm);

// The note, FEATURES.times: of every picture of the list its stamp. It is no part of the result;
// losing it costs a reading of all pictures. `seal` is the feature file's. Never throws.
void WriteTimes(const std::filesystem::path& features, const std::string& seal,
                const std::vector<FileStamp>& stamps);
std::filesystem::path TimesOf(const std::filesystem::path& features);

}  // namespace clipsweep
