// One sample over one task's grid: which classes may beat its label, and where on the grid they do.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "sweep/engine/packed_keys.h"
#include "sweep/engine/rival_rows.h"
#include "sweep/engine/screen.h"
#include "sweep/kernels/class_sums.h"
#include "sweep/kernels/exact_alpha.h"
#include "sweep/kernels/key_layout.h"
#include "sweep/math/grid.h"

namespace clipsweep {

// What a worker has counted of a task; rows are (shots, beta).
struct TaskCounts {
  std::vector<std::int64_t> top1_steps, top5_steps;  // [rows, alpha.count + 1] difference arrays
  std::vector<std::int64_t> right_at_first;          // [rows] label is top-1 at the first alpha
  std::vector<std::vector<std::int64_t>> from, to;  // [rows] codes of Edge where top-1 begins, ends
};

// Runs of 16 betas of an axis: [first, last).
struct BetaRuns {
  std::int64_t first = 0, last = 0;
  std::int64_t count() const { return last - first; }
};

// The label's sums over some runs, [shots] of each: at the runs' anchors, [runs + 1], and at their
// betas.
struct LabelSums {
  const float *anchors, *sums;
};

// A label's curve in each run, [shots, runs]: AlphaCounter::LabelCurve.
struct LabelCurves {
  std::vector<float> first, last, sag;
  // Of several tasks, what holds for all.
  void TakeLeast(const LabelCurves& other);
};

// The affinities of one sample with a tile's keys, rounded, and its z, not below the true ones and
// not more than z_slack above them.
struct ScreenRow {
  const Screen::Tile& tile;
  PeakSlack slack;
  float most_affinity;  // none of them is larger in size
  float z_slack;
  const float* z;               // [lanes of the tile]
  const float* floats;          // [columns] or nullptr:
  const std::uint16_t* halves;  // bfloat16

  float Distance(std::int64_t at) const;
};

// The classes that a label meets in a run of betas.
struct RunRivals {
  std::int64_t ahead = 0;          // everywhere on it
  std::vector<std::int32_t> open;  // somewhere, perhaps

  // With five ahead the sample is in neither count, whatever the others do.
  void Settle() {
    if (ahead >= 5) open.clear();
  }
};

class SampleCounter {
 public:
  // Keeps references. `edges_left`: how many edges may still be kept, shared by all workers; once
  // it is below 0 none are; nullptr: none are wanted.
  SampleCounter(const KeyLayout& layout, const std::vector<std::int64_t>& shots, const Axis& alpha,
                const Axis& beta, const Reach& most, std::atomic<std::int64_t>* edges_left);

  // Runs of the axis within `runs`.
  BetaRuns Clamp(BetaRuns runs) const;
  std::int64_t AnchorsIn(BetaRuns runs) const { return shot_counts() * (runs.count() + 1); }
  std::int64_t BetasIn(BetaRuns runs) const;

  // The sums of a label whose keys are here; affinity [keys of its class].
  void SumLabel(std::int64_t label, const float* affinity, BetaRuns runs, float* anchors,
                float* sums);
  void MakeCurves(const LabelSums& label, BetaRuns runs, LabelCurves& curves) const;

  // Whether bounds hold on this grid: neither axis goes below 0.
  bool can_screen() const { return alpha_.At(0) >= 0 && beta_.At(0) >= 0; }
  float margin() const { return counter_.margin(); }
  PeakGrid GridOf(BetaRuns runs, float low_alpha, float high_alpha) const;
  // Adds those of `lanes` of the tile that are ahead of the label in a run, here or there or
  // everywhere.
  void FindRivals(float label_z, const LabelSums& sums, const LabelCurves& curves, BetaRuns runs,
                  const std::vector<std::int32_t>& lanes, const ScreenRow& row,
                  std::span<RunRivals> rivals);

  // The label against the rivals of each run, exactly: `at` tells where a class's values are in
  // `rows`. Calls use(row, contest) for every row, rising in beta for each shot count, of the runs
  // that have open ones.
  using Use = std::function<void(std::int64_t row, Contest& contest)>;
  void MeetRivals(std::int64_t label, float label_z, const LabelSums& sums, BetaRuns runs,
                  std::span<const RunRivals> rivals, const RivalRows& rows,
                  const std::vector<std::int32_t>& at, const Use& use);
  void Record(std::int64_t row, Contest& contest);
  // At all alphas and betas of a run so many classes are ahead of a sample's label.
  void RecordSteady(std::int64_t run, std::int64_t ahead);
  // Of all shot counts.
  std::vector<std::int64_t> RowsOf(std::int64_t run) const;

  std::int64_t rows() const { return static_cast<std::int64_t>(shots_.size()) * beta_.count; }
  std::int64_t shot_counts() const { return static_cast<std::int64_t>(shots_.size()); }
  const TaskCounts& counts();

 private:
  void JudgeFound(float label_z, const LabelSums& sums, BetaRuns runs, std::int64_t run,
                  const ScreenRow& row, RunRivals& rivals);

  const std::int64_t first_class_;
  const std::vector<std::int64_t> shots_;
  const Axis alpha_, beta_;
  std::atomic<std::int64_t>* edges_left_;
  AlphaCounter counter_;
  TaskCounts counts_;
  std::vector<std::int64_t> first_, in_top5_;  // [runs] samples that are so at every point of it
  Contest contest_;
  std::vector<float> anchors_, least_, most_;
  std::vector<std::int32_t> found_;
  std::vector<std::uint8_t> seen_;
  PackedKeys label_, screened_, found_keys_, open_;
  std::vector<float> sums_;
};

}  // namespace clipsweep
