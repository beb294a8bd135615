#include "finetune/methods/linear_block.h"

#include "common/compute/products.h"
#include "common/compute/tensors.h"

namespace clipsweep {
namespace {

constexpr std::uint64_t kLinearOrderStream = 0x6c696e656172;  // tells these draws from others
constexpr double kUsualTextNorm = 10;

at::Tensor RowsOf(const at::Tensor& all, std::int64_t first, std::int64_t count) {
  return all.defined() ? all.narrow(0, first, count).clone() : all;
}

}  // namespace

LinearBlock::LinearBlock(const LinearForm& form, std::int64_t first_class, std::int64_t classes)
    : TrainedBlock(first_class, classes),
      scale_(form.scale),
      residual_(form.residual),
      unit_rows_(form.unit_rows),
      all_classes_(form.start.size(0)),
      start_(RowsOf(form.start, first_class, classes)),
      pull_(RowsOf(form.pull, first_class, classes)),
      learned_(residual_ != 0 ? at::zeros_like(start_) : start_.clone(), true) {}

at::Tensor LinearBlock::Weight() const {
  return residual_ != 0 ? at::add(start_, learned_.value, residual_) : learned_.value;
}

at::Tensor LinearBlock::Rows() const {
  const at::Tensor weight = Weight();
  if (!unit_rows_) return weight * scale_;
  return (weight / weight.norm(2, {1}, /*keepdim=*/true)).mul_(scale_);
}

at::Tensor LinearBlock::Logits(const at::Tensor& f) const { return TimesTransposed(f, Rows()); }

at::Tensor LinearBlock::Forward(const Batch& batch) {
  const at::Tensor weight = Weight();
  if (unit_rows_) {
    length_ = weight.norm(2, {1}, /*keepdim=*/true);
    rows_ = weight / length_;
  } else {
    rows_ = weight;
  }
  return TimesTransposed(batch.features, rows_, scale_);
}

std::vector<float> LinearBlock::Backward(const Batch& batch, const at::Tensor& lead,
                                         const Optimizer& optimizer, double lr) {
  at::Tensor gradient = TimesTransposed(lead.t(), batch.features.t(), scale_);
  if (unit_rows_) {  // what lies along the row changes its length alone
    const at::Tensor along = (gradient * rows_).sum(1, /*keepdim=*/true);
    gradient.addcmul_(rows_, along, -1).div_(length_);
  }
  if (pull_.defined()) {
    const at::Tensor away = Weight() - start_;
    gradient.addcmul_(away, pull_.unsqueeze(1), 2.0 / static_cast<double>(all_classes_));
  }
  if (residual_ != 0) gradient.mul_(residual_);
  learned_.Step(gradient, optimizer, lr);
  return {};
}

NamedTensors LinearBlock::State() {
  NamedTensors state;
  AddState(state, "learned", learned_);
  best_.AddTo(state);
  return state;
}

Fitted FitLinear(const LinearForm& form, const at::Tensor& samples,
                 const std::vector<std::int32_t>& labels, const Course& course, FitJob& job) {
  Trainer trainer(form.start.size(0), labels, job.compute, job.comm, kLeastLinearClasses);
  trainer.MakeBlocks(samples, [&](std::int64_t first, std::int64_t count) {
    return std::make_unique<LinearBlock>(form, first, count);
  });
  CourseResult done = RunCourse(course, trainer, job.store, job.comm);
  Fitted fitted;
  fitted.classifier = std::make_unique<LinearClassifier>(
      trainer.GatherRows(
          [](const TrainedBlock& block) { return static_cast<const LinearBlock&>(block).Rows(); },
          form.start.size(1)),
      at::Tensor());
  TakeCourse(std::move(done), fitted);
  return fitted;
}

Course DasslCourse(const std::string& label, std::int64_t samples, std::int64_t epochs,
                   std::int64_t batch, double lr, std::uint64_t seed) {
  EpochBatches batches(samples, batch, /*drop_last=*/true, seed, kLinearOrderStream);
  Course course;
  course.label = label;
  course.epochs = epochs;
  course.steps = batches.steps();
  course.batch = batches;
  course.rate = [lr, epochs, steps = course.steps](std::int64_t step) {
    return WarmCosineRate(lr, step / steps, epochs);
  };
  return course;
}

at::Tensor RawText(const FewShot& problem, double text_norm) { return problem.text * text_norm; }

Setting TextNormSetting() {
  return Depending(Real("text-norm", kUsualTextNorm, 1e-3, 1e4,
                        "length of the text rows that training starts at"),
                   "of the text file, or 10", [](const FewShot& problem) {
                     return problem.text_norm > 0 ? problem.text_norm : kUsualTextNorm;
                   });
}

}  // namespace clipsweep
