#include "finetune/training/trainer.h"

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "common/compute/tensors.h"
#include "common/process/error.h"
#include "common/process/signals.h"

namespace clipsweep {
namespace {

constexpr std::int64_t kEvaluateRows = 256;
constexpr float kNone = -std::numeric_limits<float>::infinity();

at::Tensor HostTensor(const float* data, std::int64_t rows, std::int64_t width) {
  return at::from_blob(const_cast<float*>(data), {rows, width}, at::kFloat);
}

}  // namespace

std::vector<std::int64_t> ClassBlockBounds(std::int64_t classes, std::int64_t least) {
  const std::int64_t blocks =
      std::clamp<std::int64_t>(classes / least, 1, std::min(classes, kMaxClassBlocks));
  std::vector<std::int64_t> bounds;
  for (std::int64_t b = 0; b <= blocks; ++b) bounds.push_back(classes * b / blocks);
  return bounds;
}

Trainer::Trainer(std::int64_t classes, std::vector<std::int32_t> labels, const Compute& compute,
                 Comm& comm, std::int64_t least_classes)
    : classes_(classes),
      labels_(std::move(labels)),
      compute_(compute),
      comm_(comm),
      pool_(compute.on_gpu() ? 1 : compute.workers, WorkerPool::Signals::kIgnore),
      bounds_(ClassBlockBounds(classes, least_classes)) {}

void Trainer::MakeBlocks(const at::Tensor& samples, const MakeBlock& make,
                         std::shared_ptr<SharedPart> shared) {
  shared_ = shared != nullptr ? std::move(shared) : std::make_shared<SharedPart>();
  for (const std::int64_t b : ItemsOfRank(block_count(), comm_)) {
    const std::int64_t first = bounds_[static_cast<std::size_t>(b)];
    blocks_.push_back(make(first, bounds_[static_cast<std::size_t>(b) + 1] - first));
  }
  SetSamples(samples);
}

void Trainer::SetSamples(const at::Tensor& samples) {
  features_ = samples.to(at::Device(compute_.device));
  pool_.Run(owned(), [&](std::int64_t b, int) {
    blocks_[static_cast<std::size_t>(b)]->SetSamples(features_);
  });
}

void Trainer::ForOwnBlocks(const std::function<void(std::int64_t)>& work) {
  // Waking a thread costs more than a small step. Where this one computes as workers do, it may do
  // a lone block itself: the same bits.
  if (owned() == 1 && at::get_num_threads() == 1 && c10::InferenceMode::is_enabled()) {
    work(0);
  } else {
    pool_.Run(owned(), [&](std::int64_t b, int) { work(b); });
  }
}

std::int64_t Trainer::most_owned() const {
  const auto count = static_cast<std::int64_t>(bounds_.size()) - 1;
  return (count + comm_.size() - 1) / comm_.size();
}

double Trainer::Step(const std::vector<std::int64_t>& batch, const Optimizer& optimizer,
                     double lr) {
  const auto size = static_cast<std::int64_t>(batch.size());
  at::Tensor labels = at::empty({size}, at::kLong);
  for (std::int64_t i = 0; i < size; ++i) {
    labels.mutable_data_ptr<std::int64_t>()[i] =
        labels_[static_cast<std::size_t>(batch[static_cast<std::size_t>(i)])];
  }
  Batch samples{at::tensor(batch, at::kLong).to(features_.device()), {}};
  const at::Tensor stored = features_.index_select(0, samples.numbers);
  samples.features = stored;
  if (shared_->transforms()) {  // on one thread
    pool_.Run(1, [&](std::int64_t, int) { samples.features = shared_->Forward(stored); });
  }

  // What this rank tells the others: per block the maximum and sum of exponentials, then the
  // label's logit where it owns the label. [2 * most_owned + 1, B]; then whether it shall stop.
  const std::int64_t lines = 2 * most_owned() + 1;
  const std::int64_t message = lines * size + 1;
  std::vector<float> mine(static_cast<std::size_t>(message), kNone);
  mine.back() = IsInterrupted() ? 1.0f : 0.0f;
  std::vector<float> all(mine.size() * static_cast<std::size_t>(comm_.size()));
  std::vector<at::Tensor> logits(static_cast<std::size_t>(owned()));
  float* label_logits = mine.data() + (lines - 1) * size;
  ForOwnBlocks([&](std::int64_t b) {
    TrainedBlock& block = *blocks_[static_cast<std::size_t>(b)];
    const at::Tensor z = block.Forward(samples);
    logits[static_cast<std::size_t>(b)] = z;
    const at::Tensor most = z.amax(1, /*keepdim=*/true);
    const at::Tensor sum = at::exp(z - most).sum(1).cpu(), most_cpu = most.cpu();
    std::copy_n(most_cpu.const_data_ptr<float>(), size, mine.data() + 2 * b * size);
    std::copy_n(sum.const_data_ptr<float>(), size, mine.data() + (2 * b + 1) * size);
    const at::Tensor z_cpu = z.cpu();
    for (std::int64_t i = 0; i < size; ++i) {
      const std::int64_t c = labels.const_data_ptr<std::int64_t>()[i] - block.first_class();
      if (c >= 0 && c < block.classes()) {
        label_logits[i] = z_cpu.const_data_ptr<float>()[i * block.classes() + c];
      }
    }
  });
  comm_.AllGather(mine, all);

  // Every rank combines all blocks in block order: the same bits everywhere.
  at::Tensor log_sum = at::empty({size});
  double loss = 0;
  const auto blocks = static_cast<std::int64_t>(bounds_.size()) - 1;
  for (std::int64_t i = 0; i < size; ++i) {
    const auto line = [&](std::int64_t rank, std::int64_t number) {
      return static_cast<double>(all[static_cast<std::size_t>(rank * message + number * size + i)]);
    };
    double most = kNone, sum = 0, label = kNone;
    for (std::int64_t b = 0; b < blocks; ++b) {
      most = std::max(most, line(b % comm_.size(), b / comm_.size() * 2));
    }
    for (std::int64_t b = 0; b < blocks; ++b) {
      const std::int64_t rank = b % comm_.size(), at_line = b / comm_.size() * 2;
      sum += line(rank, at_line + 1) * std::exp(line(rank, at_line) - most);
    }
    for (int rank = 0; rank < comm_.size(); ++rank) label = std::max(label, line(rank, lines - 1));
    const double total = most + std::log(sum);
    log_sum.mutable_data_ptr<float>()[i] = static_cast<float>(total);
    loss += total - label;
  }
  interrupted_ = false;
  for (int rank = 0; rank < comm_.size(); ++rank) {
    interrupted_ |= all[static_cast<std::size_t>((rank + 1) * message - 1)] > 0;
  }
  if (!std::isfinite(loss)) return loss;

  Optimizer numbered = optimizer;
  numbered.step = ++steps_;
  std::vector<std::vector<float>> parts(static_cast<std::size_t>(owned()));
  const at::Tensor log_sum_there = log_sum.to(features_.device()),
                   labels_there = labels.to(features_.device());
  ForOwnBlocks([&](std::int64_t b) {
    const auto at = static_cast<std::size_t>(b);
    TrainedBlock& block = *blocks_[at];
    const at::Tensor lead = LeadOf(logits[at], block.first_class(), log_sum_there, labels_there);
    parts[at] = block.Backward(samples, lead, numbered, lr);
  });
  StepShared(parts, stored, numbered, lr);
  return loss;
}

void Trainer::StepShared(const std::vector<std::vector<float>>& parts, const at::Tensor& features,
                         const Optimizer& optimizer, double lr) {
  const std::int64_t size = shared_->GradientSize(features.size(0));
  if (size == 0) return;
  std::vector<float> mine(static_cast<std::size_t>(size * most_owned()), 0.0f);
  for (std::size_t b = 0; b < parts.size(); ++b) {
    std::copy(parts[b].begin(), parts[b].end(),
              mine.begin() + static_cast<std::ptrdiff_t>(b) * size);
  }
  std::vector<float> all(mine.size() * static_cast<std::size_t>(comm_.size()));
  comm_.AllGather(mine, all);
  std::vector<double> sum(static_cast<std::size_t>(size), 0.0);
  for (std::int64_t b = 0; b < block_count(); ++b) {
    const float* part = all.data() + (b % comm_.size() * most_owned() + b / comm_.size()) * size;
    for (std::int64_t i = 0; i < size; ++i) sum[static_cast<std::size_t>(i)] += part[i];
  }
  shared_->Step(features, sum, optimizer, lr, pool_);
}

void Trainer::KeepBest() {
  for (const auto& block : blocks_) block->KeepBest();
  shared_->KeepBest();
}

void Trainer::TakeBest() {
  for (const auto& block : blocks_) block->TakeBest();
  shared_->TakeBest();
}

std::vector<std::pair<std::int64_t, TrainedBlock*>> Trainer::OwnBlocks() {
  std::vector<std::pair<std::int64_t, TrainedBlock*>> own;
  for (std::int64_t b = 0; b < owned(); ++b) {
    own.emplace_back(comm_.rank() + b * comm_.size(), blocks_[static_cast<std::size_t>(b)].get());
  }
  return own;
}

TopCounts Trainer::Evaluate(const Queries& queries) {
  const std::int64_t count = queries.count();
  const std::int64_t chunks = (count + kEvaluateRows - 1) / kEvaluateRows;
  std::vector<at::Tensor> logits(static_cast<std::size_t>(owned() * chunks));
  std::vector<float> label_logits(static_cast<std::size_t>(count), kNone);
  const auto item_block = [&](std::int64_t item) -> const TrainedBlock& {
    return *blocks_[static_cast<std::size_t>(item / chunks)];
  };
  const auto rows_of = [&](std::int64_t chunk) {
    return std::min(kEvaluateRows, count - chunk * kEvaluateRows);
  };
  const auto features_of = [&](std::int64_t chunk) {
    const float* first = queries.features.data() + chunk * kEvaluateRows * width();
    return HostTensor(first, rows_of(chunk), width()).to(features_.device());
  };
  std::vector<at::Tensor> transformed(shared_->transforms() ? static_cast<std::size_t>(chunks) : 0);
  pool_.Run(static_cast<std::int64_t>(transformed.size()), [&](std::int64_t chunk, int) {
    transformed[static_cast<std::size_t>(chunk)] = shared_->Transform(features_of(chunk));
  });
  pool_.Run(owned() * chunks, [&](std::int64_t item, int) {
    const TrainedBlock& block = item_block(item);
    const std::int64_t chunk = item % chunks, first = chunk * kEvaluateRows, rows = rows_of(chunk);
    const at::Tensor f =
        transformed.empty() ? features_of(chunk) : transformed[static_cast<std::size_t>(chunk)];
    const at::Tensor z = block.Logits(f).cpu();
    logits[static_cast<std::size_t>(item)] = z;
    for (std::int64_t i = 0; i < rows; ++i) {
      const std::int64_t c =
          queries.labels[static_cast<std::size_t>(first + i)] - block.first_class();
      if (c >= 0 && c < block.classes()) {
        label_logits[static_cast<std::size_t>(first + i)] =
            z.const_data_ptr<float>()[i * block.classes() + c];
      }
    }
  });
  comm_.MaxFloat(label_logits);

  // One more value than samples: the last counts blocks of logits that are not all finite.
  std::vector<std::int64_t> beaten_by(static_cast<std::size_t>(count) + 1, 0);
  for (std::int64_t item = 0; item < owned() * chunks; ++item) {
    const TrainedBlock& block = item_block(item);
    const at::Tensor& z = logits[static_cast<std::size_t>(item)];
    const std::int64_t first = item % chunks * kEvaluateRows;
    beaten_by.back() += at::isfinite(z).all().item<bool>() ? 0 : 1;
    for (std::int64_t i = 0; i < z.size(0); ++i) {
      const auto n = static_cast<std::size_t>(first + i);
      const float* row = z.const_data_ptr<float>() + i * block.classes();
      const std::int64_t own = queries.labels[n] - block.first_class();
      for (std::int64_t c = 0; c < block.classes(); ++c) {
        beaten_by[n] += row[c] > label_logits[n] || (row[c] == label_logits[n] && c < own) ? 1 : 0;
      }
    }
  }
  comm_.SumInt64(beaten_by);
  Agree(comm_, [&] {
    if (beaten_by.back() > 0) {
      throw InputError(
          "training: what is learned gives values that are not finite; lower lr or beta");
    }
  });
  beaten_by.pop_back();
  TopCounts counts;
  for (const std::int64_t beaten : beaten_by) {
    counts.top1 += beaten == 0 ? 1 : 0;
    counts.top5 += beaten < 5 ? 1 : 0;
  }
  return counts;
}

void Trainer::GatherBlocks(const std::function<at::Tensor(const TrainedBlock&)>& of,
                           std::int64_t most_rows, std::int64_t width,
                           const std::function<void(std::size_t block, const float* rows)>& use) {
  const std::int64_t values = most_rows * width;
  std::vector<float> mine(static_cast<std::size_t>(values));
  std::vector<float> all(mine.size() * static_cast<std::size_t>(comm_.size()));
  // One round a block of each rank, so that no rank holds more than size() padded blocks at a time.
  for (std::int64_t round = 0; round < most_owned(); ++round) {
    if (round < owned()) {
      const at::Tensor block = of(*blocks_[static_cast<std::size_t>(round)]).cpu().contiguous();
      std::copy_n(block.const_data_ptr<float>(), block.numel(), mine.begin());
    }
    comm_.AllGather(mine, all);
    for (std::int64_t rank = 0; rank < comm_.size(); ++rank) {
      const std::int64_t number = round * comm_.size() + rank;
      if (number < block_count()) use(static_cast<std::size_t>(number), all.data() + rank * values);
    }
  }
}

at::Tensor Trainer::GatherRows(const std::function<at::Tensor(const TrainedBlock&)>& of,
                               std::int64_t width) {
  at::Tensor rows = at::empty({classes_, width});
  GatherBlocks(of, MostClasses(), width, [&](std::size_t b, const float* data) {
    std::copy_n(data, (bounds_[b + 1] - bounds_[b]) * width,
                rows.mutable_data_ptr<float>() + bounds_[b] * width);
  });
  return rows;
}

std::int64_t Trainer::MostClasses() const {
  std::int64_t most = 0;
  for (std::size_t b = 1; b < bounds_.size(); ++b)
    most = std::max(most, bounds_[b] - bounds_[b - 1]);
  return most;
}

}  // namespace clipsweep
