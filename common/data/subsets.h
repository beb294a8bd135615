// k-shot subsets of a cache. Per class one permutation, seeded by (seed, class): the K-shot subset
// is its first K rows, so subsets of one seed are nested and any number of shots shares one pass
// over the keys.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace clipsweep {

// rows_by_class [C][n_c]: row numbers of each class in file order. Throws InputError when a class
// has none.
std::vector<std::vector<std::int64_t>> RowsByClass(const std::vector<std::int32_t>& labels,
                                                   const std::vector<std::string>& classes,
                                                   const std::string& file);

// The same lists, each in the seed's order.
std::vector<std::vector<std::int64_t>> ShuffleRows(
    const std::vector<std::vector<std::int64_t>>& rows_by_class, std::uint64_t seed);

}  // namespace clipsweep
