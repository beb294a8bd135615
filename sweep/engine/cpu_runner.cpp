
#include "common/compute/tensors.h"
#include "sweep/engine/item_runner.h"

namespace clipsweep {
namespace {

class CpuRunner final : public ItemRunner {
 public:
  explicit CpuRunner(GridWork& work) : work_(work), space_(work.MakeWorkspace()) {}

  void Run(std::int64_t block, std::int64_t first_run, std::int64_t last_run) override {
    const std::int64_t first = work_.first_of(block), count = work_.count_of(block);
    const std::int64_t columns = work_.keys().count(), classes = work_.cache_model().classes;
    at::Tensor affinity = at::empty({count, columns}, at::kFloat);
    work_.keys().Multiply(work_.queries(), first, 0, work_.keys().tiles(), affinity);
    const at::Tensor z = ZeroShotLogits(work_.cache_model(), work_.queries(), first, count);
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t label = work_.queries().labels[static_cast<std::size_t>(first + i)];
      for (SampleCounter& counter : space_) {
        counter.Run(affinity.const_data_ptr<float>() + i * columns,
                    z.const_data_ptr<float>() + i * classes, label, first_run, last_run);
      }
    }
  }

  std::vector<const TaskCounts*> Counts() override { return CountsOf(space_); }

 private:
  GridWork& work_;
  Workspace space_;
};

}  // namespace

std::unique_ptr<ItemRunner> MakeCpuRunner(GridWork& work) {
  return std::make_unique<CpuRunner>(work);
}

}  // namespace clipsweep
