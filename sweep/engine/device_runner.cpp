#include <fmt/core.h>

#include <algorithm>

#include "common/compute/tensors.h"
#include "common/process/error.h"
#include "sweep/engine/item_runner.h"

namespace clipsweep {
namespace {

// The keys of every class as the kernel reads them: [slots, classes] columns of the affinity, the
// s-th key of each class in row s, -1 for none.
std::vector<std::int32_t> ColumnTable(const std::vector<std::vector<std::int64_t>>& columns,
                                      std::int64_t slots) {
  std::vector<std::int32_t> table(static_cast<std::size_t>(slots) * columns.size(), -1);
  for (std::size_t c = 0; c < columns.size(); ++c) {
    for (std::size_t s = 0; s < columns[c].size(); ++s) {
      table[s * columns.size() + c] = static_cast<std::int32_t>(columns[c][s]);
    }
  }
  return table;
}

class DeviceRunner final : public ItemRunner {
 public:
  DeviceRunner(GridWork& work, const std::string& device, GridLaunch launch)
      : work_(work), device_(device), launch_(launch) {
    const CacheModel& cache_model = work.cache_model();
    const at::ScalarType real = at::kFloat;
    keys_ = ToDevice(work.keys().Data(), real, {work.keys().count(), cache_model.width});
    text_ = ToDevice(cache_model.text.data(), real, {cache_model.classes, cache_model.width});
    for (const GridTask& task : work.tasks()) tasks_.push_back(MakeTask(task));
  }

  void Run(std::int64_t block, BetaRuns wanted) override {
    const Queries& queries = work_.queries();
    const std::int64_t first = work_.first_of(block), count = work_.count_of(block);
    const std::int64_t width = work_.cache_model().width;
    const at::Tensor f =
        ToDevice(queries.features.data() + first * width, at::kFloat, {count, width});
    const at::Tensor labels = ToDevice(queries.labels.data() + first, at::kInt, {count});
    const at::Tensor affinity = at::mm(f, keys_.t());
    const at::Tensor z = at::mm(f, text_.t()).mul_(work_.cache_model().logit_scale);
    for (Task& task : tasks_) {
      GridKernelArgs args = task.args;
      const std::int64_t runs = (args.betas + kRunBetas - 1) / kRunBetas;
      args.samples = static_cast<int>(count);
      args.affinity = affinity.const_data_ptr<float>();
      args.columns = affinity.size(1);
      args.z = z.const_data_ptr<float>();
      args.labels = labels.const_data_ptr<std::int32_t>();
      args.first_run = static_cast<int>(wanted.first);
      args.runs = static_cast<int>(std::min(wanted.last, runs) - wanted.first);
      if (args.runs <= 0) continue;
      at::Tensor edges;
      if (task.wants_edges && work_.all_edges()) {
        edges = at::empty({count, args.shot_counts, args.betas, 2}, Options(at::kLong));
        args.edges = edges.mutable_data_ptr<std::int64_t>();
      }
      if (const char* failure = launch_(args, device_.has_index() ? device_.index() : 0)) {
        throw InternalError(
            fmt::format("the grid kernel failed on {}: {}", device_.str(), failure));
      }
      if (edges.defined()) TakeEdges(args, edges.cpu(), task.counts);
    }
  }

  std::vector<const TaskCounts*> Counts() override {
    std::vector<const TaskCounts*> counts;
    for (Task& task : tasks_) {
      const auto fetch = [](const at::Tensor& steps, std::vector<std::int64_t>& into) {
        const at::Tensor here = steps.cpu();
        into.assign(here.const_data_ptr<std::int64_t>(),
                    here.const_data_ptr<std::int64_t>() + here.numel());
      };
      fetch(task.top1_steps, task.counts.top1_steps);
      fetch(task.top5_steps, task.counts.top5_steps);
      counts.push_back(&task.counts);
    }
    return counts;
  }

 private:
  struct Task {
    GridKernelArgs args;  // all but the block's part
    bool wants_edges = false;
    at::Tensor column, shots, alphas, top1_steps, top5_steps;  // what args points to
    TaskCounts counts;
  };

  at::TensorOptions Options(at::ScalarType type) const {
    return at::TensorOptions().dtype(type).device(device_);
  }

  at::Tensor ToDevice(const void* data, at::ScalarType type, at::IntArrayRef shape) const {
    return at::from_blob(const_cast<void*>(data), shape, type).to(device_);
  }

  Task MakeTask(const GridTask& grid) const {
    Task task;
    GridKernelArgs& args = task.args;
    const std::int64_t slots = grid.shots.back();
    const auto columns = work_.keys().ColumnsOf(grid);
    const std::vector<std::int32_t> table = ColumnTable(columns, slots);
    const std::vector<std::int32_t> shots(grid.shots.begin(), grid.shots.end());
    const std::vector<double> alphas = grid.alpha.Values();
    args.classes = static_cast<int>(work_.cache_model().classes);
    args.slots = static_cast<int>(slots);
    args.shot_counts = static_cast<int>(shots.size());
    args.betas = static_cast<int>(grid.beta.count);
    args.alpha_count = grid.alpha.count;
    args.beta_low = grid.beta.low;
    args.beta_step = grid.beta.step;
    args.chunk = MostBetas(grid.alpha.count, kSharedBytes);
    args.margin = LeadMargin(grid.alpha, work_.ReachOf(grid));
    // .clone(): on the CPU .to() would go on pointing to what is gone after this function.
    task.column = ToDevice(table.data(), at::kInt, {slots, args.classes}).clone();
    task.shots = ToDevice(shots.data(), at::kInt, {args.shot_counts}).clone();
    task.alphas = ToDevice(alphas.data(), at::kDouble, {args.alpha_count}).clone();
    const std::int64_t rows = static_cast<std::int64_t>(args.shot_counts) * args.betas;
    task.top1_steps = at::zeros({rows, args.alpha_count + 1}, Options(at::kLong));
    task.top5_steps = at::zeros({rows, args.alpha_count + 1}, Options(at::kLong));
    args.column = task.column.const_data_ptr<std::int32_t>();
    args.shots = task.shots.const_data_ptr<std::int32_t>();
    args.alphas = task.alphas.const_data_ptr<double>();
    args.top1_steps = task.top1_steps.mutable_data_ptr<std::int64_t>();
    args.top5_steps = task.top5_steps.mutable_data_ptr<std::int64_t>();
    task.wants_edges = grid.exact_alpha;
    const auto row_count = static_cast<std::size_t>(rows);
    task.counts.right_at_first.assign(row_count, 0);
    task.counts.from.resize(row_count);
    task.counts.to.resize(row_count);
    return task;
  }

  // edges [samples, rows, 2]; only the rows of the launch's runs were written.
  void TakeEdges(const GridKernelArgs& args, const at::Tensor& edges, TaskCounts& counts) {
    const std::int64_t rows = static_cast<std::int64_t>(args.shot_counts) * args.betas;
    const int first = args.first_run * kRunBetas;
    const int last = std::min(args.betas, first + args.runs * kRunBetas);
    const std::int64_t* data = edges.const_data_ptr<std::int64_t>();
    std::int64_t kept = 0;
    for (std::int64_t row = 0; row < rows; ++row) {
      if (row % args.betas < first || row % args.betas >= last) continue;
      const auto at = static_cast<std::size_t>(row);
      for (std::int64_t i = 0; i < args.samples; ++i) {
        const std::int64_t begin = data[2 * (i * rows + row)], end = data[2 * (i * rows + row) + 1];
        if (begin >= end) continue;
        if (begin == kFromStart) {
          ++counts.right_at_first[at];
        } else {
          counts.from[at].push_back(begin);
          ++kept;
        }
        if (end != kToEnd) {
          counts.to[at].push_back(end);
          ++kept;
        }
      }
    }
    work_.KeepEdges(kept);
  }

  GridWork& work_;
  const at::Device device_;
  const GridLaunch launch_;
  at::Tensor keys_, text_;
  std::vector<Task> tasks_;
};

}  // namespace

std::unique_ptr<ItemRunner> MakeDeviceRunner(GridWork& work, const std::string& device,
                                             GridLaunch launch) {
  return std::make_unique<DeviceRunner>(work, device, launch);
}

bool FitsDevice(const std::vector<GridTask>& tasks) {
  return std::all_of(tasks.begin(), tasks.end(), [](const GridTask& task) {
    return MostBetas(task.alpha.count, kSharedBytes) > 0;
  });
}

}  // namespace clipsweep
