// The part of launch/report/check_results.h that looks at one classifier's figures.
#pragma once

#include <cstdint>
#include <vector>

#include "launch/records/json_field.h"

namespace clipsweep {

inline constexpr std::int64_t kMostCounted = std::int64_t{1} << 50;  // of anything

struct ResultCounts {
  std::int64_t samples = 0, top1 = 0, top5 = 0;
  double Accuracy(std::int64_t right) const;  // 0 of no samples
  bool operator==(const ResultCounts&) const = default;
};

// top1 <= top5 <= samples, and the accuracies beside them follow. Throws InputError.
ResultCounts ReadCounts(const JsonField& field);

// Right answers by class, calibration and confusions of an evaluation: they are counts of the same
// images. `class_samples` [C]. Throws InputError.
void CheckEvaluationFigures(const JsonField& field, const ResultCounts& counts,
                            const std::vector<std::int64_t>& class_samples);

}  // namespace clipsweep
