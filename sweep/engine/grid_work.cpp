#include "sweep/engine/grid_work.h"

#include <algorithm>
#include <cmath>

#include "sweep/engine/merge_counts.h"

namespace clipsweep {
namespace {

double LongestRow(const std::vector<float>& rows, std::int64_t width) {
  double longest = 0;
  for (std::size_t at = 0; at < rows.size(); at += static_cast<std::size_t>(width)) {
    double squares = 0;
    for (std::size_t d = at; d < at + static_cast<std::size_t>(width); ++d) {
      squares += static_cast<double>(rows[d]) * rows[d];
    }
    longest = std::max(longest, std::sqrt(squares));
  }
  return longest;
}

// Above what the bounds' own rounding may lose (sweep/kernels/lead_bounds.cpp).
constexpr float kRoundUp = 1 + 3e-4f;

}  // namespace

std::vector<const TaskCounts*> CountsOf(Workspace& space) {
  std::vector<const TaskCounts*> counts;
  for (SampleCounter& counter : space) counts.push_back(&counter.counts());
  return counts;
}

std::int64_t BlockSamples(const BlockNeeds& needs) {
  constexpr std::int64_t kFewest = 64, kMost = 1024, kItems = 64, kLeast = 4;
  constexpr std::int64_t kDeviceBytes = std::int64_t{256} << 20;
  constexpr std::int64_t kPointBytes = std::int64_t{64}
                                       << 20;  // the label's sums, curves and rivals
  std::int64_t samples = std::clamp((needs.samples + kItems - 1) / kItems, kFewest, kMost);
  // Keys are made ready anew for each block: as few blocks as may be.
  if (!needs.on_device && !needs.keeps_weights) samples = kMost;
  const auto fit = [&](std::int64_t bytes, std::int64_t each) {
    samples = std::clamp(bytes / std::max<std::int64_t>(each, 1), kLeast, samples);
  };
  if (needs.on_device) fit(kDeviceBytes, 4 * needs.keys);
  fit(kPointBytes, 16 * needs.points);
  return samples;
}

GridWork::GridWork(const CacheModel& cache_model, const Queries& queries,
                   const std::vector<GridTask>& tasks, ClassRange held,
                   std::optional<ProductKind> product)
    : cache_model_(cache_model),
      queries_(queries),
      tasks_(tasks),
      most_z_(cache_model.logit_scale * LongestRow(cache_model.text, cache_model.width)),
      keys_(cache_model, tasks),
      held_(held) {
  if (product.has_value()) screen_.emplace(cache_model, keys_, held, *product);
  std::int64_t points = 0;
  for (const GridTask& task : tasks) {
    points += static_cast<std::int64_t>(task.shots.size()) * task.beta.count;
  }
  samples_ = BlockSamples({queries.count(), keys_.all(), points, !product.has_value(),
                           product.has_value() && screen_->keeps_weights()});
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    const GridTask& task = tasks[t];
    auto keys_of_class = keys_.ColumnsOf(task);
    for (std::size_t c = 0; c < keys_of_class.size(); ++c) {
      for (std::int64_t& key : keys_of_class[c]) key -= keys_.StartOf(static_cast<std::int64_t>(c));
    }
    layouts_.push_back(MakeKeyLayout(keys_of_class, held.first, held.last));
    runs_ = std::max(runs_, (task.beta.count + kAnchorEvery - 1) / kAnchorEvery);
    TaskFamily& family = FamilyOf(task);
    family.tasks.push_back(t);
    const auto lanes = static_cast<std::size_t>(layouts_.back().padded_classes());
    family.keys.resize(task.shots.size() * lanes, 0.0f);
    for (std::size_t k = 0; k < task.shots.size(); ++k) {
      for (std::int64_t c = held.first; c < held.last; ++c) {
        const auto keys =
            static_cast<std::int64_t>(keys_of_class[static_cast<std::size_t>(c)].size());
        float& most = family.keys[k * lanes + static_cast<std::size_t>(c - held.first)];
        most = std::max(most, kRoundUp * static_cast<float>(std::min(keys, task.shots[k])));
      }
    }
  }
}

TaskFamily& GridWork::FamilyOf(const GridTask& task) {
  const auto same = [](const Axis& a, const Axis& b) {
    return a.low == b.low && a.step == b.step && a.count == b.count;
  };
  for (TaskFamily& family : families_) {
    const GridTask& other = tasks_[family.tasks.front()];
    if (same(task.alpha, other.alpha) && same(task.beta, other.beta) && task.shots == other.shots) {
      return family;
    }
  }
  TaskFamily& family = families_.emplace_back();
  family.low = static_cast<float>(task.alpha.At(0));
  family.high = static_cast<float>(task.alpha.At(task.alpha.count - 1));
  return family;
}

Reach GridWork::ReachOf(const GridTask& task) const {
  return {most_z_, static_cast<double>(task.shots.back()) * cache_model_.MostKernel(task.beta),
          cache_model_.MostExponent(task.beta)};
}

Workspace GridWork::MakeWorkspace() {
  Workspace space;
  for (std::size_t t = 0; t < tasks_.size(); ++t) {
    const GridTask& task = tasks_[t];
    space.emplace_back(layouts_[t], task.shots, task.alpha, task.beta, ReachOf(task),
                       task.exact_alpha ? &edges_left_ : nullptr);
  }
  return space;
}

std::vector<GridCounts> GridWork::Merge(const std::vector<std::vector<const TaskCounts*>>& counts,
                                        const std::vector<FinishedItems>& loaded,
                                        Comm& comm) const {
  std::vector<std::vector<const TaskCounts*>> parts(tasks_.size());
  for (std::size_t t = 0; t < tasks_.size(); ++t) {
    for (const auto& worker : counts) parts[t].push_back(worker[t]);
    for (const FinishedItems& part : loaded) parts[t].push_back(&part.counts[t]);
  }
  std::int64_t edges = kMostEdges - edges_left_;
  for (const FinishedItems& part : loaded) edges += EdgesOf(part);
  return MergeCounts(tasks_, parts, edges, comm);
}

}  // namespace clipsweep
