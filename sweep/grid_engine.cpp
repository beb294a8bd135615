#include "sweep/grid_engine.h"

#include <ATen/ATen.h>
#include <fmt/core.h>

#include <algorithm>
#include <limits>

#include "common/error.h"
#include "common/progress.h"
#include "common/workers.h"
#include "sweep/class_sums.h"
#include "sweep/exact_alpha.h"
#include "sweep/key_layout.h"

namespace clipsweep {
namespace {

constexpr float kLogitScale = 100.0f;

at::Tensor AsTensor(const std::vector<float>& rows, std::int64_t width, std::int64_t first = 0,
                    std::int64_t count = -1) {
  if (count < 0) count = static_cast<std::int64_t>(rows.size()) / width;
  return at::from_blob(const_cast<float*>(rows.data() + first * width), {count, width}, at::kFloat);
}

struct PreparedTask {
  KeyLayout layout;
  std::int64_t row_length;     // alphas + 1: one difference array
  std::int64_t counts_offset;  // into a worker's counts
  std::int64_t counts_size;    // shots * betas * row_length
};

// One worker's buffers and integer counts.
struct Workspace {
  std::vector<std::int64_t> top1, top5;  // all tasks' difference arrays
  std::vector<float> z, distance, sums;
  std::vector<AlphaCounter> counters;  // one a task
};

class Engine {
 public:
  Engine(const Problem& problem, const Queries& queries, const std::vector<GridTask>& tasks)
      : problem_(problem), queries_(queries), tasks_(tasks) {
    SelectKeys();
    for (const GridTask& task : tasks) {
      PreparedTask prepared;
      prepared.layout = MakeKeyLayout(ColumnsOf(task));
      prepared.row_length = task.alpha.count + 1;
      prepared.counts_offset = counts_size_;
      prepared.counts_size =
          static_cast<std::int64_t>(task.shots.size()) * task.beta.count * prepared.row_length;
      counts_size_ += prepared.counts_size;
      most_runs_ = std::max(most_runs_, (task.beta.count + kAnchorEvery - 1) / kAnchorEvery);
      prepared_.push_back(std::move(prepared));
    }
  }

  std::int64_t blocks() const { return (queries_.count() + kBlockSamples - 1) / kBlockSamples; }
  std::int64_t runs() const { return most_runs_; }
  std::int64_t counts_size() const { return counts_size_; }
  const std::vector<PreparedTask>& prepared() const { return prepared_; }

  Workspace MakeWorkspace() const {
    Workspace space;
    space.top1.assign(static_cast<std::size_t>(counts_size_), 0);
    space.top5.assign(static_cast<std::size_t>(counts_size_), 0);
    for (std::size_t t = 0; t < tasks_.size(); ++t) {
      const KeyLayout& layout = prepared_[t].layout;
      space.counters.emplace_back(tasks_[t].alpha, layout.classes, layout.padded_classes(),
                                  static_cast<double>(layout.slots));
    }
    return space;
  }

  // Block `block` at the runs of 16 betas [first_run, last_run) of every task.
  void RunBlock(std::int64_t block, std::int64_t first_run, std::int64_t last_run,
                Workspace& space) const {
    const std::int64_t first = block * kBlockSamples;
    const std::int64_t count = std::min(kBlockSamples, queries_.count() - first);
    const at::Tensor f = AsTensor(queries_.features, problem_.width, first, count);
    const at::Tensor affinity = at::mm(f, AsTensor(keys_, problem_.width).t());
    const at::Tensor z = at::mm(f, AsTensor(problem_.text, problem_.width).t()).mul_(kLogitScale);
    const auto* affinity_data = affinity.const_data_ptr<float>();
    const auto* z_data = z.const_data_ptr<float>();
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t label = queries_.labels[static_cast<std::size_t>(first + i)];
      for (std::size_t t = 0; t < tasks_.size(); ++t) {
        RunSample(t, affinity_data + i * affinity.size(1), z_data + i * problem_.classes, label,
                  first_run, last_run, space);
      }
    }
  }

 private:
  // Only keys that some task uses take part in the product.
  void SelectKeys() {
    const auto rows = static_cast<std::int64_t>(problem_.key_labels.size());
    column_of_row_.assign(static_cast<std::size_t>(rows), -1);
    std::int64_t columns = 0;
    for (const GridTask& task : tasks_) {
      for (const auto& class_rows : task.rows_by_class) {
        const std::size_t used =
            std::min(class_rows.size(), static_cast<std::size_t>(task.shots.back()));
        for (std::size_t i = 0; i < used; ++i) {
          std::int64_t& column = column_of_row_.at(static_cast<std::size_t>(class_rows[i]));
          if (column >= 0) continue;
          column = columns++;
          const auto from = problem_.keys.begin() + class_rows[i] * problem_.width;
          keys_.insert(keys_.end(), from, from + problem_.width);
        }
      }
    }
  }

  std::vector<std::vector<std::int64_t>> ColumnsOf(const GridTask& task) const {
    std::vector<std::vector<std::int64_t>> columns = task.rows_by_class;
    for (auto& rows : columns) {
      rows.resize(std::min(rows.size(), static_cast<std::size_t>(task.shots.back())));
      for (std::int64_t& row : rows) row = column_of_row_[static_cast<std::size_t>(row)];
    }
    return columns;
  }

  void RunSample(std::size_t t, const float* affinity, const float* z, std::int64_t label,
                 std::int64_t first_run, std::int64_t last_run, Workspace& space) const {
    const GridTask& task = tasks_[t];
    const PreparedTask& prepared = prepared_[t];
    const KeyLayout& layout = prepared.layout;
    const std::int64_t padded = layout.padded_classes();
    space.distance.resize(layout.column.size());
    for (std::size_t k = 0; k < layout.column.size(); ++k) {
      space.distance[k] = 1.0f - affinity[layout.column[k]];
    }
    space.z.assign(static_cast<std::size_t>(padded), -std::numeric_limits<float>::infinity());
    std::copy_n(z, layout.classes, space.z.begin());
    space.sums.resize(static_cast<std::size_t>(static_cast<std::int64_t>(task.shots.size()) *
                                               kAnchorEvery * padded));
    for (std::int64_t run = first_run; run < last_run; ++run) {
      const std::int64_t beta = run * kAnchorEvery;
      const std::int64_t betas = std::min(kAnchorEvery, task.beta.count - beta);
      if (betas <= 0) break;
      ClassSums(layout, space.distance.data(), task.shots, task.beta.low, task.beta.step, beta,
                betas, space.sums.data());
      for (std::size_t k = 0; k < task.shots.size(); ++k) {
        for (std::int64_t j = 0; j < betas; ++j) {
          const std::int64_t row =
              prepared.counts_offset +
              (static_cast<std::int64_t>(k) * task.beta.count + beta + j) * prepared.row_length;
          space.counters[t].Add(
              space.z.data(),
              space.sums.data() + (static_cast<std::int64_t>(k) * betas + j) * padded, label,
              space.top1.data() + row, space.top5.data() + row);
        }
      }
    }
  }

  const Problem& problem_;
  const Queries& queries_;
  const std::vector<GridTask>& tasks_;
  std::vector<float> keys_;                  // [columns, D]
  std::vector<std::int64_t> column_of_row_;  // [K] or -1
  std::vector<PreparedTask> prepared_;
  std::int64_t counts_size_ = 0;
  std::int64_t most_runs_ = 0;
};

}  // namespace

Partition ParsePartition(const std::string& name) {
  if (name == "samples") return Partition::kSamples;
  if (name == "grid") return Partition::kGrid;
  throw UsageError(fmt::format("--partition: '{}' is none; use samples or grid", name));
}

std::vector<GridCounts> CountGrid(const Problem& problem, const Queries& queries,
                                  const std::vector<GridTask>& tasks, Partition partition,
                                  const Compute& compute, Comm& comm, const std::string& label) {
  const Engine engine(problem, queries, tasks);
  const std::int64_t runs = partition == Partition::kGrid ? engine.runs() : 1;
  const auto items = ItemsOfRank(engine.blocks() * runs, comm);
  std::vector<std::int64_t> counts(static_cast<std::size_t>(2 * engine.counts_size()), 0);
  Agree(comm, [&] {
    std::vector<Workspace> spaces;
    for (int w = 0; w < compute.workers; ++w) spaces.push_back(engine.MakeWorkspace());
    Progress progress(label, "blocks", static_cast<std::int64_t>(items.size()), comm.is_root());
    WorkerPool(compute.workers)
        .Run(
            static_cast<std::int64_t>(items.size()),
            [&](std::int64_t i, int worker) {
              const std::int64_t item = items[static_cast<std::size_t>(i)];
              const std::int64_t run = item % runs;
              const bool whole = partition == Partition::kSamples;
              engine.RunBlock(item / runs, whole ? 0 : run, whole ? engine.runs() : run + 1,
                              spaces[static_cast<std::size_t>(worker)]);
            },
            [&](std::int64_t done) { progress.Update(done); });
    for (const Workspace& space : spaces) {
      for (std::size_t i = 0; i < space.top1.size(); ++i) {
        counts[i] += space.top1[i];
        counts[space.top1.size() + i] += space.top5[i];
      }
    }
  });
  comm.SumInt64(counts);

  std::vector<GridCounts> results;
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    const PreparedTask& task = engine.prepared()[t];
    GridCounts result;
    const auto unpack = [&](std::int64_t offset, std::vector<std::int64_t>& out) {
      for (std::int64_t row = 0; row < task.counts_size; row += task.row_length) {
        const std::span<std::int64_t> steps(counts.data() + offset + row,
                                            static_cast<std::size_t>(task.row_length));
        SumSteps(steps);
        out.insert(out.end(), steps.begin(), steps.end() - 1);
      }
    };
    unpack(task.counts_offset, result.top1);
    unpack(engine.counts_size() + task.counts_offset, result.top5);
    results.push_back(std::move(result));
  }
  return results;
}

TopCounts CountZeroShot(const Problem& problem, const Queries& queries, const Compute& compute,
                        Comm& comm) {
  const std::int64_t blocks = (queries.count() + kBlockSamples - 1) / kBlockSamples;
  const auto items = ItemsOfRank(blocks, comm);
  std::vector<TopCounts> parts(items.size());
  Agree(comm, [&] {
    WorkerPool(compute.workers)
        .Run(static_cast<std::int64_t>(items.size()), [&](std::int64_t i, int) {
          const std::int64_t first = items[static_cast<std::size_t>(i)] * kBlockSamples;
          const std::int64_t count = std::min(kBlockSamples, queries.count() - first);
          const at::Tensor z = at::mm(AsTensor(queries.features, problem.width, first, count),
                                      AsTensor(problem.text, problem.width).t())
                                   .mul_(kLogitScale);
          for (std::int64_t n = 0; n < count; ++n) {
            const float* row = z.const_data_ptr<float>() + n * problem.classes;
            const std::int64_t y = queries.labels[static_cast<std::size_t>(first + n)];
            int beaten_by = 0;
            for (std::int64_t c = 0; c < problem.classes; ++c) {
              beaten_by += row[c] > row[y] || (row[c] == row[y] && c < y) ? 1 : 0;
            }
            parts[static_cast<std::size_t>(i)].top1 += beaten_by == 0 ? 1 : 0;
            parts[static_cast<std::size_t>(i)].top5 += beaten_by < 5 ? 1 : 0;
          }
        });
  });
  std::int64_t counts[2] = {0, 0};
  for (const TopCounts& part : parts) {
    counts[0] += part.top1;
    counts[1] += part.top5;
  }
  comm.SumInt64(counts);
  return {counts[0], counts[1]};
}

}  // namespace clipsweep
