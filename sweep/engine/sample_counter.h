// One sample over one task's grid. Few classes ever come near the label on it: bounds from the
// class sums at every 16th beta find those, and only their curves are followed from beta to beta.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

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

class SampleCounter {
 public:
  // Keeps references. `edges_left`: how many edges may still be kept, shared by all workers; once
  // it is below 0 none are; nullptr: none are wanted.
  SampleCounter(const KeyLayout& layout, const std::vector<std::int64_t>& shots, const Axis& alpha,
                const Axis& beta, const Reach& most, std::atomic<std::int64_t>* edges_left);

  // affinity: the sample's row of f F^T; z [classes] = 100 f W^T, of all classes. Adds what holds
  // at the runs of 16 betas [first_run, last_run): the four steps below.
  void Run(const float* affinity, const float* z, std::int64_t label, std::int64_t first_run,
           std::int64_t last_run);

  // The steps, for ranks that hold the keys of some classes each. The layout's classes are met; the
  // label's sums come from the rank that holds it.
  void Load(const float* affinity, const float* z);
  bool Holds(std::int64_t label) const;
  // Of a label whose keys are held: anchors [shots, runs + 1] and sums [shots, betas of the runs].
  void LabelSums(std::int64_t label, std::int64_t first_run, std::int64_t last_run, float* anchors,
                 float* sums);
  // Calls use(row, contest) for every row of the runs, rising in beta for each shot count.
  using Use = std::function<void(std::int64_t row, Contest& contest)>;
  void MeetClasses(std::int64_t label, const float* anchors, const float* sums,
                   std::int64_t first_run, std::int64_t last_run, const Use& use);
  void Record(std::int64_t row, Contest& contest);

  std::int64_t rows() const { return static_cast<std::int64_t>(shots_.size()) * beta_.count; }
  // Runs of the axis within [0, last_run).
  std::int64_t ClampRun(std::int64_t last_run) const;
  std::int64_t shot_counts() const { return static_cast<std::int64_t>(shots_.size()); }
  std::int64_t betas() const { return beta_.count; }
  const TaskCounts& counts() const { return counts_; }

 private:
  // Some classes' keys side by side, with their z and numbers.
  struct Packed {
    std::vector<std::int32_t> classes;  // [groups * 16], -1 for padding
    std::vector<float> weight, distance, z, sums;
  };
  void Pack(Packed& packed) const;
  void SumPacked(Packed& packed, std::int64_t beta, std::int64_t betas) const;
  void FindRivals(std::int64_t label, const float* label_anchors, const float* label_sums,
                  std::int64_t run, std::int64_t runs, std::int64_t all_betas, std::int64_t betas,
                  std::int64_t chord_betas);

  const KeyLayout& layout_;
  const std::vector<std::int64_t> shots_;
  const Axis alpha_, beta_;
  std::atomic<std::int64_t>* edges_left_;
  AlphaCounter counter_;
  TaskCounts counts_;
  Contest contest_;
  const float* all_z_ = nullptr;
  std::vector<float> z_, distance_, anchors_, label_anchors_, label_sums_;
  std::vector<std::int32_t> found_;
  std::vector<std::uint8_t> seen_;
  Packed label_, rivals_;
};

}  // namespace clipsweep
