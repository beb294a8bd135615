#include "finetune/train_loop.h"

#include "common/compute/tensors.h"
#include "common/process/liveness.h"
#include "finetune/training/course.h"
#include "finetune/training/key_trainer.h"

namespace clipsweep {
namespace {

constexpr std::uint64_t kOrderStream =
    0x6f72646572;  // tells these draws from those of other stages

Course CourseOf(const FinetuneConfig& config, const TrainPlan& plan, KeyTrainer& trainer) {
  const EpochBatches batches(trainer.samples(), config.batch, /*drop_last=*/false,
                             static_cast<std::uint64_t>(config.seed), kOrderStream);
  Course course = CosineCourse("finetune", batches, config.epochs, config.lr);
  if (!plan.views.empty()) {
    course.begin_epoch = [&](std::int64_t epoch) {
      trainer.UseView(plan.views[static_cast<std::size_t>(epoch) % plan.views.size()]);
    };
  }
  course.optimizer.eps = config.eps;
  course.optimizer.weight_decay = config.weight_decay;
  course.selection = plan.Selection(config.select);
  course.selection_name = SelectName(config.select);
  course.patience = config.patience;
  return course;
}

}  // namespace

AdapterData Train(const FinetuneConfig& config, const TrainPlan& plan, const Compute& compute,
                  StateStore& store, Comm& comm) {
  KeyTrainer trainer(plan.inputs.cache_model, plan.subset.rows_by_class, plan.alpha, plan.beta,
                     compute, comm, config.learn);
  const Course course = CourseOf(config, plan, trainer);
  const CourseResult done = RunCourse(course, trainer, &store, comm, [&](TrainState& state) {
    state.before = trainer.Evaluate(plan.test);
  });
  EnterStage("finetune: measure");
  AdapterData data;
  data.keys = trainer.GatherKeys();
  data.text = trainer.GatherText();
  const TopCounts test = trainer.Evaluate(plan.test);
  data.before_top1 = done.state.before.top1;
  data.before_top5 = done.state.before.top5;
  data.test_top1 = test.top1;
  data.test_top5 = test.top5;
  data.alpha = trainer.alpha();
  data.logit_scale = plan.inputs.cache_model.logit_scale;
  data.beta = trainer.beta();
  data.selected_epoch = done.selected_epoch;
  data.history = done.state.history;
  data.width = plan.inputs.cache_model.width;
  data.class_index = trainer.key_classes();
  data.cache_row = trainer.key_rows();
  data.classes = plan.inputs.classes;
  data.tuned_on = plan.tuned_on;
  data.test_samples = plan.test.count();
  data.select_samples = course.selection == nullptr ? 0 : course.selection->count();
  data.made_from = plan.made_from;
  return data;
}

}  // namespace clipsweep
