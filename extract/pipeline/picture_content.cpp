#include "extract/pipeline/picture_content.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "common/comm/message.h"
#include "common/compute/workers.h"
#include "common/disk/sha256.h"
#include "common/files/feature_file.h"
#include "common/files/provenance.h"
#include "common/process/error.h"
#include "common/process/liveness.h"
#include "common/process/log.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kNamed = 3;  // pictures a message names

}  // namespace

std::vector<PictureRecord> ReadRecords(const H5Reader& file, std::size_t count) {
  if (!file.Has(kImageHashes)) return {};
  std::vector<PictureRecord> records(count);
  std::vector<bool> is_skipped(count, false);
  for (SkippedImage& image : ReadSkipped(file)) {
    const auto at = static_cast<std::size_t>(image.index);
    if (at >= count) file.Fail("a skipped image is outside the list; extract again");
    is_skipped[at] = true;
    records[at].sha256 = std::move(image.sha256);
  }
  std::vector<std::string> hashes = file.Texts(kImageHashes);
  auto next = hashes.begin();
  for (std::size_t i = 0; i < count; ++i) {
    if (is_skipped[i]) continue;
    if (next == hashes.end()) file.Fail("has fewer hashes than pictures; extract again");
    records[i].sha256 = std::move(*next++);
  }
  const fs::path note_path = TimesOf(file.path());
  try {
    if (!fs::exists(note_path)) return records;
    const H5Reader note(note_path);
    CheckHeader(note, kTimesFormat);
    const auto stamps = UnflattenStamps(note.Int64s("times"));
    if (note.TextAttribute("of") != file.seal() || stamps.size() != count) return records;
    for (std::size_t i = 0; i < count; ++i) records[i].stamp = stamps[i];
  } catch (const Error& error) {
    LogDebug("{}; pictures are read instead", error.what());
  }
  return records;
}

namespace {

// A picture that is not as it was.
struct News {
  std::int64_t image;
  bool changed;  // its content too
  FileStamp stamp;
};

// Of a rank's part of the pictures.
std::vector<News> LookAgain(const ImageList& list, std::vector<PictureRecord>& records,
                            const Compute& compute, const Comm& comm) {
  constexpr std::int64_t kPiece = 64;
  const auto pieces = ItemsOfRank((list.size() + kPiece - 1) / kPiece, comm);
  std::vector<std::vector<News>> news(pieces.size());
  WorkerPool(compute.workers)
      .Run(static_cast<std::int64_t>(pieces.size()), [&](std::int64_t item, int) {
        const std::int64_t first = pieces[static_cast<std::size_t>(item)] * kPiece;
        const auto from = records.begin() + static_cast<std::ptrdiff_t>(first);
        const auto before = std::vector(from, from + std::min(kPiece, list.size() - first));
        std::vector<PictureRecord> now = before;
        const auto changed = ChangedPictures(list, first, now);
        for (std::size_t i = 0; i < now.size(); ++i) {
          if (now[i].stamp == before[i].stamp && now[i].sha256 == before[i].sha256) continue;
          const std::int64_t image = first + static_cast<std::int64_t>(i);
          news[static_cast<std::size_t>(item)].push_back(
              {image, std::ranges::find(changed, image) != changed.end(), now[i].stamp});
        }
      });
  std::vector<News> all;
  for (const auto& part : news) all.insert(all.end(), part.begin(), part.end());
  return all;
}

}  // namespace

PictureRecord RecordPicture(const fs::path& path) {
  PictureRecord record{"", StampOf(path)};
  std::error_code none;
  if (!fs::is_regular_file(path, none)) return record;
  try {
    record.sha256 = FileSha256(path);
  } catch (const Error&) {
  }
  record.stamp = Settled(record.stamp);
  return record;
}

std::string PicturesSha256(const std::vector<std::string>& hashes) {
  Sha256 all;
  for (const std::string& hash : hashes) {
    all.Update(hash);
    all.Update("\n");
  }
  return all.Hex();
}

std::vector<std::int64_t> ChangedPictures(const ImageList& list, std::int64_t first,
                                          std::vector<PictureRecord>& records) {
  std::vector<std::int64_t> changed;
  for (std::size_t i = 0; i < records.size(); ++i) {
    MadeProgress();
    const std::int64_t image = first + static_cast<std::int64_t>(i);
    const fs::path path = list.root / list.paths[static_cast<std::size_t>(image)];
    if (StampOf(path) == records[i].stamp) continue;
    PictureRecord now = RecordPicture(path);
    if (now.sha256 != records[i].sha256) changed.push_back(image);
    records[i] = std::move(now);
  }
  return changed;
}

std::string DescribeChanged(const ImageList& list, const std::vector<std::int64_t>& changed) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < std::min(changed.size(), kNamed); ++i) {
    names.push_back(Printable(list.paths[static_cast<std::size_t>(changed[i])]));
  }
  return fmt::format("{} {} changed ({}{})", changed.size(),
                     changed.size() == 1 ? "picture has" : "pictures have", fmt::join(names, ", "),
                     changed.size() > kNamed ? ", .." : "");
}

std::string CheckContent(const ImageList& list, const fs::path& features, bool keep_note,
                         const Compute& compute, Comm& comm) {
  std::vector<PictureRecord> records;
  std::string answer, seal;
  Message message;
  Agree(comm, [&] {
    const H5Reader file(features, Seal::kCheckedBefore);
    records = ReadRecords(file, static_cast<std::size_t>(list.size()));
    if (records.empty()) return;
    seal = file.seal();
    message.PutAll(std::span<const News>(LookAgain(list, records, compute, comm)));
  });
  std::vector<std::int64_t> changed;
  bool is_new = false;
  for (const std::string& from_rank : GatherMessages(comm, message)) {
    if (from_rank.empty()) continue;
    for (const News& one : MessageReader(from_rank).TakeAll<News>()) {
      if (one.changed) changed.push_back(one.image);
      FileStamp& stamp = records[static_cast<std::size_t>(one.image)].stamp;
      is_new |= one.stamp != stamp;
      stamp = one.stamp;
    }
  }
  if (comm.is_root()) {
    std::sort(changed.begin(), changed.end());
    if (!changed.empty()) {
      answer = DescribeChanged(list, changed);
    } else if (is_new && keep_note) {
      std::vector<FileStamp> stamps;
      for (const PictureRecord& record : records) stamps.push_back(record.stamp);
      WriteTimes(features, seal, stamps);
    }
  }
  return BroadcastString(comm, answer);
}

fs::path TimesOf(const fs::path& features) { return features.string() + ".times"; }

void WriteTimes(const fs::path& features, const std::string& seal,
                const std::vector<FileStamp>& stamps) {
  try {
    H5Writer note(TimesOf(features));
    WriteHeader(note, kTimesFormat, {});
    note.Attribute("of", seal);
    note.Write("times", {stamps.size(), 3}, FlattenStamps(stamps));
    note.Commit();
  } catch (const std::exception& error) {
    LogDebug("{}; the next run will read every picture", error.what());
  }
}

}  // namespace clipsweep
