// Tip-Adapter-F (Zhang et al., ECCV 2022, arXiv 2111.03930): Tip-Adapter whose keys are trained.
// Alpha and beta are chosen first, with the keys as they are; then the epoch.
#include "common/compute/tensors.h"
#include "finetune/methods/tip_kernel.h"
#include "finetune/training/course.h"
#include "finetune/training/key_trainer.h"

namespace clipsweep {
namespace {

constexpr std::uint64_t kKeyOrderStream = 0x6f72646572;

std::vector<Setting> AllSettings() {
  std::vector<Setting> settings = TipSettings();
  settings.push_back(Real("lr", 1e-3, 1e-9, 10, "AdamW's learning rate, cosine to 0"));
  settings.push_back(Real("eps", 1e-4, 1e-12, 1, "AdamW's epsilon"));
  settings.push_back(Whole("epochs", 20, 1, 100000, "passes over the images"));
  settings.push_back(Whole("batch", 256, 1, 1 << 20, "images a step"));
  return settings;
}

class TipAdapterF final : public Method {
 public:
  MethodInfo Info() const override {
    return {.name = "tip-adapter-f",
            .title = "Tip-Adapter-F",
            .paper = "Zhang et al., ECCV 2022, arXiv 2111.03930",
            .about = "Tip-Adapter with keys that are trained",
            .tuned = "epoch; alpha (exact) and beta first",
            .settings = AllSettings(),
            .alpha = {true, 0, kMostTipAlpha},
            .trains = true,
            .selects_epoch = true,
            .of_every_study = true};
  }

  std::unique_ptr<Residual> MakeResidual(const FewShot& problem, const Settings& settings,
                                         const std::vector<Setting>& open,
                                         const Compute&) const override {
    return MakeTipResidual(problem, settings, open);
  }

  Fitted Fit(const FewShot& problem, const Settings& settings, FitJob& job) const override {
    CacheModel model;
    model.width = problem.width();
    model.classes = problem.classes();
    model.logit_scale = static_cast<float>(problem.logit_scale);
    const auto floats = [](const at::Tensor& t) {
      return std::vector<float>(t.const_data_ptr<float>(), t.const_data_ptr<float>() + t.numel());
    };
    model.text = floats(problem.text);
    model.keys = floats(problem.keys);
    std::vector<std::vector<std::int64_t>> rows(static_cast<std::size_t>(problem.classes()));
    for (std::size_t k = 0; k < problem.labels.size(); ++k) {
      rows[static_cast<std::size_t>(problem.labels[k])].push_back(static_cast<std::int64_t>(k));
    }
    KeyTrainer trainer(model, rows, settings.at("alpha"), settings.at("beta"), job.compute,
                       job.comm);
    const EpochBatches batches(trainer.samples(), static_cast<std::int64_t>(settings.at("batch")),
                               /*drop_last=*/false, job.seed, kKeyOrderStream);
    Course course = CosineCourse(
        Info().name, batches, static_cast<std::int64_t>(settings.at("epochs")), settings.at("lr"));
    course.optimizer.eps = settings.at("eps");
    course.selection = job.tune;
    course.selection_name = job.tune_name;
    CourseResult done = RunCourse(course, trainer, job.store, job.comm);
    KernelParts parts;
    parts.text = problem.text;
    parts.scale = problem.logit_scale;
    parts.alpha = settings.at("alpha");
    parts.beta = settings.at("beta");
    const std::vector<float> keys = trainer.GatherKeys();
    parts.keys = at::tensor(keys).view({problem.count(), problem.width()});
    parts.class_index = problem.labels;
    Fitted fitted;
    fitted.classifier = std::make_unique<KernelClassifier>(std::move(parts));
    TakeCourse(std::move(done), fitted);
    return fitted;
  }
};

}  // namespace

std::unique_ptr<Method> MakeTipAdapterF() { return std::make_unique<TipAdapterF>(); }

}  // namespace clipsweep
