// Pictures that stand in two feature files, or twice in one, told by the content of their files.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "common/files/oddities.h"
#include "common/hdf5/hdf5_file.h"

namespace clipsweep {

// One file's pictures. Where it does not hold the hashes of their bytes, as an imported one, a
// picture is known by its row of features instead.
class PictureSet {
 public:
  // `path`: a feature file, an adapter or a classifier, whose seal was checked before. `role`:
  // "cache", "features", ..
  PictureSet(std::string role, std::filesystem::path path);

  using Id = std::array<std::uint64_t, 2>;
  bool has_hashes() const { return !hashes_.empty(); }
  const std::vector<Id>& hashes() const { return hashes_; }
  // Read when first asked for; empty for an adapter, whose rows are trained.
  const std::vector<Id>& rows() const;
  std::size_t size() const { return has_hashes() ? hashes_.size() : rows().size(); }
  const std::string& role() const { return role_; }
  const std::filesystem::path& path() const { return path_; }
  std::string NameOf(std::size_t picture) const;

 private:
  std::string role_;
  std::filesystem::path path_;
  bool is_adapter_ = false;
  std::vector<std::string> paths_;
  std::vector<Id> hashes_;
  mutable std::vector<Id> rows_;
};

// SHA-256 of the pictures at `rows` of a feature file that was checked before; empty when it has
// none.
std::vector<std::string> PictureHashes(const std::filesystem::path& path,
                                       const std::vector<std::int64_t>& rows);

// Throws InputError naming two of the pictures that are in two of the sets, unless
// `allowed.overlap`; then the answer says how many there are.
Oddities RequireDisjoint(const std::vector<PictureSet>& sets, const Allowed& allowed);

// Pictures that stand more than once in one list.
struct Duplicates {
  std::int64_t pictures = 0;        // that are the same as an earlier one
  std::int64_t across_classes = 0;  // of those, the ones with another label
  // Paths of two that are the same, of different classes where there are any.
  std::pair<std::string, std::string> example;
};
// hashes, labels, paths [N]; "" for a picture without a hash.
Duplicates FindDuplicates(const std::vector<std::string>& hashes,
                          const std::vector<std::int32_t>& labels,
                          const std::vector<std::string>& paths);
// Of a feature file; none where it holds no hashes.
Duplicates FindDuplicates(const H5Reader& file);

}  // namespace clipsweep
