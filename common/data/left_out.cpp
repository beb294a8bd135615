#include "common/data/left_out.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "common/process/log.h"

namespace clipsweep {
namespace {

constexpr std::size_t kMostKinds = 8;  // named on a line

std::int64_t Sum(const KindCounts& kinds) {
  std::int64_t sum = 0;
  for (const auto& [kind, count] : kinds) sum += count;
  return sum;
}

}  // namespace

std::string KindsText(const KindCounts& kinds) {
  std::vector<std::pair<std::string, std::int64_t>> order(kinds.begin(), kinds.end());
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::vector<std::string> parts;
  std::int64_t rest = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i < kMostKinds) {
      parts.push_back(fmt::format("{} {}", order[i].second, Printable(order[i].first)));
    } else {
      rest += order[i].second;
    }
  }
  if (rest > 0)
    parts.push_back(fmt::format("{} of {} other kinds", rest, order.size() - kMostKinds));
  return fmt::format("{}", fmt::join(parts, ", "));
}

void LeftOut::Add(const LeftOut& other) {
  for (const auto& [kind, count] : other.files) files[kind] += count;
  for (const auto& [kind, count] : other.hidden) hidden[kind] += count;
  for (const auto& [kind, count] : other.beside) beside[kind] += count;
}

std::vector<std::string> LeftOut::Lines() const {
  std::vector<std::string> lines;
  const auto add = [&](const KindCounts& kinds, const char* what, const char* one,
                       const char* many) {
    const std::int64_t sum = Sum(kinds);
    if (sum == 0) return;
    lines.push_back(
        fmt::format("{} {} {}: {}", what, sum, sum == 1 ? one : many, KindsText(kinds)));
  };
  add(files, "skipped", "file", "files");
  add(beside, "skipped", "file beside the class folders", "files beside the class folders");
  add(hidden, "left out", "hidden or system entry", "hidden or system entries");
  return lines;
}

}  // namespace clipsweep
