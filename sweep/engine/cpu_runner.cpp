#include "sweep/engine/item_runner.h"
#include "sweep/engine/range_counter.h"

namespace clipsweep {
namespace {

class CpuRunner final : public ItemRunner {
 public:
  explicit CpuRunner(GridWork& work) : work_(work), counter_(work) {}

  void Run(std::int64_t block, BetaRuns runs) override {
    const SampleRange range{work_.first_of(block), work_.count_of(block)};
    const SumsPlaces places(counter_.space(), runs);
    z_.resize(static_cast<std::size_t>(range.count));
    sums_.resize(static_cast<std::size_t>(range.count * places.length));
    counter_.SumLabels(range, places, z_.data(), sums_.data());
    Workspace& space = counter_.space();
    counter_.Meet(range, places, z_.data(), sums_.data(),
                  {[&](std::int64_t, std::size_t task, std::int64_t run, std::int64_t ahead) {
                     space[task].RecordSteady(run, ahead);
                   },
                   [&](std::int64_t, std::size_t task, std::int64_t row, Contest& contest) {
                     space[task].Record(row, contest);
                   }});
  }

  std::vector<const TaskCounts*> Counts() override { return CountsOf(counter_.space()); }

 private:
  GridWork& work_;
  RangeCounter counter_;
  std::vector<float> z_, sums_;
};

}  // namespace

std::unique_ptr<ItemRunner> MakeCpuRunner(GridWork& work) {
  return std::make_unique<CpuRunner>(work);
}

}  // namespace clipsweep
