// Classifying with a trained adapter.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "common/files/adapter_file.h"

namespace clipsweep {

struct Prediction {
  std::int64_t class_index = 0;
  double probability = 0;  // softmax over all classes
};

class AdapterClassifier {
 public:
  explicit AdapterClassifier(const AdapterData& adapter);

  // features [N, D] unit rows -> for each the `top` likeliest classes, falling; equal ones in the
  // order of classes.
  std::vector<std::vector<Prediction>> Classify(const at::Tensor& features, std::int64_t top) const;

 private:
  double alpha_, beta_;
  at::Tensor keys_, labels_, text_;  // [K, D], [K], [C, D]
};

}  // namespace clipsweep
