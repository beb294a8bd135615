#include "common/files/shared_pictures.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <numeric>
#include <tuple>
#include <unordered_map>

#include "common/disk/sha256.h"
#include "common/files/adapter_file.h"
#include "common/files/feature_file.h"
#include "common/hdf5/hdf5_file.h"
#include "common/process/error.h"
#include "common/process/liveness.h"
#include "common/process/log.h"

namespace clipsweep {
namespace {

using Id = PictureSet::Id;

constexpr std::size_t kReadBytes = std::size_t{4} << 20;  // of features read at a time
constexpr std::size_t kNamed = 2;                         // pairs that a message names

// The first 128 bits of a hash in hex; zeros for "".
Id IdOf(const std::string& hex) {
  Id id{};
  for (std::size_t i = 0; i < id.size() && hex.size() >= 16 * (i + 1); ++i) {
    std::from_chars(hex.data() + 16 * i, hex.data() + 16 * (i + 1), id[i], 16);
  }
  return id;
}

std::vector<std::size_t> Sorted(const std::vector<Id>& ids) {
  std::vector<std::size_t> order(ids.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::tie(ids[a], a) < std::tie(ids[b], b);
  });
  return order;
}

// Pairs (picture of a, picture of b) of equal content, one for each of b's, in b's order.
std::vector<std::pair<std::size_t, std::size_t>> Matches(const std::vector<Id>& a,
                                                         const std::vector<Id>& b) {
  const std::vector<std::size_t> order = Sorted(a);
  std::vector<std::pair<std::size_t, std::size_t>> pairs;
  for (std::size_t j = 0; j < b.size(); ++j) {
    if (b[j] == Id{}) continue;  // a picture without a hash
    const auto at = std::lower_bound(order.begin(), order.end(), b[j],
                                     [&](std::size_t i, const Id& id) { return a[i] < id; });
    if (at != order.end() && a[*at] == b[j]) pairs.emplace_back(*at, j);
  }
  return pairs;
}

}  // namespace

PictureSet::PictureSet(std::string role, std::filesystem::path path)
    : role_(std::move(role)), path_(std::move(path)) {
  const H5Reader file(path_, Seal::kCheckedBefore);
  is_adapter_ = FormatOf(file) != kFeatureFormat;
  if (file.Has("paths")) paths_ = file.Texts("paths");
  if (!file.Has(kImageHashes)) return;
  for (const std::string& hash : file.Texts(kImageHashes)) hashes_.push_back(IdOf(hash));
}

const std::vector<Id>& PictureSet::rows() const {
  if (rows_.empty() && !is_adapter_) {
    // Values are checked where they are used.
    const H5Reader file(path_, Seal::kCheckedBefore);
    const std::vector<hsize_t> shape = file.Shape("features");
    const std::size_t width = shape.at(1),
                      piece = std::max<std::size_t>(1, kReadBytes / (4 * width));
    std::vector<float> some;
    for (std::size_t first = 0; first < shape[0]; first += piece) {
      MadeProgress();
      some.resize(std::min<std::size_t>(piece, shape[0] - first) * width);
      file.FloatRows("features", first, width, some);
      for (std::size_t at = 0; at < some.size(); at += width) {
        Sha256 hash;
        hash.Update(std::as_bytes(std::span(some).subspan(at, width)));
        rows_.push_back(IdOf(hash.Hex()));
      }
    }
  }
  return rows_;
}

std::string PictureSet::NameOf(std::size_t picture) const {
  return picture < paths_.size() ? Printable(paths_[picture]) : fmt::format("key {}", picture);
}

std::vector<std::string> PictureHashes(const std::filesystem::path& path,
                                       const std::vector<std::int64_t>& rows) {
  std::vector<std::string> hashes;
  const H5Reader file(path, Seal::kCheckedBefore);
  if (!file.Has(kImageHashes)) return hashes;
  const std::vector<std::string> all = file.Texts(kImageHashes);
  for (const std::int64_t row : rows) hashes.push_back(all.at(static_cast<std::size_t>(row)));
  return hashes;
}

Oddities RequireDisjoint(const std::vector<PictureSet>& sets, const Allowed& allowed) {
  Oddities found;
  for (std::size_t j = 0; j < sets.size(); ++j) {
    for (std::size_t i = 0; i < j; ++i) {
      const PictureSet &a = sets[i], &b = sets[j];
      const bool by_hash = a.has_hashes() && b.has_hashes();
      const auto pairs = by_hash ? Matches(a.hashes(), b.hashes()) : Matches(a.rows(), b.rows());
      if (pairs.empty()) continue;
      std::string examples;
      for (std::size_t k = 0; k < std::min(pairs.size(), kNamed); ++k) {
        examples += fmt::format("{}{} is {}", k == 0 ? "" : ", ", b.NameOf(pairs[k].second),
                                a.NameOf(pairs[k].first));
      }
      const std::string what =
          fmt::format("{} of the {} pictures of {} {} also in {} ({}{})", pairs.size(), b.size(),
                      b.role(), pairs.size() == 1 ? "is" : "are", a.role(), examples,
                      pairs.size() > kNamed ? ", .." : "");
      if (!allowed.overlap) {
        throw InputError(fmt::format(
            "{}, {}: {}; what is measured must choose nothing and be no key: take them out of one, "
            "or give --allow-overlap if this is meant",
            a.path().string(), b.path().string(), what));
      }
      found.overlap.push_back(what);
    }
  }
  return found;
}

Duplicates FindDuplicates(const std::vector<std::string>& hashes,
                          const std::vector<std::int32_t>& labels,
                          const std::vector<std::string>& paths) {
  Duplicates found;
  std::unordered_map<std::string, std::size_t> first;
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    if (hashes[i].empty()) continue;
    const auto [known, is_new] = first.emplace(hashes[i], i);
    if (is_new) continue;
    const bool across = labels[known->second] != labels[i];
    if (found.pictures == 0 || (across && found.across_classes == 0)) {
      found.example = {paths[known->second], paths[i]};
    }
    ++found.pictures;
    if (across) ++found.across_classes;
  }
  return found;
}

Duplicates FindDuplicates(const H5Reader& file) {
  if (!file.Has(kImageHashes)) return {};
  return FindDuplicates(file.Texts(kImageHashes), file.Int32s("labels"), file.Texts("paths"));
}

}  // namespace clipsweep
