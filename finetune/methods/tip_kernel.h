// The kernel that several methods add to the text's logits: sums of exp(-beta (1 - f . key)) a
// class, with keys and features on some channels and a weight a key where asked for.
#pragma once

#include <memory>
#include <vector>

#include "finetune/methods/method.h"

namespace clipsweep {

inline constexpr double kMostTipAlpha = 1000;

// alpha and beta, with the values that the official code starts from.
std::vector<Setting> TipSettings();
// beta's grid: 0.25 to 64 by factors of the fourth root of 2.
std::vector<double> BetaGrid();

std::unique_ptr<Residual> MakeTipResidual(const FewShot& problem, const Settings& settings,
                                          const std::vector<Setting>& open);

// Sums over kernels of one product of features and keys, for every point of a grid.
class KernelSums {
 public:
  // keys [K, Q] unit rows, labels [K] rising.
  KernelSums(at::Tensor keys, std::vector<std::int32_t> labels, std::int64_t classes,
             std::vector<std::int32_t> channels);
  // f . keys^T [N, K] of the kept channels.
  at::Tensor Affinity(const at::Tensor& features) const;
  // exp(-beta (1 - affinity)).
  static at::Tensor Kernel(const at::Tensor& affinity, double beta);
  // [N, C]; weight [K] or undefined.
  at::Tensor Sums(const at::Tensor& kernel, const at::Tensor& weight) const;

 private:
  at::Tensor keys_;
  std::vector<std::int32_t> labels_;
  std::int64_t classes_;
  std::vector<std::int32_t> channels_;
};

}  // namespace clipsweep
