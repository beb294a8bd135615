#include "extract/output_check.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "common/files/feature_file.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "extract/pipeline/bad_images.h"
#include "extract/pipeline/picture_content.h"

namespace clipsweep {
namespace {

constexpr std::size_t kNamed = 3;  // pictures a message names of each kind
constexpr const char* kListSha256 = "list_sha256";

// The list that a feature file was made from, in its order, and what it says of the pictures.
struct OldList {
  ImageList list;  // paths and labels; -1 for pictures that were left out
  std::vector<PictureRecord> records;
};

OldList ReadOldList(const H5Reader& file) {
  OldList old;
  const auto paths = file.Texts("paths");
  const auto labels = file.Int32s("labels");
  if (paths.size() != labels.size()) file.Fail("paths and labels differ in number");
  std::map<std::int64_t, std::string> skipped;
  for (const SkippedImage& image : ReadSkipped(file)) skipped[image.index] = image.path;
  for (std::size_t row = 0; row < paths.size() || !skipped.empty();) {
    const auto left_out = skipped.find(old.list.size());
    if (left_out != skipped.end()) {
      old.list.paths.push_back(left_out->second);
      old.list.labels.push_back(-1);
      skipped.erase(left_out);
    } else if (row < paths.size()) {
      old.list.paths.push_back(paths[row]);
      old.list.labels.push_back(labels[row++]);
    } else {
      file.Fail("a skipped image is outside the list; extract again");
    }
  }
  old.list.classes = file.Texts("classes");
  old.records = ReadRecords(file, old.list.paths.size());
  return old;
}

std::vector<std::string> Without(const std::set<std::string>& all,
                                 const std::set<std::string>& out) {
  std::vector<std::string> rest;
  std::set_difference(all.begin(), all.end(), out.begin(), out.end(), std::back_inserter(rest));
  return rest;
}

std::string ClassOf(const ImageList& list, std::size_t image) {
  const std::int32_t label = list.labels[image];
  const bool known = label >= 0 && static_cast<std::size_t>(label) < list.classes.size();
  return known ? list.classes[static_cast<std::size_t>(label)] : "";
}

std::string Name(const std::vector<std::string>& names, const char* what) {
  std::vector<std::string> first;
  for (std::size_t i = 0; i < std::min(names.size(), kNamed); ++i) {
    first.push_back(Printable(names[i]));
  }
  return fmt::format("{} {} ({}{})", names.size(), what, fmt::join(first, ", "),
                     names.size() > kNamed ? ", .." : "");
}

// As ExtractDifference, but for the content of pictures whose list is the same.
std::string ListDifference(const H5Reader& file, const ExtractPlan& plan) {
  Provenance before = ReadProvenance(file), now = plan.made_from;
  std::string pictures;
  if (before[kListSha256] != now[kListSha256]) {
    pictures = DescribeListChanges(CompareLists(file, plan.list));
    if (!pictures.empty()) {
      pictures = fmt::format("its pictures are others ({}): {}", kListSha256, pictures);
      before.erase(kListSha256);
      now.erase(kListSha256);
    }
  }
  const std::string rest = Difference(before, now);
  return pictures + (pictures.empty() || rest.empty() ? "" : "; ") + rest;
}

}  // namespace

ListChanges CompareLists(const H5Reader& file, const ImageList& list) {
  OldList old = ReadOldList(file);
  ListChanges changes;
  std::map<std::string, std::size_t> place;
  for (std::size_t i = 0; i < list.paths.size(); ++i) place[list.paths[i]] = i;
  const std::set<std::string> before(old.list.paths.begin(), old.list.paths.end());
  const std::set<std::string> now(list.paths.begin(), list.paths.end());
  changes.added = Without(now, before);
  changes.removed = Without(before, now);

  ImageList common;  // pictures of both, to be looked at
  common.root = list.root;
  std::vector<PictureRecord> records;
  for (std::size_t i = 0; i < old.list.paths.size(); ++i) {
    const auto found = place.find(old.list.paths[i]);
    if (found == place.end()) continue;
    const std::string was = ClassOf(old.list, i);
    if (!was.empty() && was != ClassOf(list, found->second)) {
      changes.moved.push_back(old.list.paths[i]);
    }
    if (old.records.empty()) continue;
    common.paths.push_back(old.list.paths[i]);
    records.push_back(old.records[i]);
  }
  for (const std::int64_t image : ChangedPictures(common, 0, records)) {
    changes.changed.push_back(common.paths[static_cast<std::size_t>(image)]);
  }
  std::sort(changes.moved.begin(), changes.moved.end());
  std::sort(changes.changed.begin(), changes.changed.end());

  const std::set<std::string> old_classes(old.list.classes.begin(), old.list.classes.end());
  const std::set<std::string> new_classes(list.classes.begin(), list.classes.end());
  changes.classes_added = Without(new_classes, old_classes);
  changes.classes_removed = Without(old_classes, new_classes);
  changes.reordered = old_classes == new_classes && old.list.classes != list.classes;
  return changes;
}

std::string DescribeListChanges(const ListChanges& changes) {
  std::vector<std::string> parts;
  const auto add = [&](const std::vector<std::string>& names, const char* what) {
    if (!names.empty()) parts.push_back(Name(names, what));
  };
  add(changes.added, "added");
  add(changes.removed, "removed");
  add(changes.changed, "changed");
  add(changes.moved, "of another class");
  add(changes.classes_added, changes.classes_added.size() == 1 ? "new class" : "new classes");
  add(changes.classes_removed, changes.classes_removed.size() == 1 ? "class gone" : "classes gone");
  if (changes.reordered) parts.emplace_back("classes in another order");
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string ExtractDifference(const ExtractConfig& config, const Compute& compute) {
  const ExtractPlan plan = MakeExtractPlan(config, compute);
  const H5Reader file(config.out);
  CheckHeader(file, kFeatureFormat);
  const std::string difference = ListDifference(file, plan);
  if (!difference.empty()) return difference;
  SelfComm alone;
  const std::string changed =
      CheckContent(plan.list, config.out, /*keep_note=*/false, compute, alone);
  if (!changed.empty()) return changed;
  const auto skipped = static_cast<std::int64_t>(ReadSkipped(file).size());
  RefuseSkipped(config, skipped);
  BadImages(config.max_bad, config.images).Add(skipped);
  return "";
}

void RefuseOtherOutput(const ExtractConfig& config, const ExtractPlan& plan) {
  if (config.if_present != IfPresent::kReuse || !std::filesystem::exists(config.out)) return;
  std::string difference;
  try {
    const H5Reader file(config.out, Seal::kCheckedBefore);  // whoever opens it next checks it
    CheckHeader(file, kFeatureFormat);
    difference = ListDifference(file, plan);
  } catch (const Error&) {
    return;
  }
  if (difference.empty()) return;
  throw InputError(fmt::format("{}: exists and was made otherwise: {}; give --fresh to replace it",
                               config.out.string(), Printable(difference)));
}

void RefuseSkipped(const ExtractConfig& config, std::int64_t skipped) {
  if (config.skip_bad_images || skipped == 0) return;
  throw InputError(
      fmt::format("{}: was made with --on-bad-image skip and lacks {} unreadable images; give that "
                  "again, or mend the "
                  "images",
                  config.out.string(), skipped));
}

}  // namespace clipsweep
