#include "finetune/train_loop.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <numeric>

#include "common/compute/random.h"
#include "common/process/error.h"
#include "common/process/liveness.h"
#include "common/process/log.h"
#include "common/process/progress.h"
#include "common/process/signals.h"

namespace clipsweep {
namespace {

constexpr std::uint64_t kOrderStream =
    0x6f72646572;  // tells these draws from those of other stages

std::vector<std::int64_t> OrderOf(const FinetuneConfig& config, std::int64_t epoch,
                                  std::int64_t samples) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(samples));
  std::iota(order.begin(), order.end(), 0);
  Random(static_cast<std::uint64_t>(config.seed), kOrderStream, static_cast<std::uint64_t>(epoch))
      .Shuffle(order);
  return order;
}

class EpochLoop {
 public:
  EpochLoop(const FinetuneConfig& config, const TrainPlan& plan, const Compute& compute,
            StateStore& store, Comm& comm)
      : config_(config),
        plan_(plan),
        store_(store),
        comm_(comm),
        trainer_(plan.inputs.cache_model, plan.subset.rows_by_class, plan.alpha, plan.beta, compute,
                 comm, config.learn),
        selection_(plan.Selection(config.select)),
        steps_((trainer_.samples() + config.batch - 1) / config.batch),
        progress_("finetune", "samples", config.epochs * trainer_.samples(), comm.is_root()) {
    adam_.eps = config.eps;
    adam_.weight_decay = config.weight_decay;
  }

  void Run() {
    EnterStage("finetune: load");
    if (auto saved = store_.Load(trainer_)) {
      state_ = std::move(*saved);
    } else {
      state_.before = trainer_.Evaluate(plan_.test);
    }
    while (state_.epoch <= config_.epochs && !IsOutOfPatience()) {
      EnterStage("finetune: epoch");
      RunEpoch();
      FinishEpoch();
      if (state_.epoch <= config_.epochs) store_.SaveIfDue(state_, trainer_);
    }
  }

  AdapterData Result() {
    EnterStage("finetune: measure");
    if (selection_ != nullptr) trainer_.TakeBest();
    AdapterData data;
    data.keys = trainer_.GatherKeys();
    data.text = trainer_.GatherText();
    const TopCounts test = trainer_.Evaluate(plan_.test);
    data.before_top1 = state_.before.top1;
    data.before_top5 = state_.before.top5;
    data.test_top1 = test.top1;
    data.test_top5 = test.top5;
    data.alpha = trainer_.alpha();
    data.beta = trainer_.beta();
    data.selected_epoch = selection_ != nullptr ? state_.best_epoch : state_.epoch - 1;
    data.history = state_.history;
    data.width = plan_.inputs.cache_model.width;
    data.class_index = trainer_.key_classes();
    data.cache_row = trainer_.key_rows();
    data.classes = plan_.inputs.classes;
    data.tuned_on = plan_.tuned_on;
    data.test_samples = plan_.test.count();
    data.select_samples = selection_ == nullptr ? 0 : selection_->count();
    data.made_from = plan_.made_from;
    return data;
  }

 private:
  bool IsOutOfPatience() const {
    return config_.patience > 0 && state_.best_epoch > 0 &&
           state_.epoch - 1 - state_.best_epoch >= config_.patience;
  }

  void RunEpoch() {
    const auto order = OrderOf(config_, state_.epoch, trainer_.samples());
    if (!plan_.views.empty()) {
      const auto view = static_cast<std::size_t>(state_.epoch) % plan_.views.size();
      trainer_.SetSamples(plan_.views[view]);
    }
    while (state_.step < steps_) {
      const auto first = order.begin() + state_.step * config_.batch;
      const auto last =
          order.begin() + std::min((state_.step + 1) * config_.batch, trainer_.samples());
      const double lr = CosineRate(config_.lr, (state_.epoch - 1) * steps_ + state_.step,
                                   config_.epochs * steps_);
      const double loss = trainer_.Step({first, last}, adam_, lr);
      if (!std::isfinite(loss)) {  // the same on every rank
        throw AgreedError(
            ExitCode::kBadInput,
            fmt::format(
                "finetune: the loss is not finite at epoch {} step {}; lower --lr or --beta{}",
                state_.epoch, state_.step + 1,
                store_.has_state() ? "; the last saved epoch is kept" : ""));
      }
      state_.loss_sum += loss;
      DidWork(last - first);
      ++state_.step;
      Show(last - order.begin());
      if (trainer_.interrupted()) {
        store_.Save(state_, trainer_);
        ThrowIfInterrupted();
        throw Interrupted(SIGTERM);  // the signal reached another rank
      }
    }
  }

  void FinishEpoch() {
    EpochRecord record;
    record.loss = state_.loss_sum / static_cast<double>(trainer_.samples());
    if (selection_ != nullptr) {
      const TopCounts counts = trainer_.Evaluate(*selection_);
      record.select_top1 = counts.top1;
      record.select_top5 = counts.top5;
      if (state_.best_epoch == 0 || counts.top1 > state_.best.top1) {  // the first strict maximum
        state_.best_epoch = state_.epoch;
        state_.best = counts;
        trainer_.KeepBest();
      }
    }
    state_.history.push_back(record);
    LogDebug("finetune: epoch {} loss {:.5f}", state_.epoch, record.loss);
    ++state_.epoch;
    state_.step = 0;
    state_.loss_sum = 0;
  }

  void Show(std::int64_t samples_of_epoch) {
    std::string note = fmt::format("epoch {} of {}, loss {:.4f}", state_.epoch, config_.epochs,
                                   state_.loss_sum / static_cast<double>(samples_of_epoch));
    if (selection_ != nullptr && !state_.history.empty()) {
      const auto percent = [&](std::int64_t right) {
        return 100.0 * static_cast<double>(right) / static_cast<double>(selection_->count());
      };
      const EpochRecord& last = state_.history.back();
      note += fmt::format(", {} top-1 {:.2f} % top-5 {:.2f} %", SelectName(config_.select),
                          percent(last.select_top1), percent(last.select_top5));
    }
    progress_.Update((state_.epoch - 1) * trainer_.samples() + samples_of_epoch, note);
  }

  const FinetuneConfig& config_;
  const TrainPlan& plan_;
  StateStore& store_;
  Comm& comm_;
  Trainer trainer_;
  const Queries* selection_;
  const std::int64_t steps_;  // an epoch
  Progress progress_;
  AdamW adam_;
  TrainState state_;
};

}  // namespace

AdapterData Train(const FinetuneConfig& config, const TrainPlan& plan, const Compute& compute,
                  StateStore& store, Comm& comm) {
  EpochLoop loop(config, plan, compute, store, comm);
  loop.Run();
  return loop.Result();
}

}  // namespace clipsweep
