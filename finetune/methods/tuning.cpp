#include "finetune/methods/tuning.h"

#include <fmt/core.h>

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <csignal>
#include <mutex>

#include "common/compute/tensors.h"
#include "common/compute/workers.h"
#include "common/process/error.h"
#include "common/process/liveness.h"
#include "common/process/log.h"
#include "common/process/progress.h"
#include "common/process/signals.h"
#include "sweep/kernels/exact_alpha.h"

namespace clipsweep {
namespace {

constexpr double kLeastWidth = 1e-12;  // of a stretch of alpha, to the end of its range
constexpr std::int64_t kRows = 256;    // of a block: fixed, so that logits depend on nothing else

at::Tensor FeaturesOf(const Queries& queries, std::int64_t block) {
  const std::int64_t width = static_cast<std::int64_t>(queries.features.size()) /
                             std::max<std::int64_t>(queries.count(), 1);
  const std::int64_t first = block * kRows, rows = std::min(kRows, queries.count() - first);
  return at::from_blob(const_cast<float*>(queries.features.data()) + first * width, {rows, width},
                       at::kFloat);
}

std::int64_t Blocks(const Queries& queries) { return (queries.count() + kRows - 1) / kRows; }

// LibTorch on the calling thread as in workers: on one thread, for bits must not depend on how many
// there are, and without bookkeeping for gradients.
class OnOneThread {
 public:
  OnOneThread() : before_(at::get_num_threads()) { at::set_num_threads(1); }
  ~OnOneThread() { at::set_num_threads(before_); }
  OnOneThread(const OnOneThread&) = delete;
  OnOneThread& operator=(const OnOneThread&) = delete;

 private:
  int before_;
  c10::InferenceMode inference_;
};

// How one image fares at one point along alpha, between two ends.
struct Fates {
  std::int64_t right_at_first = 0;
  std::vector<std::int64_t> from, to;  // codes of edges

  void Add(const Fates& other) {
    right_at_first += other.right_at_first;
    from.insert(from.end(), other.from.begin(), other.from.end());
    to.insert(to.end(), other.to.begin(), other.to.end());
  }
};

// z, s [C] of one image.
void Meet(const float* z, const float* s, std::int64_t classes, std::int64_t label,
          const double (&ends)[2], Fates& fates) {
  AlphaInterval interval{false, true, true, {}, {}};
  const double label_z = z[label], label_s = s[label];
  for (std::int64_t c = 0; c < classes && !interval.empty; ++c) {
    if (c == label) continue;
    const Meeting meeting = MeetClass(label_z - z[c], label_s - s[c], ends, 2, c < label);
    if (meeting.crosses) {
      interval.Cut(Edge::FromCode(meeting.edge), !meeting.ahead_at_first);
    } else {
      interval.empty |= meeting.ahead_at_first;
    }
  }
  if (interval.empty) return;
  if (interval.whole_left) ++fates.right_at_first;
  if (!interval.whole_left) fates.from.push_back(interval.from.code());
  if (!interval.whole_right) fates.to.push_back(interval.to.code());
}

// Ends with Interrupted on every rank when a signal has reached one. Collective.
void StopIfAsked(Comm& comm) {
  std::int64_t asked = IsInterrupted() ? 1 : 0;
  comm.MaxInt64(std::span(&asked, 1));
  if (asked == 0) return;
  ThrowIfInterrupted();
  throw Interrupted(SIGTERM);
}

// Every rank's fates of a point, on rank 0.
Fates GatherFates(const Fates& mine, Comm& comm) {
  Fates all;
  for (auto member : {&Fates::from, &Fates::to}) {
    for (const auto& part : comm.Gather(mine.*member)) {
      (all.*member).insert((all.*member).end(), part.begin(), part.end());
    }
  }
  std::int64_t right = mine.right_at_first;
  comm.SumInt64(std::span(&right, 1));
  all.right_at_first = right;
  return all;
}

}  // namespace

TopCounts CountRight(const Classifier& classifier, const Queries& queries, const FitJob& job) {
  const auto blocks = ItemsOfRank(Blocks(queries), job.comm);
  std::vector<std::array<std::int64_t, 3>> found(blocks.size());  // top1, top5, not finite
  WorkerPool(job.compute.workers, WorkerPool::Signals::kIgnore)
      .Run(static_cast<std::int64_t>(blocks.size()), [&](std::int64_t item, int) {
        const std::int64_t block = blocks[static_cast<std::size_t>(item)];
        const at::Tensor logits = classifier.Logits(FeaturesOf(queries, block)).contiguous();
        auto& counts = found[static_cast<std::size_t>(item)];
        counts[2] = at::isfinite(logits).all().item<bool>() ? 0 : 1;
        const std::int64_t classes = logits.size(1);
        for (std::int64_t n = 0; n < logits.size(0); ++n) {
          const float* row = logits.const_data_ptr<float>() + n * classes;
          const std::int64_t label = queries.labels[static_cast<std::size_t>(block * kRows + n)];
          std::int64_t ahead = 0;
          for (std::int64_t c = 0; c < classes; ++c) {
            ahead += row[c] > row[label] || (row[c] == row[label] && c < label) ? 1 : 0;
          }
          counts[0] += ahead == 0 ? 1 : 0;
          counts[1] += ahead < 5 ? 1 : 0;
        }
        DidWork(logits.size(0));
        MadeProgress();
      });
  std::array<std::int64_t, 3> sum{};
  for (const auto& counts : found) {
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += counts[i];
  }
  job.comm.SumInt64(sum);
  if (sum[2] > 0) {
    throw AgreedError(ExitCode::kBadInput,
                      "the classifier gives logits that are not finite; choose smaller settings");
  }
  return {sum[0], sum[1]};
}

TunedPoint TuneByFitting(const Method& method, const FewShot& problem,
                         const std::vector<Settings>& points, FitJob& job) {
  Progress progress(method.Info().name + ": tune", "settings",
                    static_cast<std::int64_t>(points.size()), job.comm.is_root());
  TunedPoint best;
  best.counts.top1 = -1;
  FitJob without = job;
  without.store = nullptr;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const Fitted fitted = method.Fit(problem, points[i], without);
    const TopCounts counts = CountRight(*fitted.classifier, *job.tune, job);
    if (counts.top1 > best.counts.top1) best = {points[i], counts};
    progress.Update(static_cast<std::int64_t>(i) + 1);
    StopIfAsked(job.comm);
  }
  return best;
}

double RoundInside(double low, double high) {
  if (!(high > low)) return low;
  const double middle = low > 0 ? std::sqrt(low) * std::sqrt(high) : (low + high) / 2;
  for (int digits = 1; digits < 17; ++digits) {
    const double rounded = std::stod(fmt::format("{:.{}e}", middle, digits - 1));
    if (rounded > low && rounded < high) return rounded;
  }
  return middle;
}

TunedPoint TuneAlpha(const Residual& residual, const ExactAlphaRange& range, FitJob& job) {
  const Queries& tune = *job.tune;
  const std::vector<Settings> points = residual.Points();
  const double ends[2] = {range.low, range.high};
  const auto blocks = ItemsOfRank(Blocks(tune), job.comm);
  std::vector<Fates> fates(points.size());
  std::mutex mutex;
  WorkerPool(job.compute.workers, WorkerPool::Signals::kIgnore)
      .Run(static_cast<std::int64_t>(blocks.size()), [&](std::int64_t item, int) {
        const std::int64_t block = blocks[static_cast<std::size_t>(item)];
        const at::Tensor features = FeaturesOf(tune, block);
        const at::Tensor z = residual.Z(features).contiguous();
        std::vector<Fates> mine(points.size());
        residual.ForEachPoint(features, [&](std::size_t point, const at::Tensor& sums) {
          const at::Tensor s = sums.contiguous();
          for (std::int64_t n = 0; n < z.size(0); ++n) {
            Meet(z.const_data_ptr<float>() + n * z.size(1),
                 s.const_data_ptr<float>() + n * z.size(1), z.size(1),
                 tune.labels[static_cast<std::size_t>(block * kRows + n)], ends, mine[point]);
          }
          MadeProgress();
        });
        const std::lock_guard lock(mutex);  // integers: their order leaves no trace
        for (std::size_t p = 0; p < points.size(); ++p) fates[p].Add(mine[p]);
      });
  StopIfAsked(job.comm);
  const Axis axis{range.low, range.high - range.low, 2};
  double chosen[3] = {-1, 0, 0};  // right answers, point, alpha
  for (std::size_t p = 0; p < points.size(); ++p) {
    Fates all = GatherFates(fates[p], job.comm);
    if (!job.comm.is_root()) continue;
    const double least_width = range.high > range.low ? kLeastWidth * range.high : -1;
    const ExactAlpha best = BestOverReals(axis, all.right_at_first, all.from, all.to, least_width);
    const auto right = static_cast<double>(best.top1);
    if (right > chosen[0]) {
      chosen[0] = right;
      chosen[1] = static_cast<double>(p);
      chosen[2] = RoundInside(best.low, best.high);
    }
  }
  job.comm.Broadcast(std::as_writable_bytes(std::span(chosen)), 0);
  TunedPoint tuned{points[static_cast<std::size_t>(chosen[1])],
                   {static_cast<std::int64_t>(chosen[0]), -1}};
  tuned.settings["alpha"] = chosen[2];
  return tuned;
}

void TakeCourse(CourseResult done, Fitted& fitted) {
  fitted.history = std::move(done.state.history);
  fitted.selected_epoch = done.selected_epoch;
  fitted.step_seconds = std::move(done.step_seconds);
}

Fitted FitMethod(const Method& method, const FewShot& problem, const Settings& fixed, FitJob& job) {
  const OnOneThread one_thread;
  const MethodInfo info = method.Info();
  Settings settings;
  std::vector<Setting> open;
  for (const Setting& setting : info.settings) {
    const auto given = fixed.find(setting.name);
    settings[setting.name] = given != fixed.end() ? given->second : setting.value(problem);
    if (given == fixed.end() && !setting.grid.empty()) open.push_back(setting);
  }
  const bool free_alpha = info.alpha.used && !fixed.contains("alpha");
  if (job.tune == nullptr || (open.empty() && !free_alpha)) {
    Fitted fitted = method.Fit(problem, settings, job);
    fitted.settings = std::move(settings);
    return fitted;
  }
  EnterStage(info.name + ": tune");
  TunedPoint best;
  if (info.alpha.used) {
    std::unique_ptr<Residual> residual;
    Agree(job.comm, [&] { residual = method.MakeResidual(problem, settings, open, job.compute); });
    ExactAlphaRange range = info.alpha;
    if (!free_alpha) range.low = range.high = settings.at("alpha");
    best = TuneAlpha(*residual, range, job);
  } else {
    best = TuneByFitting(method, problem, GridOf(settings, open), job);
  }
  Fitted fitted = method.Fit(problem, best.settings, job);
  fitted.settings = std::move(best.settings);
  if (free_alpha) fitted.tuned.push_back("alpha");
  for (const Setting& setting : open) fitted.tuned.push_back(setting.name);
  fitted.on_tune = best.counts;
  return fitted;
}

}  // namespace clipsweep
