// Cross-modal linear probe (Lin et al., CVPR 2023, arXiv 2301.06267): text rows are training
// samples beside the images. Half of each batch are images, half text; each stream is shuffled and
// starts again on its own, without a smaller last batch. Logits = s f . w, w from the text.
#include <algorithm>
#include <cmath>
#include <vector>

#include "common/compute/tensors.h"
#include "finetune/methods/linear_block.h"

namespace clipsweep {
namespace {

constexpr std::uint64_t kImageStream = 0x63726f737369, kTextStream = 0x63726f737374;
constexpr std::int64_t kLookEvery = 100, kWarmUp = 50;

// Linear from 1e-5 over the first steps, then a cosine of its own over all steps.
double Rate(double lr, std::int64_t step, std::int64_t steps) {
  if (step == 0) return 1e-5;
  if (step < kWarmUp) return lr * static_cast<double>(step) / static_cast<double>(kWarmUp);
  return CosineRate(lr, step - kWarmUp, steps);
}

class CrossModal final : public Method {
 public:
  MethodInfo Info() const override {
    return {
        .name = "cross-modal",
        .title = "cross-modal probe",
        .paper = "Lin et al., CVPR 2023, arXiv 2301.06267",
        .about = "a linear classifier for which the text rows are training samples too",
        .tuned = "step",
        .settings = {Real("lr", 1e-4, 1e-9, 10, "AdamW's learning rate"),
                     Real("weight-decay", 0.01, 0, 10, "AdamW's weight decay"),
                     Whole("batch", 32, 2, 1 << 20, "samples a step, half of them text"),
                     Whole("steps", 12800, 100, 10'000'000,
                           "of training, in hundreds; validation images look at every hundredth")},
        .trains = true,
        .selects_epoch = true};
  }

  Fitted Fit(const FewShot& problem, const Settings& settings, FitJob& job) const override {
    LinearForm form;
    form.scale = problem.logit_scale;
    form.unit_rows = false;
    form.start = problem.text;
    const at::Tensor samples = at::cat({problem.keys, problem.text});
    std::vector<std::int32_t> labels = problem.labels;
    for (std::int64_t c = 0; c < problem.classes(); ++c) {
      labels.push_back(static_cast<std::int32_t>(c));
    }
    const std::int64_t half = static_cast<std::int64_t>(settings.at("batch")) / 2;
    EpochBatches images(problem.count(), half, /*drop_last=*/true, job.seed, kImageStream);
    EpochBatches texts(problem.classes(), half, /*drop_last=*/true, job.seed, kTextStream);
    Course course;
    course.label = Info().name;
    course.epochs = static_cast<std::int64_t>(settings.at("steps")) / kLookEvery;
    course.steps = kLookEvery;
    const std::int64_t all = course.epochs * kLookEvery;
    course.batch = [images, texts, keys = problem.count()](std::int64_t epoch,
                                                           std::int64_t in_epoch) mutable {
      const std::int64_t step = (epoch - 1) * kLookEvery + in_epoch;
      std::vector<std::int64_t> batch = images(step / images.steps(), step % images.steps());
      for (const std::int64_t c : texts(step / texts.steps(), step % texts.steps())) {
        batch.push_back(keys + c);
      }
      return batch;
    };
    course.rate = [lr = settings.at("lr"), all](std::int64_t step) { return Rate(lr, step, all); };
    course.optimizer.weight_decay = settings.at("weight-decay");
    course.optimizer.eps = 1e-8;
    course.selection = job.tune;
    course.selection_name = job.tune_name;
    course.start_counts = job.tune != nullptr;
    return FitLinear(form, samples, labels, course, job);
  }
};

}  // namespace

std::unique_ptr<Method> MakeCrossModal() { return std::make_unique<CrossModal>(); }

}  // namespace clipsweep
