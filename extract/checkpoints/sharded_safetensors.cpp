#include "extract/checkpoints/sharded_safetensors.h"

#include <ATen/core/Tensor.h>
#include <fmt/core.h>

#include <set>

#include "common/disk/atomic_file.h"
#include "common/disk/sha256.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "extract/checkpoints/safetensors_index.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kMaxIndexBytes = std::size_t{1} << 24;

std::map<std::string, std::string> ReadIndex(const fs::path& index) {
  std::map<std::string, std::string> files;
  try {
    files = ParseSafetensorsIndex(ReadFile(index, kMaxIndexBytes));
  } catch (const SafetensorsError& error) {
    throw InputError(fmt::format("{}: not an index of safetensors: {}; fetch it again",
                                 index.string(), error.what()));
  }
  std::set<std::string> names;
  for (const auto& entry : files) names.insert(entry.second);
  std::size_t missing = 0;
  std::string first;
  for (const std::string& name : names) {
    std::error_code code;
    if (fs::is_regular_file(index.parent_path() / name, code)) continue;
    if (missing++ == 0) first = name;
  }
  if (missing > 0) {
    throw InputError(fmt::format("{}: shard '{}' is not beside it ({} of {} are missing); fetch it",
                                 index.string(), Printable(first), missing, names.size()));
  }
  return files;
}

}  // namespace

ShardedSafetensors::ShardedSafetensors(const fs::path& index) : path_(index) {
  const auto file_of = ReadIndex(index);
  for (const auto& entry : file_of) {
    auto& shard = shards_[entry.second];
    if (!shard) shard = std::make_unique<Safetensors>(index.parent_path() / entry.second);
  }
  std::map<std::string, std::string> found_in;
  for (const auto& [file, shard] : shards_) {
    for (const std::string& name : shard->Names()) {
      const auto [before, first] = found_in.emplace(name, file);
      if (!first) {
        throw InputError(fmt::format(
            "{}: tensor '{}' is in two shards, '{}' and '{}'; fetch the model again",
            index.string(), Printable(name), Printable(before->second), Printable(file)));
      }
      if (file_of.count(name) == 0) {
        throw InputError(
            fmt::format("{}: does not list tensor '{}', which is in '{}'; fetch the "
                        "model again",
                        index.string(), Printable(name), Printable(file)));
      }
    }
  }
  for (const auto& [name, file] : file_of) {
    const auto found = found_in.find(name);
    if (found != found_in.end() && found->second == file) {
      shard_of_[name] = shards_.at(file).get();
      continue;
    }
    const std::string where = found == found_in.end()
                                  ? "no shard has it"
                                  : fmt::format("'{}' has it", Printable(found->second));
    throw InputError(
        fmt::format("{}: says that tensor '{}' is in '{}', which lacks it; {}. Fetch "
                    "the model again",
                    index.string(), Printable(name), Printable(file), where));
  }
}

const Safetensors& ShardedSafetensors::Find(const std::string& name) const {
  const auto found = shard_of_.find(name);
  if (found == shard_of_.end()) {
    throw InputError(fmt::format("{}: tensor '{}' is missing; is it a CLIP checkpoint?",
                                 path_.string(), Printable(name)));
  }
  return *found->second;
}

std::vector<std::string> ShardedSafetensors::Names() const {
  std::vector<std::string> names;
  for (const auto& entry : shard_of_) names.push_back(entry.first);
  return names;
}

const std::vector<std::int64_t>& ShardedSafetensors::Shape(const std::string& name) const {
  return Find(name).Shape(name);
}

at::Tensor ShardedSafetensors::Load(const std::string& name) const { return Find(name).Load(name); }

std::string ShardedSafetensors::Type(const std::string& name) const {
  return Find(name).Type(name);
}

std::string ShardedSafetensors::Metadata(const std::string& key) const {
  for (const auto& entry : shards_) {
    std::string text = entry.second->Metadata(key);
    if (!text.empty()) return text;
  }
  return "";
}

std::string ShardsSha256(const fs::path& index) {
  std::set<std::string> names;
  for (const auto& entry : ReadIndex(index)) names.insert(entry.second);
  std::string list;
  for (const std::string& name : names) {
    list += fmt::format("{}  {}\n", FileSha256(index.parent_path() / name), name);
  }
  return Sha256Hex(list);
}

}  // namespace clipsweep
