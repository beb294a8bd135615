// Subsets made elsewhere: a file that lists, class by class, which images of the cache are keys.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace clipsweep {

// What entries of the file refer to.
struct CacheRows {
  const std::vector<std::string>& classes;  // [C]
  const std::vector<std::string>& paths;    // [K]
  const std::vector<std::int32_t>& labels;  // [K]
  std::string file;                         // the cache, for errors
};

// JSON {"class": ["path" or row, ...], ...} or, in a file that ends in .tsv, lines "class<TAB>path
// or row"; empty lines and lines that begin with # are passed over. Rows are counted from 0.
// Returns rows by class in the file's order. Throws InputError naming the entry: an unknown class,
// a path or row that is not in the cache or belongs to another class, one that stands twice, a
// class without any.
std::vector<std::vector<std::int64_t>> ReadSubsetFile(const std::filesystem::path& path,
                                                      const CacheRows& cache);

}  // namespace clipsweep
