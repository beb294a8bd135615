#include "launch/convert/array_file.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "common/disk/json_reader.h"
#include "common/disk/plain_file.h"
#include "common/data/name_match.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "launch/convert/npy.h"
#include "launch/convert/npz.h"
#include "launch/convert/torch_tensor.h"

namespace clipsweep {
namespace {

using Json = nlohmann::json;

constexpr const char* kKindsRead =
    ".npy, .npz, .safetensors and .pt (a tensor of torch.save) are read";

// "it has a, b, c"
std::string ThoseThere(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 12;
  if (names.empty()) return "it has none";
  std::vector<std::string> shown;
  for (std::size_t i = 0; i < std::min(kShown, names.size()); ++i) {
    shown.push_back(fmt::format("'{}'", Printable(names[i].substr(0, 60))));
  }
  return fmt::format(
      "it has {}{}", fmt::join(shown, ", "),
      names.size() > kShown ? fmt::format(" and {} more", names.size() - kShown) : "");
}

ArrayFile::Kind TellKind(const std::filesystem::path& path) {
  const PlainFile file(path);
  std::string start(16, '\0');
  start.resize(file.ReadAt(0, start.data(), start.size()));
  const std::string shown = Printable(path.string());
  if (start.starts_with(kNpyMagic)) return ArrayFile::Kind::kNpy;
  if (start.starts_with("PK")) return ArrayFile::Kind::kNpz;  // or torch.save's
  if (start.size() > 8 && start[8] == '{') return ArrayFile::Kind::kSafetensors;
  if (start.starts_with("\x80") || start.starts_with("(")) {
    throw InputError(
        fmt::format("{}: is a pickle by itself, as old versions of PyTorch wrote, and pickles are "
                    "never run; load it in PyTorch and save the tensor with numpy.save",
                    shown));
  }
  if (start.starts_with("clipsweep ")) {
    throw InputError(fmt::format("{}: is a file of clipsweep already; {}", shown, kKindsRead));
  }
  if (start.empty()) throw InputError(fmt::format("{}: is empty; save it again", shown));
  // What its name says it is tells best what is wrong with it.
  if (path.extension() == ".npy") return ArrayFile::Kind::kNpy;
  if (path.extension() == ".safetensors") return ArrayFile::Kind::kSafetensors;
  throw InputError(fmt::format("{}: is no file of arrays; {}", shown, kKindsRead));
}

}  // namespace

ArrayFile::ArrayFile(const std::filesystem::path& path) : path_(path), kind_(TellKind(path)) {
  if (kind_ == Kind::kNpz) {
    zip_ = std::make_unique<ZipArchive>(path);
    names_ = NpzNames(*zip_);
    const bool pickled = std::ranges::any_of(
        zip_->entries(), [](const auto& entry) { return entry.first.ends_with("/data.pkl"); });
    if (names_.empty() && pickled) kind_ = Kind::kTorch;
    if (names_.empty() && !pickled) {
      throw InputError(fmt::format("{}: is a zip archive without arrays (NAME.npy); {}",
                                   Printable(path.string()), kKindsRead));
    }
  } else if (kind_ == Kind::kSafetensors) {
    safetensors_ = std::make_unique<SafetensorsArrays>(path);
    for (const auto& [name, entry] : safetensors_->header().entries) names_.push_back(name);
  }
}

const char* ArrayFile::KindName() const {
  static constexpr const char* kNames[] = {"npy", "npz", "safetensors", "torch"};
  return kNames[static_cast<int>(kind_)];
}

bool ArrayFile::Has(const std::string& name) const {
  return std::ranges::find(names_, name) != names_.end();
}

Array ArrayFile::Load(const std::string& name) const {
  switch (kind_) {
    case Kind::kNpy: return ReadNpyFile(path_);
    case Kind::kTorch: return ReadTorchTensor(path_);
    case Kind::kNpz: return ReadNpzArray(*zip_, name, Where(name));
    case Kind::kSafetensors: return safetensors_->Read(name, Where(name));
  }
  throw InternalError("a kind of array file without a reader");
}

std::string ArrayFile::Where(const std::string& name) const {
  const std::string shown = Printable(path_.string());
  return name.empty() ? shown : fmt::format("{}: array '{}'", shown, Printable(name));
}

std::optional<std::string> ArrayFile::Find(const std::string& asked,
                                           const std::vector<std::string>& usual) const {
  if (!has_names()) {
    if (asked.empty()) return "";
    throw UsageError(fmt::format("--key: {} has one array, without a name; leave --key out",
                                 Printable(path_.string())));
  }
  if (asked.empty()) {
    for (const std::string& name : usual) {
      if (Has(name)) return name;
    }
    return std::nullopt;
  }
  if (Has(asked)) return asked;
  const std::string nearest = NearestWord(asked, names_);
  const std::string hint =
      nearest.empty() ? "" : fmt::format("; did you mean '{}'?", Printable(nearest));
  throw InputError(fmt::format("{}: has no array '{}', which --key names; {}{}",
                               Printable(path_.string()), Printable(asked), ThoseThere(names_),
                               hint));
}

std::string ArrayFile::Need(const std::string& asked, const std::vector<std::string>& usual) const {
  if (const auto found = Find(asked, usual)) return *found;
  throw InputError(fmt::format("{}: has no array called {}; {}; name the one with --key",
                               Printable(path_.string()), fmt::join(usual, " or "),
                               ThoseThere(names_)));
}

std::vector<std::string> ArrayFile::ClassTexts() const {
  if (kind_ == Kind::kNpz) {
    for (const char* name : {"classname", "classes"}) {
      if (Has(name)) return ToTexts(Load(name), Where(name));
    }
  }
  if (kind_ != Kind::kSafetensors) return {};
  const auto found = safetensors_->header().metadata.find("classes");
  if (found == safetensors_->header().metadata.end()) return {};
  const auto [json, fault, repeated] = ParseJson<Json>(found->second);
  const bool list = json.is_array() &&
                    std::ranges::all_of(json, [](const Json& name) { return name.is_string(); });
  if (fault != JsonFault::kNone || !list) {
    throw InputError(
        fmt::format("{}: its metadata 'classes' is no JSON list of names; save it "
                    "again, or name classes with --classnames",
                    Printable(path_.string())));
  }
  return json.get<std::vector<std::string>>();
}

}  // namespace clipsweep
