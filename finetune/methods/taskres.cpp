// TaskRes (Yu et al., CVPR 2023, arXiv 2211.10277): a residual on the text rows, w = t + a r, with
// logits = s f . w / |w|; Adam with weight decay on r.
#include "common/compute/tensors.h"
#include "finetune/methods/linear_block.h"

namespace clipsweep {
namespace {

class Taskres final : public Method {
 public:
  MethodInfo Info() const override {
    return {.name = "taskres",
            .title = "TaskRes",
            .paper = "Yu et al., CVPR 2023, arXiv 2211.10277",
            .about = "a learned residual on the text weights",
            .tuned = "",
            .settings = {Real("scale", 0.5, 1e-6, 100, "of the residual"),
                         Real("lr", 2e-3, 1e-9, 10, "Adam's learning rate, cosine by epoch"),
                         Depending(Whole("epochs", 200, 1, 100000, "passes over the images"),
                                   "100 up to 4 shots, else 200",
                                   [](const FewShot& p) { return p.shots() <= 4 ? 100.0 : 200.0; }),
                         Whole("batch", 256, 1, 1 << 20,
                               "images a step; a smaller last one is left out"),
                         TextNormSetting()},
            .trains = true};
  }

  Fitted Fit(const FewShot& problem, const Settings& settings, FitJob& job) const override {
    LinearForm form;
    form.scale = problem.logit_scale;
    form.start = RawText(problem, settings.at("text-norm"));
    form.residual = settings.at("scale");
    Course course =
        DasslCourse(Info().name, problem.count(), static_cast<std::int64_t>(settings.at("epochs")),
                    static_cast<std::int64_t>(settings.at("batch")), settings.at("lr"), job.seed);
    course.optimizer.kind = Optimizer::Kind::kAdam;
    course.optimizer.weight_decay = 5e-4;
    course.optimizer.eps = 1e-8;
    return FitLinear(form, problem.keys, problem.labels, course, job);
  }
};

}  // namespace

std::unique_ptr<Method> MakeTaskres() { return std::make_unique<Taskres>(); }

}  // namespace clipsweep
