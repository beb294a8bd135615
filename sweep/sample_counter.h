// One sample over one task's grid. Few classes ever come near the label on it: bounds from the
// class sums at every 16th beta find those, and only their curves are followed from beta to beta.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "sweep/class_sums.h"
#include "sweep/exact_alpha.h"
#include "sweep/grid.h"
#include "sweep/key_layout.h"

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
                const Axis& beta, std::atomic<std::int64_t>* edges_left);

  // affinity: the sample's row of f F^T; z [classes] = 100 f W^T. Adds what holds at the runs of 16
  // betas [first_run, last_run).
  void Run(const float* affinity, const float* z, std::int64_t label, std::int64_t first_run,
           std::int64_t last_run);

  const TaskCounts& counts() const { return counts_; }

 private:
  // Some classes' keys side by side, with their z and numbers.
  struct Packed {
    std::vector<std::int32_t> classes;  // [groups * 16], -1 for padding
    std::vector<float> weight, distance, z, sums;
  };
  void Pack(Packed& packed) const;
  void SumPacked(Packed& packed, std::int64_t beta, std::int64_t betas) const;
  const std::vector<std::int32_t>& Candidates(std::int64_t label, const float* first,
                                              const float* last, std::int64_t stride,
                                              std::int64_t betas);
  void Record(const AlphaInterval& interval, std::int64_t row);

  const KeyLayout& layout_;
  const std::vector<std::int64_t> shots_;
  const Axis alpha_, beta_;
  std::atomic<std::int64_t>* edges_left_;
  AlphaCounter counter_;
  TaskCounts counts_;
  std::vector<float> z_, distance_, anchors_;
  std::vector<std::int32_t> found_;
  std::vector<std::uint8_t> seen_;
  Packed label_, rivals_;
};

}  // namespace clipsweep
