#include "launch/convert/tip_adapter_folder.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <charconv>
#include <map>

#include "common/process/error.h"
#include "common/process/log.h"
#include "launch/convert/array_file.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;

// K of keys_Kshots.pt.
std::optional<int> ShotsOf(const std::string& name) {
  constexpr std::string_view kStart = "keys_", kEnd = "shots.pt";
  if (!name.starts_with(kStart) || !name.ends_with(kEnd) ||
      name.size() <= kStart.size() + kEnd.size()) {
    return std::nullopt;
  }
  int shots = 0;
  const char* end = name.data() + name.size() - kEnd.size();
  const auto [at, code] = std::from_chars(name.data() + kStart.size(), end, shots);
  if (code != std::errc() || at != end) return std::nullopt;
  return shots;
}

Array Load(const fs::path& path) { return ArrayFile(path).Load(""); }

}  // namespace

TipAdapterFolder::TipAdapterFolder(fs::path folder, std::optional<int> shots)
    : folder_(std::move(folder)) {
  const std::string shown = Printable(folder_.string());
  std::map<int, fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    const std::string name = entry.path().filename().string();
    if (const auto number = ShotsOf(name)) found[*number] = folder_ / name;
  }
  if (found.empty() || (shots && !found.contains(*shots))) {
    if (shots)
      throw InputError(
          fmt::format("{}: has no keys_{}shots.pt; give other --shots", shown, *shots));
    return;
  }
  if (!shots && found.size() > 1) {
    std::vector<int> numbers;
    for (const auto& [number, path] : found) numbers.push_back(number);
    throw InputError(fmt::format("{}: has keys for {} shots; choose with --shots", shown,
                                 fmt::join(numbers, ", ")));
  }
  const int number = shots.value_or(found.begin()->first);
  keys_ = found[number];
  values_ = folder_ / fmt::format("values_{}shots.pt", number);
}

LabelledRows TipAdapterFolder::Cache(std::optional<Layout> asked,
                                     std::vector<std::string>& notes) const {
  if (keys_.empty()) {
    throw InputError(fmt::format(
        "{}: has no keys_Kshots.pt; name a folder that the official Tip-Adapter wrote, or a file",
        Printable(folder_.string())));
  }
  return PairRows({Load(keys_), Load(values_), Printable(keys_.string()),
                   Printable(values_.string()), true, asked, Layout::kColumns},
                  notes);
}

fs::path TipAdapterFolder::SplitFile(const std::string& part, char letter) const {
  return folder_ / fmt::format("{}_{}.pt", part, letter);
}

LabelledRows TipAdapterFolder::Split(const std::string& part, std::optional<Layout> asked,
                                     std::vector<std::string>& notes) const {
  const fs::path features = SplitFile(part, 'f'), labels = SplitFile(part, 'l');
  return PairRows({Load(features), Load(labels), Printable(features.string()),
                   Printable(labels.string()), false, asked, Layout::kRows},
                  notes);
}

}  // namespace clipsweep
