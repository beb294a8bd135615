#include "launch/experiment/hold_out.h"

#include <fmt/core.h>

#include <algorithm>
#include <span>
#include <utility>

#include "common/compute/random.h"
#include "common/files/feature_file.h"
#include "common/files/made_alike.h"
#include "common/files/stage_output.h"
#include "common/process/error.h"
#include "common/process/liveness.h"
#include "common/process/log.h"
#include "sweep/sweep_plan.h"

namespace clipsweep {
namespace {

constexpr std::uint64_t kHoldOutStream =
    0x686f6c64;  // tells these draws from those of other stages

std::int64_t MostShots(const ExperimentConfig& config) {
  return *std::max_element(config.shots.begin(), config.shots.end());
}

// In the order of the file, as a list of pictures is read in the order of their names.
std::vector<std::int64_t> RowsOf(const HoldOutJob& job, const FeatureSet& all) {
  HeldOut parts =
      HoldOut(job.config, all.labels, all.classes, job.from.string(), kInsteadOfHoldingOut);
  std::vector<std::int64_t> rows =
      std::move(job.part == HoldOutPart::kKeys ? parts.keys : parts.val);
  std::sort(rows.begin(), rows.end());
  return rows;
}

template <typename T>
std::vector<T> Picked(const std::vector<T>& all, const std::vector<std::int64_t>& rows) {
  std::vector<T> picked;
  picked.reserve(rows.size());
  for (const std::int64_t row : rows) picked.push_back(all.at(static_cast<std::size_t>(row)));
  return picked;
}

// Features of the plain views and of the further ones, row by row.
struct Features {
  std::vector<float> plain, further;
};

// Reads, and so checks, all of the file. `rows`: rising.
Features ReadRows(const FeatureReader& reader, const std::vector<std::int64_t>& rows,
                  std::size_t further) {
  const auto width = static_cast<std::size_t>(reader.about().width);
  Features features;
  features.plain.reserve(rows.size() * width);
  features.further.reserve(rows.size() * further);
  auto next = rows.begin();
  reader.ForEachRow([&](std::int64_t row, std::span<const float> views) {
    if (next == rows.end() || row != *next) return;
    ++next;
    const auto plain = views.first(width), more = views.subspan(width, further);
    features.plain.insert(features.plain.end(), plain.begin(), plain.end());
    features.further.insert(features.further.end(), more.begin(), more.end());
  });
  return features;
}

void WritePart(const HoldOutJob& job, const Provenance& made_from) {
  const FeatureReader reader(job.from);
  const FeatureSet& all = reader.about();
  const bool keys = job.part == HoldOutPart::kKeys;
  const std::vector<std::int64_t> rows = RowsOf(job, all);
  const auto width = static_cast<std::size_t>(all.width);
  const std::int64_t views = keys ? all.views : 1;
  const std::size_t further = width * static_cast<std::size_t>(views - 1);
  const Features features = ReadRows(reader, rows, further);
  const std::vector<std::int32_t> labels = Picked(all.labels, rows);
  FeatureHash hash(views);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    hash.Row(std::span(features.plain).subspan(i * width, width),
             std::span(features.further).subspan(i * further, further));
  }
  H5Writer file(job.out);
  WriteHeader(file, kFeatureFormat, made_from);
  file.Attribute("content_sha256", hash.Hex(labels));
  file.Write("features", {rows.size(), width}, features.plain);
  if (further > 0) {
    file.Attribute("views", views);
    file.Write("views", {rows.size(), further}, features.further);
  }
  file.Write("labels", {rows.size()}, labels);
  file.Write("paths", Picked(all.paths, rows));
  file.Write("classes", all.classes);
  if (const H5Reader from(job.from); from.Has(kImageHashes)) {
    file.Write(kImageHashes, Picked(from.Texts(kImageHashes), rows));
  }
  // Left out before: images of train, behind those that are there.
  std::vector<SkippedImage> skipped = keys ? all.skipped : std::vector<SkippedImage>();
  for (std::size_t i = 0; i < skipped.size(); ++i) {
    skipped[i].index = static_cast<std::int64_t>(rows.size() + i);
  }
  WriteSkipped(file, skipped);
  file.Commit();
  DidWork(static_cast<std::int64_t>(rows.size()));
}

}  // namespace

HeldOut HoldOut(const ExperimentConfig& config, const std::vector<std::int32_t>& labels,
                const std::vector<std::string>& classes, const std::string& source,
                const std::string& instead) {
  std::vector<std::vector<std::int64_t>> rows(classes.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    rows[static_cast<std::size_t>(labels[i])].push_back(static_cast<std::int64_t>(i));
  }
  const std::int64_t shots = MostShots(config);
  HeldOut parts;
  std::int64_t most_left = 0;
  for (std::size_t c = 0; c < rows.size(); ++c) {
    const auto images = static_cast<std::int64_t>(rows[c].size());
    const std::int64_t held = HeldOutOfClass(images, shots);
    if (held == 0) {
      throw InputError(fmt::format(
          "{}: class '{}' has {} training image(s), none can be held out to choose alpha and beta; "
          "{}",
          source, Printable(classes[c]), images, instead));
    }
    most_left = std::max(most_left, images - held);
    Random(static_cast<std::uint64_t>(config.seed), kHoldOutStream, c).Shuffle(rows[c]);
    parts.val.insert(parts.val.end(), rows[c].begin(), rows[c].begin() + held);
    parts.keys.insert(parts.keys.end(), rows[c].begin() + held, rows[c].end());
  }
  if (shots > most_left) {
    throw InputError(
        fmt::format("--shots: {} asked but {} images of the largest class are left as keys when "
                    "validation images are held out; ask for fewer shots, or {}",
                    shots, most_left, instead));
  }
  return parts;
}

Provenance HoldOutProvenance(const HoldOutJob& job) {
  const H5Reader file(job.from);
  CheckHeader(file, kFeatureFormat);
  Provenance made_from = {
      {kHeldOutOf, file.seal()},
      {"part", job.part == HoldOutPart::kKeys ? "keys" : "val"},
      {"most_held_out", std::to_string(HeldOutOfClass(INT64_MAX, MostShots(job.config)))},
      {"seed", std::to_string(job.config.seed)}};
  InheritMaking(ReadProvenance(file), made_from);
  return made_from;
}

bool RunHoldOut(const HoldOutJob& job, Comm& comm) {
  EnterStage("hold out");
  Provenance made_from;
  Agree(comm, [&] { made_from = HoldOutProvenance(job); });
  const StageOutput output = OpenOutput(comm, job.out, kFeatureFormat, made_from, job.if_present);
  if (output.up_to_date) return true;
  Agree(comm, [&] {
    if (comm.is_root()) WritePart(job, made_from);
  });
  return false;
}

}  // namespace clipsweep
