// What is learned lies in blocks of classes, dealt to ranks; here they come together in class
// order.

#include <algorithm>

#include "common/compute/tensors.h"
#include "finetune/training/trainer.h"

namespace clipsweep {

void Trainer::GatherBlocks(const std::function<at::Tensor(const ClassBlock&)>& of,
                           std::int64_t most_rows,
                           const std::function<void(std::size_t block, const float* rows)>& use) {
  const std::int64_t values = most_rows * cache_model_.width;
  std::vector<float> mine(static_cast<std::size_t>(values));
  std::vector<float> all(mine.size() * static_cast<std::size_t>(comm_.size()));
  // One round a block of each rank, so that no rank holds more than size() padded blocks at a time.
  for (std::int64_t round = 0; round < most_owned(); ++round) {
    if (round < owned()) {
      const at::Tensor block = of(blocks_[static_cast<std::size_t>(round)]).cpu().contiguous();
      std::copy_n(block.const_data_ptr<float>(), block.numel(), mine.begin());
    }
    comm_.AllGather(mine, all);
    for (std::int64_t rank = 0; rank < comm_.size(); ++rank) {
      const std::int64_t number = round * comm_.size() + rank;
      if (number < block_count()) use(static_cast<std::size_t>(number), all.data() + rank * values);
    }
  }
}

std::vector<float> Trainer::GatherKeys() {
  const std::int64_t d = cache_model_.width;
  std::vector<float> keys;
  keys.reserve(train_rows_.size() * static_cast<std::size_t>(d));
  GatherBlocks([](const ClassBlock& block) { return block.keys(); }, MostClasses() * slots_,
               [&](std::size_t b, const float* rows) {
                 for (std::int64_t c = bounds_[b]; c < bounds_[b + 1]; ++c, rows += slots_ * d) {
                   const auto used = static_cast<std::int64_t>(
                       rows_by_class_[static_cast<std::size_t>(c)].size());
                   keys.insert(keys.end(), rows, rows + used * d);
                 }
               });
  return keys;
}

std::vector<float> Trainer::GatherText() {
  std::vector<float> text;
  GatherBlocks([](const ClassBlock& block) { return block.text(); }, MostClasses(),
               [&](std::size_t b, const float* rows) {
                 const std::int64_t count = bounds_[b + 1] - bounds_[b];
                 text.insert(text.end(), rows, rows + count * cache_model_.width);
               });
  return text;
}

std::int64_t Trainer::MostClasses() const {
  std::int64_t most = 0;
  for (std::size_t b = 1; b < bounds_.size(); ++b)
    most = std::max(most, bounds_[b] - bounds_[b - 1]);
  return most;
}

}  // namespace clipsweep
