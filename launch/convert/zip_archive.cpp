#include "launch/convert/zip_archive.h"

#include <fmt/core.h>
#include <zip.h>

#include <algorithm>
#include <memory>

#include "common/disk/plain_file.h"
#include "common/process/error.h"
#include "common/process/liveness.h"
#include "common/process/log.h"

namespace clipsweep {
namespace {

constexpr std::uint64_t kMostEntries = 10'000;
// Deflate makes at most 1032 bytes of one. One-hot labels come near that; features never do.
constexpr std::uint64_t kMostOfOne = 1032, kUsualOfOne = 100;
constexpr std::uint64_t kMuch = std::uint64_t{1} << 30;
constexpr std::size_t kPiece = std::size_t{16} << 20;
// The first day that zip has: entries carry no time of ours.
constexpr zip_uint16_t kNoTime = 0, kNoDate = (1 << 5) | 1;

struct CloseEntry {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

}  // namespace

ZipArchive::ZipArchive(const std::filesystem::path& path) : path_(path) {
  const PlainFile file(path);  // refuses what is no file
  int code = 0;
  zip_ = zip_open(path.c_str(), ZIP_RDONLY, &code);
  if (zip_ == nullptr) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    const std::string why = zip_error_strerror(&error);
    zip_error_fini(&error);
    throw InputError(fmt::format(
        "{}: cannot be read as a zip archive, which .npz and .pt files are: {}; fetch or save it "
        "again",
        Printable(path.string()), Printable(why)));
  }
  const zip_int64_t count = zip_get_num_entries(zip_, 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    const char* name = zip_get_name(zip_, static_cast<zip_uint64_t>(i), 0);
    if (static_cast<std::uint64_t>(i) == kMostEntries || name == nullptr ||
        !entries_.emplace(name, static_cast<std::uint64_t>(i)).second) {
      const std::string what = name == nullptr ? "an entry without a name"
                               : i < static_cast<zip_int64_t>(kMostEntries)
                                   ? fmt::format("two entries called '{}'", Printable(name))
                                   : "more entries than any file of arrays";
      zip_discard(zip_);
      throw InputError(fmt::format("{}: has {}; save it again", Printable(path.string()), what));
    }
  }
}

ZipArchive::~ZipArchive() { zip_discard(zip_); }

void ZipArchive::Fail(const std::string& name, const std::string& what) const {
  throw InputError(
      fmt::format("{}: entry '{}' {}", Printable(path_.string()), Printable(name), what));
}

std::string ZipArchive::Read(const std::string& name) const {
  const std::uint64_t number = entries_.at(name);
  zip_stat_t stat;
  constexpr zip_uint64_t kNeeded = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
  if (zip_stat_index(zip_, number, 0, &stat) != 0 || (stat.valid & kNeeded) != kNeeded) {
    Fail(name, "has no size; save it again");
  }
  if (stat.comp_method != ZIP_CM_STORE && stat.comp_method != ZIP_CM_DEFLATE) {
    Fail(name, "is compressed by another method than NumPy's; save it again");
  }
  const std::uint64_t on_disk = PlainFile(path_).size();
  const std::uint64_t stored = std::min<std::uint64_t>(stat.comp_size, on_disk);
  const bool deflated = stat.comp_method == ZIP_CM_DEFLATE;
  const std::uint64_t most =
      deflated ? std::min(stored * kMostOfOne + kPiece, std::max(kMuch, stored * kUsualOfOne))
               : stored;
  if (stat.size > most || stat.comp_size > on_disk) {
    Fail(name, fmt::format("claims {} bytes, which are more than {} bytes of the file can hold; "
                           "it is damaged or made to fill memory: save it again",
                           stat.size, stored));
  }
  const std::unique_ptr<zip_file_t, CloseEntry> file(zip_fopen_index(zip_, number, 0));
  if (!file) Fail(name, fmt::format("cannot be opened: {}; save it again", zip_strerror(zip_)));
  std::string bytes(stat.size, '\0');
  std::size_t have = 0;
  // One byte more than it claims: the end is seen, and the checksum looked at, only by reading on.
  for (char beyond;;) {
    const std::size_t wanted = std::min(kPiece, bytes.size() - have);
    const zip_int64_t got = wanted > 0 ? zip_fread(file.get(), bytes.data() + have, wanted)
                                       : zip_fread(file.get(), &beyond, 1);
    MadeProgress();
    if (got < 0 || (got == 0 && wanted > 0) || (got > 0 && wanted == 0)) {
      Fail(name,
           fmt::format("is damaged or cut short ({}); fetch or save it again",
                       got < 0 ? Printable(zip_file_strerror(file.get())) : "its size is wrong"));
    }
    if (got == 0) return bytes;
    have += static_cast<std::size_t>(got);
  }
}

void MakeZip(const std::vector<ZipEntry>& entries,
             const std::function<void(std::string_view)>& use) {
  const auto fail = [] { throw InternalError("libzip cannot make an archive"); };
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* made = zip_source_buffer_create(nullptr, 0, 0, &error);
  zip_t* zip = made == nullptr ? nullptr : zip_open_from_source(made, ZIP_TRUNCATE, &error);
  zip_error_fini(&error);
  if (zip == nullptr) return fail();
  zip_source_keep(made);  // beyond zip_close
  const std::unique_ptr<zip_source_t, decltype(&zip_source_free)> keeper(made, zip_source_free);
  for (const ZipEntry& entry : entries) {
    std::vector<zip_buffer_fragment_t> parts;
    for (const std::string_view piece : entry.pieces) {
      // libzip's type has no const, and it only reads.
      auto* data = reinterpret_cast<zip_uint8_t*>(const_cast<char*>(piece.data()));
      parts.push_back({data, piece.size()});
    }
    zip_source_t* source = zip_source_buffer_fragment(zip, parts.data(), parts.size(), 0);
    const zip_int64_t number =
        source == nullptr ? -1 : zip_file_add(zip, entry.name.c_str(), source, ZIP_FL_ENC_UTF_8);
    const auto index = static_cast<zip_uint64_t>(number);
    if (number < 0 || zip_set_file_compression(zip, index, ZIP_CM_STORE, 0) != 0 ||
        zip_file_set_dostime(zip, index, kNoTime, kNoDate, 0) != 0) {
      zip_discard(zip);
      return fail();
    }
  }
  if (zip_close(zip) != 0) {
    zip_discard(zip);
    return fail();
  }
  if (zip_source_open(made) != 0) return fail();
  std::string piece(kPiece, '\0');
  for (;;) {
    const zip_int64_t got = zip_source_read(made, piece.data(), piece.size());
    if (got < 0) return fail();
    if (got == 0) break;
    use(std::string_view(piece).substr(0, static_cast<std::size_t>(got)));
  }
  zip_source_close(made);
}

}  // namespace clipsweep
