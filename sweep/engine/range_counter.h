// What one worker does with some samples: a cheap product for all classes, bounds from it, exact
// values for the few classes that the bounds leave open, and their contests with the label. Two
// steps, because where ranks hold the keys of some classes each, a label's sums come from another
// rank.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "sweep/engine/grid_work.h"
#include "sweep/engine/rival_rows.h"

namespace clipsweep {

// Where each task's label sums stand in a sample's row.
struct SumsPlaces {
  SumsPlaces(const Workspace& space, BetaRuns runs);
  std::vector<BetaRuns> runs;  // of each task
  std::vector<std::int64_t> anchors_at, sums_at;
  std::int64_t length = 0;

  LabelSums Of(std::size_t task, const float* row) const {
    return {row + anchors_at[task], row + sums_at[task]};
  }
};

// Samples first .. first + count - 1.
struct SampleRange {
  std::int64_t first = 0, count = 0;
};

class RangeCounter {
 public:
  // Keeps a reference.
  explicit RangeCounter(GridWork& work);

  Workspace& space() { return space_; }

  // z [count] of all labels and, of those whose keys are here, sums [count, places.length].
  void SumLabels(const SampleRange& range, const SumsPlaces& places, float* z, float* sums);

  // What a sample's label meets. steady: in a run so many classes held here are ahead of it
  // everywhere, and no other anywhere; row: a contest, in other runs.
  struct Use {
    std::function<void(std::int64_t i, std::size_t task, std::int64_t run, std::int64_t ahead)>
        steady;
    std::function<void(std::int64_t i, std::size_t task, std::int64_t row, Contest& contest)> row;
  };
  void Meet(const SampleRange& range, const SumsPlaces& places, const float* z, const float* sums,
            const Use& use);

 private:
  void ScreenTexts(const SampleRange& range, const LeftRows& left);
  void MakeCurves(const SampleRange& range, const SumsPlaces& places, const float* sums);
  void ScreenTile(const SampleRange& range, const SumsPlaces& places, std::size_t tile,
                  const LeftRows& left, const float* z, const float* sums);
  void ScreenSample(std::int64_t i, std::int64_t label, float label_z, const SumsPlaces& places,
                    const float* sums, const ScreenRow& row);
  void TakeAll(const SampleRange& range, const SumsPlaces& places, std::size_t task);
  void ListMet(std::int64_t count);
  void MeetRivals(const SampleRange& range, const SumsPlaces& places, const float* z,
                  const float* sums, const Use& use);
  std::span<RunRivals> RivalsOf(std::int64_t i, std::size_t task);

  GridWork& work_;
  Workspace space_;
  RivalRows rows_;
  std::int64_t runs_ = 0;                       // of the task that has most, in this range
  std::vector<float> text_z_;                   // [count, lanes] not below the true ones
  std::vector<LabelCurves> curves_;             // [count, tasks]
  std::vector<LabelCurves> family_curves_;      // [count, families]
  std::vector<float> z_slack_;                  // [count]
  std::vector<RunRivals> rivals_;               // [count, tasks, runs_]
  std::vector<std::vector<std::int32_t>> met_;  // [count] classes, of all tasks and runs
  std::vector<float> least_;
  std::vector<std::int32_t> lanes_, place_of_class_;
  std::vector<std::uint8_t> seen_;
};

}  // namespace clipsweep
