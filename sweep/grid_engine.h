// Counts right answers over whole grids: one affinity product a block of samples, then every task's
// subset of keys, every beta, every alpha. Integers are all that leaves a rank, so the counts
// depend on neither ranks nor threads nor how the work was cut.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/comm.h"
#include "common/device.h"
#include "common/feature_file.h"
#include "sweep/grid.h"

namespace clipsweep {

inline constexpr std::int64_t kBlockSamples = 256;

// What is classified and with what: all rows of unit length, classes in one order.
struct Problem {
  std::int64_t width = 0;                // D
  std::int64_t classes = 0;              // C
  std::vector<float> text;               // [C, D]
  std::vector<float> keys;               // [K, D]
  std::vector<std::int32_t> key_labels;  // [K]
};

struct Queries {
  std::vector<float> features;       // [N, D] unit rows
  std::vector<std::int32_t> labels;  // [N]
  std::int64_t count() const { return static_cast<std::int64_t>(labels.size()); }
};

// One family of nested subsets over one grid.
struct GridTask {
  std::vector<std::vector<std::int64_t>> rows_by_class;  // rows of Problem::keys, in adding order
  std::vector<std::int64_t> shots;                       // rising; first so many rows of each class
  Axis alpha, beta;
};

struct GridCounts {
  std::vector<std::int64_t> top1,
      top5;  // [shots, beta, alpha]: samples whose label is first / in first 5
};

// kSamples: a work item is a block of samples. kGrid: a block and a run of 16 betas.
enum class Partition { kSamples, kGrid };
Partition ParsePartition(const std::string& name);

// `label` names the pass in the progress bar. Every rank gets the whole result.
std::vector<GridCounts> CountGrid(const Problem& problem, const Queries& queries,
                                  const std::vector<GridTask>& tasks, Partition partition,
                                  const Compute& compute, Comm& comm, const std::string& label);

// Zero-shot: {top-1, top-5} right of argmax 100 f W^T.
struct TopCounts {
  std::int64_t top1 = 0, top5 = 0;
};
TopCounts CountZeroShot(const Problem& problem, const Queries& queries, const Compute& compute,
                        Comm& comm);

}  // namespace clipsweep
