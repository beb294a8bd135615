#include "sweep/engine/sample_counter.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace clipsweep {

SampleCounter::SampleCounter(const KeyLayout& layout, const std::vector<std::int64_t>& shots,
                             const Axis& alpha, const Axis& beta, const Reach& most,
                             std::atomic<std::int64_t>* edges_left)
    : layout_(layout),
      shots_(shots),
      alpha_(alpha),
      beta_(beta),
      edges_left_(edges_left),
      counter_(alpha, most),
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

std::int64_t SampleCounter::ClampRun(std::int64_t last_run) const {
  return std::min(last_run, (beta_.count + kAnchorEvery - 1) / kAnchorEvery);
}

bool SampleCounter::Holds(std::int64_t label) const {
  return label >= layout_.first_class && label < layout_.first_class + layout_.classes;
}

void SampleCounter::Run(const float* affinity, const float* z, std::int64_t label,
                        std::int64_t first_run, std::int64_t last_run) {
  last_run = ClampRun(last_run);
  if (first_run >= last_run) return;
  const auto shot_counts = shots_.size();
  label_anchors_.resize(shot_counts * static_cast<std::size_t>(last_run - first_run + 1));
  label_sums_.resize(shot_counts * static_cast<std::size_t>((last_run - first_run) * kAnchorEvery));
  Load(affinity, z);
  LabelSums(label, first_run, last_run, label_anchors_.data(), label_sums_.data());
  MeetClasses(label, label_anchors_.data(), label_sums_.data(), first_run, last_run,
              [&](std::int64_t row, Contest& contest) { Record(row, contest); });
}

void SampleCounter::Load(const float* affinity, const float* z) {
  for (std::size_t k = 0; k < distance_.size(); ++k) {
    distance_[k] = 1.0f - affinity[layout_.column[k]];
  }
  all_z_ = z;
  std::copy_n(z + layout_.first_class, layout_.classes, z_.begin());
}

void SampleCounter::LabelSums(std::int64_t label, std::int64_t first_run, std::int64_t last_run,
                              float* anchors, float* sums) {
  label_.classes.assign(1, static_cast<std::int32_t>(label - layout_.first_class));
  Pack(label_);
  const std::int64_t runs = last_run - first_run;
  const std::int64_t first = first_run * kAnchorEvery;
  const std::int64_t all = std::min(runs * kAnchorEvery, beta_.count - first);
  label_.sums.resize(shots_.size() * static_cast<std::size_t>((runs + 1) * kLanes));
  AnchorSums({1, layout_.slots, label_.weight.data(), label_.distance.data()}, shots_, beta_.low,
             beta_.step, beta_.count, first_run, runs + 1, label_.sums.data());
  for (std::size_t i = 0; i < shots_.size() * static_cast<std::size_t>(runs + 1); ++i) {
    anchors[i] = label_.sums[i * kLanes];
  }
  for (std::int64_t run = 0; run < runs; ++run) {
    const std::int64_t betas = std::min(kAnchorEvery, all - run * kAnchorEvery);
    SumPacked(label_, first + run * kAnchorEvery, betas);
    for (std::int64_t k = 0; k < shot_counts(); ++k) {
      for (std::int64_t j = 0; j < betas; ++j) {
        sums[k * all + run * kAnchorEvery + j] =
            label_.sums[static_cast<std::size_t>((k * betas + j) * kLanes)];
      }
    }
  }
}

void SampleCounter::MeetClasses(std::int64_t label, const float* anchors, const float* sums,
                                std::int64_t first_run, std::int64_t last_run, const Use& use) {
  const std::int64_t padded = layout_.padded_classes(), runs = last_run - first_run;
  const std::int64_t first = first_run * kAnchorEvery;
  const std::int64_t all = std::min(runs * kAnchorEvery, beta_.count - first);
  anchors_.resize(static_cast<std::size_t>(shot_counts() * (runs + 1) * padded));
  AnchorSums({layout_.groups, layout_.slots, layout_.weight.data(), distance_.data()}, shots_,
             beta_.low, beta_.step, beta_.count, first_run, runs + 1, anchors_.data());
  for (std::int64_t run = 0; run < runs; ++run) {
    const std::int64_t start = run * kAnchorEvery, betas = std::min(kAnchorEvery, all - start);
    const std::int64_t chord = AnchorAt(first_run + run + 1, beta_.count) - (first + start);
    FindRivals(label, anchors, sums, run, runs, all, betas, chord);
    Pack(rivals_);
    SumPacked(rivals_, first + start, betas);
    const auto width = static_cast<std::int64_t>(rivals_.classes.size());
    for (std::int32_t& lane : rivals_.classes) {
      if (lane >= 0) lane += static_cast<std::int32_t>(layout_.first_class);
    }
    for (std::int64_t k = 0; k < shot_counts(); ++k) {
      for (std::int64_t j = 0; j < betas; ++j) {
        contest_.Clear();
        counter_.Meet(label, all_z_[label], sums[k * all + start + j], width, rivals_.z.data(),
                      rivals_.sums.data() + (k * betas + j) * width, rivals_.classes.data(),
                      contest_);
        use(k * beta_.count + first + start + j, contest_);
      }
    }
  }
}

// Fills rivals_.classes with the lanes that may beat the label within a run, at any shot count.
// `chord_betas`: steps from the run's first anchor to the next one.
void SampleCounter::FindRivals(std::int64_t label, const float* anchors, const float* sums,
                               std::int64_t run, std::int64_t runs, std::int64_t all_betas,
                               std::int64_t betas, std::int64_t chord_betas) {
  const std::int64_t padded = layout_.padded_classes();
  found_.clear();
  for (std::int64_t k = 0; k < shot_counts(); ++k) {
    const std::int64_t at = k * (runs + 1) + run;
    AlphaCounter::LabelCurve curve{all_z_[label], anchors[at], anchors[at + 1], 0};
    for (std::int64_t j = 0; j < betas; ++j) {
      const float part = j == 0 ? 0.0f : static_cast<float>(j) / static_cast<float>(chord_betas);
      const float chord = curve.first_s + part * (curve.last_s - curve.first_s);
      curve.sag = std::max(curve.sag, chord - sums[k * all_betas + run * kAnchorEvery + j]);
    }
    counter_.FindCandidates(curve, padded, z_.data(), anchors_.data() + at * padded,
                            anchors_.data() + (at + 1) * padded, found_);
  }
  const auto own = static_cast<std::int32_t>(label - layout_.first_class);
  rivals_.classes.clear();
  for (const std::int32_t lane : found_) {
    if (lane == own || std::exchange(seen_[static_cast<std::size_t>(lane)], 1) != 0) continue;
    rivals_.classes.push_back(lane);
  }
  for (const std::int32_t lane : rivals_.classes) seen_[static_cast<std::size_t>(lane)] = 0;
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

void SampleCounter::Record(std::int64_t row, Contest& contest) {
  const std::int64_t steps = row * (alpha_.count + 1);
  AlphaCounter::Count(contest, counts_.top1_steps.data() + steps,
                      counts_.top5_steps.data() + steps);
  const AlphaInterval& interval = contest.interval;
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
