#include "finetune/methods/probe.h"

#include "common/compute/tensors.h"
#include "finetune/methods/linear_block.h"

namespace clipsweep {

std::vector<Setting> ProbeSettings() {
  return {Real("lr", 0.1, 1e-9, 1e4, "SGD's learning rate, momentum 0.9; cosine by epoch"),
          Whole("epochs", 300, 1, 100000, "passes over the images"),
          Whole("batch", 256, 1, 1 << 20, "images a step; a smaller last one is left out"),
          TextNormSetting()};
}

Fitted FitProbe(const std::string& name, const FewShot& problem, const Settings& settings,
                const at::Tensor& pull, FitJob& job) {
  LinearForm form;
  form.scale = problem.logit_scale;
  form.start = RawText(problem, settings.at("text-norm"));
  form.pull = pull;
  Course course =
      DasslCourse(name, problem.count(), static_cast<std::int64_t>(settings.at("epochs")),
                  static_cast<std::int64_t>(settings.at("batch")), settings.at("lr"), job.seed);
  course.optimizer.kind = Optimizer::Kind::kSgd;
  course.optimizer.weight_decay = 0;
  return FitLinear(form, problem.keys, problem.labels, course, job);
}

}  // namespace clipsweep
