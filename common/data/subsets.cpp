#include "common/data/subsets.h"

#include <fmt/core.h>

#include <string>

#include "common/compute/random.h"
#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep {
namespace {

constexpr std::uint64_t kSubsetStream = 0x73756273;  // tells these draws from those of other stages

}  // namespace

std::vector<std::vector<std::int64_t>> RowsByClass(const std::vector<std::int32_t>& labels,
                                                   const std::vector<std::string>& classes,
                                                   const std::string& file) {
  std::vector<std::vector<std::int64_t>> rows(classes.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    rows[static_cast<std::size_t>(labels[i])].push_back(static_cast<std::int64_t>(i));
  }
  for (std::size_t c = 0; c < rows.size(); ++c) {
    if (rows[c].empty()) {
      throw InputError(fmt::format("{}: class '{}' has no keys; add images of it to the cache",
                                   file, Printable(classes[c])));
    }
  }
  return rows;
}

std::vector<std::vector<std::int64_t>> ShuffleRows(
    const std::vector<std::vector<std::int64_t>>& rows_by_class, std::uint64_t seed) {
  std::vector<std::vector<std::int64_t>> shuffled = rows_by_class;
  for (std::size_t c = 0; c < shuffled.size(); ++c)
    Random(seed, kSubsetStream, c).Shuffle(shuffled[c]);
  return shuffled;
}

}  // namespace clipsweep
