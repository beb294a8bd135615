#include "sweep/sample_counter.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace clipsweep {

SampleCounter::SampleCounter(const KeyLayout& layout, const std::vector<std::int64_t>& shots,
                             const Axis& alpha, const Axis& beta,
                             std::atomic<std::int64_t>* edges_left)
    : layout_(layout),
      shots_(shots),
      alpha_(alpha),
      beta_(beta),
      edges_left_(edges_left),
      counter_(alpha, static_cast<double>(layout.slots)),
      z_(static_cast<std::size_t>(layout.padded_classes()),
         -std::numeric_limits<float>::infinity()),
      distance_(layout.column.size()),
      seen_(z_.size(), 0) {
  const auto rows = shots.size() * static_cast<std::size_t>(beta.count);
  const auto cells = rows * static_cast<std::size_t>(alpha.count + 1);
  counts_.top1_steps.assign(cells, 0);
  counts_.top5_steps.assign(cells, 0);
  counts_.right_at_first.assign(rows, 0);
  counts_.from.resize(rows);
  counts_.to.resize(rows);
}

void SampleCounter::Run(const float* affinity, const float* z, std::int64_t label,
                        std::int64_t first_run, std::int64_t last_run) {
  last_run = std::min(last_run, (beta_.count + kAnchorEvery - 1) / kAnchorEvery);
  if (first_run >= last_run) return;
  for (std::size_t k = 0; k < distance_.size(); ++k) {
    distance_[k] = 1.0f - affinity[layout_.column[k]];
  }
  std::copy_n(z, layout_.classes, z_.begin());
  const std::int64_t padded = layout_.padded_classes(), anchors = last_run - first_run + 1;
  const auto shot_counts = static_cast<std::int64_t>(shots_.size());
  anchors_.resize(static_cast<std::size_t>(shot_counts * anchors * padded));
  AnchorSums({layout_.groups, layout_.slots, layout_.weight.data(), distance_.data()}, shots_,
             beta_.low, beta_.step, first_run, anchors, anchors_.data());
  label_.classes.assign(1, static_cast<std::int32_t>(label));
  Pack(label_);

  for (std::int64_t run = first_run; run < last_run; ++run) {
    const std::int64_t beta = run * kAnchorEvery;
    const std::int64_t betas = std::min(kAnchorEvery, beta_.count - beta);
    SumPacked(label_, beta, betas);
    const float* first = anchors_.data() + (run - first_run) * padded;
    rivals_.classes = Candidates(label, first, first + padded, anchors * padded, betas);
    Pack(rivals_);
    SumPacked(rivals_, beta, betas);
    const auto width = static_cast<std::int64_t>(rivals_.classes.size());
    for (std::int64_t k = 0; k < shot_counts; ++k) {
      for (std::int64_t j = 0; j < betas; ++j) {
        const std::int64_t row = k * beta_.count + beta + j, steps = row * (alpha_.count + 1);
        const std::int64_t at = k * betas + j;
        Record(
            counter_.Add(label, z_[static_cast<std::size_t>(label)],
                         label_.sums[static_cast<std::size_t>(at * kLanes)], width,
                         rivals_.z.data(), rivals_.sums.data() + at * width, rivals_.classes.data(),
                         counts_.top1_steps.data() + steps, counts_.top5_steps.data() + steps),
            row);
      }
    }
  }
}

const std::vector<std::int32_t>& SampleCounter::Candidates(std::int64_t label, const float* first,
                                                           const float* last, std::int64_t stride,
                                                           std::int64_t betas) {
  found_.clear();
  for (std::size_t k = 0; k < shots_.size(); ++k) {
    const auto shot = static_cast<std::int64_t>(k);
    const float* at_first = first + shot * stride;
    const float* at_last = last + shot * stride;
    float sag = 0;
    for (std::int64_t j = 0; j < betas; ++j) {
      const float part = static_cast<float>(j) / static_cast<float>(kAnchorEvery);
      const float chord = at_first[label] + part * (at_last[label] - at_first[label]);
      sag =
          std::max(sag, chord - label_.sums[static_cast<std::size_t>((shot * betas + j) * kLanes)]);
    }
    counter_.FindCandidates(label, sag, layout_.padded_classes(), z_.data(), at_first, at_last,
                            found_);
  }
  const auto repeated = [&](std::int32_t c) {
    return std::exchange(seen_[static_cast<std::size_t>(c)], 1) != 0;
  };
  if (shots_.size() > 1) std::erase_if(found_, repeated);
  for (const std::int32_t c : found_) seen_[static_cast<std::size_t>(c)] = 0;
  return found_;
}

void SampleCounter::Pack(Packed& packed) const {
  const std::int64_t slots = layout_.slots;
  const auto used = static_cast<std::int64_t>(packed.classes.size());
  const std::int64_t groups = (used + kLanes - 1) / kLanes;
  const auto lanes = static_cast<std::size_t>(groups * kLanes);
  packed.classes.resize(lanes, -1);
  packed.z.assign(lanes, -std::numeric_limits<float>::infinity());
  packed.weight.assign(lanes * static_cast<std::size_t>(slots), 0.0f);
  packed.distance.assign(lanes * static_cast<std::size_t>(slots), 0.0f);
  packed.sums.resize(lanes * shots_.size() * static_cast<std::size_t>(kAnchorEvery));
  for (std::int64_t i = 0; i < used; ++i) {
    const std::int64_t c = packed.classes[static_cast<std::size_t>(i)];
    packed.z[static_cast<std::size_t>(i)] = z_[static_cast<std::size_t>(c)];
    const std::int64_t from = (c / kLanes) * slots * kLanes + c % kLanes;
    const std::int64_t to = (i / kLanes) * slots * kLanes + i % kLanes;
    for (std::int64_t s = 0; s < slots; ++s) {
      const auto source = static_cast<std::size_t>(from + s * kLanes);
      const auto target = static_cast<std::size_t>(to + s * kLanes);
      packed.weight[target] = layout_.weight[source];
      packed.distance[target] = distance_[source];
    }
  }
}

void SampleCounter::SumPacked(Packed& packed, std::int64_t beta, std::int64_t betas) const {
  const auto groups = static_cast<std::int64_t>(packed.classes.size()) / kLanes;
  ClassSums({groups, layout_.slots, packed.weight.data(), packed.distance.data()}, shots_,
            beta_.low, beta_.step, beta, betas, packed.sums.data());
}

void SampleCounter::Record(const AlphaInterval& interval, std::int64_t row) {
  if (edges_left_ == nullptr || interval.empty) return;
  const auto at = static_cast<std::size_t>(row);
  if (interval.whole_left) ++counts_.right_at_first[at];
  if (*edges_left_ < 0) return;
  if (!interval.whole_left) counts_.from[at].push_back(interval.from.code());
  if (!interval.whole_right) counts_.to[at].push_back(interval.to.code());
  const int kept = (interval.whole_left ? 0 : 1) + (interval.whole_right ? 0 : 1);
  if (kept > 0) *edges_left_ -= kept;
}

}  // namespace clipsweep
