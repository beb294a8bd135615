#include "launch/convert/write_arrays.h"

#include <bit>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>

#include "common/disk/atomic_file.h"
#include "common/disk/file_system.h"
#include "common/process/liveness.h"
#include "launch/convert/npy.h"
#include "launch/convert/zip_archive.h"

namespace clipsweep {
namespace {

using Json = nlohmann::ordered_json;

static_assert(std::endian::native == std::endian::little,
              "arrays are written as they lie in memory");

// A file that grows piece by piece and takes its place at the end.
class PiecewiseFile {
 public:
  explicit PiecewiseFile(const std::filesystem::path& path)
      : path_(path), temporary_(TemporaryFor(path)), file_(temporary_) {}
  ~PiecewiseFile() {
    if (!committed_) RemoveTemporary(temporary_);
  }
  PiecewiseFile(const PiecewiseFile&) = delete;
  PiecewiseFile& operator=(const PiecewiseFile&) = delete;

  void Add(std::string_view piece) {
    file_.Write(piece, at_);
    at_ += static_cast<off_t>(piece.size());
    MadeProgress();
  }
  void Commit() {
    file_.SyncAndClose();
    CommitFile(temporary_, path_);
    committed_ = true;
  }

 private:
  const std::filesystem::path path_, temporary_;
  OutputFile file_;
  off_t at_ = 0;
  bool committed_ = false;
};

constexpr std::size_t kZipName = 30;  // where the first entry's name stands, its length at 26
// How our headers begin, which a checkpoint's does not.
constexpr std::string_view kOurStart = R"({"__metadata__":{"clipsweep":)";

const char* SafetensorsType(ElementType type) {
  static const std::map<ElementType, const char*> kTypes = {{ElementType::kF32, "F32"},
                                                            {ElementType::kF64, "F64"},
                                                            {ElementType::kI32, "I32"},
                                                            {ElementType::kI64, "I64"}};
  return kTypes.at(type);
}

}  // namespace

void WriteNpy(const std::filesystem::path& path, const Array& array) {
  PiecewiseFile file(path);
  file.Add(NpyStart(array));
  file.Add(array.bytes);
  file.Commit();
}

void WriteNpz(const std::filesystem::path& path, const ArraySet& set) {
  const Array classes = TextArray(set.classes);
  std::vector<std::pair<std::string, const Array*>> all;
  for (const auto& [name, array] : set.arrays) all.emplace_back(name, &array);
  if (!set.classes.empty()) all.emplace_back("classes", &classes);
  std::vector<std::string> starts;
  starts.reserve(all.size());  // views into them stay
  std::vector<ZipEntry> entries;
  for (const auto& [name, array] : all) {
    starts.push_back(NpyStart(*array));
    entries.push_back({name + ".npy", {starts.back(), array->bytes}});
  }
  PiecewiseFile file(path);
  MakeZip(entries, [&](std::string_view piece) { file.Add(piece); });
  file.Commit();
}

void WriteSafetensors(const std::filesystem::path& path, const ArraySet& set) {
  Json header = {{"__metadata__", {{"clipsweep", set.format}}}};
  if (!set.classes.empty()) header["__metadata__"]["classes"] = Json(set.classes).dump();
  std::uint64_t at = 0;
  for (const auto& [name, array] : set.arrays) {
    header[name] = {{"dtype", SafetensorsType(array.type)},
                    {"shape", array.shape},
                    {"data_offsets", {at, at + array.bytes.size()}}};
    at += array.bytes.size();
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');  // numbers begin at a multiple of 8
  const std::uint64_t length = text.size();
  std::string start(sizeof length, '\0');
  std::memcpy(start.data(), &length, sizeof length);
  PiecewiseFile file(path);
  file.Add(start + text);
  for (const auto& [name, array] : set.arrays) file.Add(array.bytes);
  file.Commit();
}

bool BeginsAsArrays(std::string_view start) {
  if (start.starts_with(kNpyMagic)) return true;
  if (start.starts_with("PK\x03\x04") && start.size() > kZipName) {
    const auto length = static_cast<std::size_t>(static_cast<unsigned char>(start[26]));
    return start.substr(kZipName, length).ends_with(".npy");
  }
  // Of safetensors only our own: another may be a checkpoint.
  constexpr std::size_t kLengthBytes = 8;
  return start.size() > kLengthBytes && start.substr(kLengthBytes).starts_with(kOurStart);
}

}  // namespace clipsweep
