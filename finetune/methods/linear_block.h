// Blocks of a linear classifier that is trained: rows of weights that start at the text, with
// softmax cross-entropy. Methods differ in the start, the parametrisation and the optimiser.
#pragma once

#include <memory>

#include "finetune/methods/method.h"
#include "finetune/training/course.h"
#include "finetune/training/trained_block.h"
#include "finetune/training/trainer.h"

namespace clipsweep {

struct LinearForm {
  double scale = 100;     // logits = scale f . row
  bool unit_rows = true;  // the row is w / |w|; else w itself
  double residual = 0;    // w = start + residual r, and r is learned from 0; 0: w is learned
  at::Tensor start;       // [C, D]
  at::Tensor pull;        // [C] or undefined: the loss has mean_c pull_c |w_c - start_c|^2 too
};

class LinearBlock final : public TrainedBlock {
 public:
  LinearBlock(const LinearForm& form, std::int64_t first_class, std::int64_t classes);

  at::Tensor Forward(const Batch& batch) override;
  std::vector<float> Backward(const Batch& batch, const at::Tensor& lead,
                              const Optimizer& optimizer, double lr) override;
  at::Tensor Logits(const at::Tensor& f) const override;
  NamedTensors State() override;
  void KeepBest() override { best_.Keep({{"learned", learned_.value}}); }
  void TakeBest() override { best_.TakeInto({{"learned", learned_.value}}); }

  // Scaled rows [c, D]: the logits are f . row.
  at::Tensor Rows() const;

 private:
  at::Tensor Weight() const;  // w [c, D]

  const double scale_, residual_;
  const bool unit_rows_;
  const std::int64_t all_classes_;
  at::Tensor start_, pull_;
  Parameter learned_;
  BestOf best_;
  at::Tensor rows_, length_;  // of the last Forward: w / |w| [c, D], |w| [c, 1]
};

// At least this many classes a block: smaller ones cost more in calls than they gain in threads.
inline constexpr std::int64_t kLeastLinearClasses = 32;

// Trains on `samples` [n, D] with `labels`, by `course`, and gives the linear classifier.
Fitted FitLinear(const LinearForm& form, const at::Tensor& samples,
                 const std::vector<std::int32_t>& labels, const Course& course, FitJob& job);

// The epochs of Dassl's trainers, which several official codes are written for: batches without
// a smaller last one, the rate by epoch (WarmCosineRate).
Course DasslCourse(const std::string& label, std::int64_t samples, std::int64_t epochs,
                   std::int64_t batch, double lr, std::uint64_t seed);

// The text rows at their length before they were made unit.
at::Tensor RawText(const FewShot& problem, double text_norm);
// The setting "text-norm": what the text file says, or 10.
Setting TextNormSetting();

}  // namespace clipsweep
