#include "launch/convert/npz.h"

#include <fmt/core.h>

#include "common/disk/plain_file.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "launch/convert/npy.h"

namespace clipsweep {
namespace {

constexpr std::string_view kEnding = ".npy";

Array Decode(std::string bytes, const std::string& where) {
  try {
    return DecodeNpy(std::move(bytes));
  } catch (const NpyError& error) {
    throw InputError(fmt::format("{}: {}", where, error.what()));
  }
}

}  // namespace

std::vector<std::string> NpzNames(const ZipArchive& archive) {
  std::vector<std::string> names;
  for (const auto& [name, number] : archive.entries()) {
    if (name.ends_with(kEnding)) names.push_back(name.substr(0, name.size() - kEnding.size()));
  }
  return names;
}

Array ReadNpzArray(const ZipArchive& archive, const std::string& name, const std::string& where) {
  return Decode(archive.Read(name + std::string(kEnding)), where);
}

Array ReadNpyFile(const std::filesystem::path& path) {
  const PlainFile file(path);
  std::string bytes(file.size(), '\0');
  bytes.resize(file.ReadAt(0, bytes.data(), bytes.size()));
  return Decode(std::move(bytes), Printable(path.string()));
}

}  // namespace clipsweep
