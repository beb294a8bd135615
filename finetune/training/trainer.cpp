#include "finetune/training/trainer.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "common/compute/tensors.h"
#include "common/process/error.h"
#include "common/process/signals.h"

namespace clipsweep {
namespace {

constexpr std::int64_t kEvaluateRows = 256;
constexpr std::int64_t kMostTextLogits = 64 << 20;  // of all ranks together: 256 MB
constexpr double kLeastBeta = 1e-3;                 // learning never makes the kernel flat for good
constexpr float kNone = -std::numeric_limits<float>::infinity();

at::Tensor HostTensor(const float* data, std::int64_t rows, std::int64_t width) {
  return at::from_blob(const_cast<float*>(data), {rows, width}, at::kFloat);
}

}  // namespace

std::vector<std::int64_t> ClassBlockBounds(std::int64_t classes) {
  const std::int64_t blocks = std::min(classes, kMaxClassBlocks);
  std::vector<std::int64_t> bounds;
  for (std::int64_t b = 0; b <= blocks; ++b) bounds.push_back(classes * b / blocks);
  return bounds;
}

Trainer::Trainer(const CacheModel& cache_model,
                 const std::vector<std::vector<std::int64_t>>& rows_by_class, double alpha,
                 double beta, const Compute& compute, Comm& comm, Learn learn)
    : cache_model_(cache_model),
      rows_by_class_(rows_by_class),
      compute_(compute),
      comm_(comm),
      pool_(compute.on_gpu() ? 1 : compute.workers, WorkerPool::Signals::kIgnore),
      bounds_(ClassBlockBounds(cache_model.classes)),
      learn_(learn),
      alpha_{alpha},
      beta_{beta},
      best_alpha_(alpha),
      best_beta_(beta) {
  const at::Device device(compute.device);
  const std::int64_t d = cache_model.width;
  for (std::size_t c = 0; c < rows_by_class_.size(); ++c) {
    slots_ = std::max(slots_, static_cast<std::int64_t>(rows_by_class_[c].size()));
    for (const std::int64_t row : rows_by_class_[c]) {
      train_rows_.push_back(row);
      train_labels_.push_back(static_cast<std::int32_t>(c));
    }
  }
  SetSamples(cache_model.keys);
  for (const std::int64_t b : ItemsOfRank(static_cast<std::int64_t>(bounds_.size()) - 1, comm)) {
    const std::int64_t first = bounds_[static_cast<std::size_t>(b)];
    const std::int64_t count = bounds_[static_cast<std::size_t>(b) + 1] - first;
    at::Tensor keys = at::zeros({count, slots_, d}), weight = at::zeros({count, slots_});
    for (std::int64_t c = 0; c < count; ++c) {
      const auto& rows = rows_by_class_[static_cast<std::size_t>(first + c)];
      for (std::size_t s = 0; s < rows.size(); ++s) {
        const auto slot = static_cast<std::int64_t>(s);
        std::copy_n(cache_model.keys.data() + rows[s] * d, d,
                    keys.mutable_data_ptr<float>() + (c * slots_ + slot) * d);
        weight.mutable_data_ptr<float>()[c * slots_ + slot] = 1.0f;
      }
    }
    const at::Tensor text = HostTensor(cache_model.text.data() + first * d, count, d).clone();
    blocks_.emplace_back(keys.to(device), weight.to(device), text.to(device), first, alpha, beta,
                         learn);
  }
  if (!learn.text && samples() * cache_model.classes <= kMostTextLogits) KeepTextLogits();
}

void Trainer::SetSamples(const std::vector<float>& rows) {
  const std::int64_t d = cache_model_.width;
  at::Tensor features = at::empty({samples(), d});
  for (std::int64_t i = 0; i < samples(); ++i) {
    const std::int64_t row = train_rows_[static_cast<std::size_t>(i)];
    std::copy_n(rows.data() + row * d, d, features.mutable_data_ptr<float>() + i * d);
  }
  features_ = features.to(at::Device(compute_.device));
  text_logits_.clear();
}

void Trainer::KeepTextLogits() {
  text_logits_.resize(blocks_.size());
  pool_.Run(owned(), [&](std::int64_t b, int) {
    const ClassBlock& block = blocks_[static_cast<std::size_t>(b)];
    std::vector<at::Tensor> parts;
    for (std::int64_t first = 0; first < samples(); first += kEvaluateRows) {
      const std::int64_t count = std::min(kEvaluateRows, samples() - first);
      parts.push_back(block.TextLogits(features_.narrow(0, first, count)));
    }
    text_logits_[static_cast<std::size_t>(b)] = at::cat(parts);
  });
}

std::int64_t Trainer::most_owned() const {
  const auto count = static_cast<std::int64_t>(bounds_.size()) - 1;
  return (count + comm_.size() - 1) / comm_.size();
}

double Trainer::Step(const std::vector<std::int64_t>& batch, const AdamW& adam, double lr) {
  const auto size = static_cast<std::int64_t>(batch.size());
  at::Tensor labels = at::empty({size}, at::kLong);
  for (std::int64_t i = 0; i < size; ++i) {
    labels.mutable_data_ptr<std::int64_t>()[i] =
        train_labels_[static_cast<std::size_t>(batch[static_cast<std::size_t>(i)])];
  }
  const at::Tensor rows = at::tensor(batch, at::kLong).to(features_.device());
  const at::Tensor f = features_.index_select(0, rows);

  // What this rank tells the others: per block the maximum and sum of exponentials, then the
  // label's logit where it owns the label. [2 * most_owned + 1, B]; then whether it shall stop.
  const std::int64_t lines = 2 * most_owned() + 1;
  const std::int64_t message = lines * size + 1;
  std::vector<float> mine(static_cast<std::size_t>(message), kNone);
  mine.back() = IsInterrupted() ? 1.0f : 0.0f;
  std::vector<float> all(mine.size() * static_cast<std::size_t>(comm_.size()));
  std::vector<at::Tensor> logits(static_cast<std::size_t>(owned()));
  float* label_logits = mine.data() + (lines - 1) * size;
  pool_.Run(owned(), [&](std::int64_t b, int) {
    ClassBlock& block = blocks_[static_cast<std::size_t>(b)];
    const at::Tensor z =
        text_logits_.empty()
            ? block.Forward(f)
            : block.Forward(f, text_logits_[static_cast<std::size_t>(b)].index_select(0, rows));
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

  AdamW numbered = adam;
  numbered.step = ++steps_;
  std::vector<std::array<double, 2>> parts(static_cast<std::size_t>(owned()));
  const at::Tensor log_sum_there = log_sum.to(f.device()), labels_there = labels.to(f.device());
  pool_.Run(owned(), [&](std::int64_t b, int) {
    const auto at = static_cast<std::size_t>(b);
    const at::Tensor lead = blocks_[at].Lead(logits[at], log_sum_there, labels_there);
    parts[at] = blocks_[at].Backward(f, lead, numbered, lr);
  });
  if (learn_.scalars()) StepScalars(parts, numbered, lr);
  return loss;
}

void Trainer::StepScalars(const std::vector<std::array<double, 2>>& parts, const AdamW& adam,
                          double lr) {
  std::vector<float> mine(static_cast<std::size_t>(2 * most_owned()), 0.0f);
  for (std::size_t b = 0; b < parts.size(); ++b) {
    mine[2 * b] = static_cast<float>(parts[b][0]);
    mine[2 * b + 1] = static_cast<float>(parts[b][1]);
  }
  std::vector<float> all(mine.size() * static_cast<std::size_t>(comm_.size()));
  comm_.AllGather(mine, all);
  std::array<double, 2> sum{};
  for (std::int64_t b = 0; b < block_count(); ++b) {
    const auto at =
        static_cast<std::size_t>(2 * (b % comm_.size() * most_owned() + b / comm_.size()));
    sum[0] += all[at];
    sum[1] += all[at + 1];
  }
  if (learn_.alpha) alpha_.Step(sum[0], adam, lr);
  if (learn_.beta) beta_.Step(sum[1], adam, lr);
  alpha_.value = std::max(alpha_.value, 0.0);
  beta_.value = std::max(beta_.value, kLeastBeta);
  for (ClassBlock& block : blocks_) block.SetPoint(alpha_.value, beta_.value);
}

void Trainer::KeepBest() {
  best_alpha_ = alpha_.value;
  best_beta_ = beta_.value;
  for (ClassBlock& block : blocks_) block.KeepBest();
}

void Trainer::TakeBest() {
  alpha_.value = best_alpha_;
  beta_.value = best_beta_;
  for (ClassBlock& block : blocks_) {
    block.TakeBest();
    block.SetPoint(best_alpha_, best_beta_);
  }
}

void Trainer::SetScalars(const Scalars& scalars) {
  steps_ = scalars.steps;
  alpha_ = scalars.alpha;
  beta_ = scalars.beta;
  best_alpha_ = scalars.best_alpha;
  best_beta_ = scalars.best_beta;
  for (ClassBlock& block : blocks_) block.SetPoint(alpha_.value, beta_.value);
}

std::vector<std::pair<std::int64_t, ClassBlock*>> Trainer::OwnBlocks() {
  std::vector<std::pair<std::int64_t, ClassBlock*>> own;
  for (std::int64_t b = 0; b < owned(); ++b) {
    own.emplace_back(comm_.rank() + b * comm_.size(), &blocks_[static_cast<std::size_t>(b)]);
  }
  return own;
}

TopCounts Trainer::Evaluate(const Queries& queries) {
  const std::int64_t count = queries.count();
  const std::int64_t chunks = (count + kEvaluateRows - 1) / kEvaluateRows;
  std::vector<at::Tensor> logits(static_cast<std::size_t>(owned() * chunks));
  std::vector<float> label_logits(static_cast<std::size_t>(count), kNone);
  const auto item_block = [&](std::int64_t item) -> const ClassBlock& {
    return blocks_[static_cast<std::size_t>(item / chunks)];
  };
  pool_.Run(owned() * chunks, [&](std::int64_t item, int) {
    const ClassBlock& block = item_block(item);
    const std::int64_t first = item % chunks * kEvaluateRows;
    const std::int64_t rows = std::min(kEvaluateRows, count - first);
    const at::Tensor f =
        HostTensor(queries.features.data() + first * cache_model_.width, rows, cache_model_.width);
    const at::Tensor z = block.Logits(f.to(features_.device())).cpu();
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
    const ClassBlock& block = item_block(item);
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
          "finetune: the trained keys give values that are not finite; lower --lr or --beta");
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

}  // namespace clipsweep
