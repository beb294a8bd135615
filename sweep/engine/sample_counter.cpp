#include "sweep/engine/sample_counter.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

namespace clipsweep {

void LabelCurves::TakeLeast(const LabelCurves& other) {
  for (std::size_t i = 0; i < first.size(); ++i) {
    first[i] = std::min(first[i], other.first[i]);
    last[i] = std::min(last[i], other.last[i]);
    sag[i] = std::max(sag[i], other.sag[i]);
  }
}

float ScreenRow::Distance(std::int64_t at) const {
  const float a = floats != nullptr
                      ? floats[at]
                      : std::bit_cast<float>(static_cast<std::uint32_t>(halves[at]) << 16);
  return 1.0f - (a + std::abs(a) * slack.relative + slack.absolute);
}

SampleCounter::SampleCounter(const KeyLayout& layout, const std::vector<std::int64_t>& shots,
                             const Axis& alpha, const Axis& beta, const Reach& most,
                             std::atomic<std::int64_t>* edges_left)
    : first_class_(layout.first_class),
      shots_(shots),
      alpha_(alpha),
      beta_(beta),
      edges_left_(edges_left),
      counter_(alpha, most),
      first_(static_cast<std::size_t>((beta.count + kAnchorEvery - 1) / kAnchorEvery), 0),
      in_top5_(first_),
      label_(layout),
      screened_(layout),
      found_keys_(layout),
      open_(layout) {
  const auto rows = shots.size() * static_cast<std::size_t>(beta.count);
  const auto cells = rows * static_cast<std::size_t>(alpha.count + 1);
  counts_.top1_steps.assign(cells, 0);
  counts_.top5_steps.assign(cells, 0);
  counts_.right_at_first.assign(rows, 0);
  counts_.from.resize(rows);
  counts_.to.resize(rows);
}

BetaRuns SampleCounter::Clamp(BetaRuns runs) const {
  const std::int64_t last = std::min(runs.last, static_cast<std::int64_t>(first_.size()));
  return {std::min(runs.first, last), last};
}

std::int64_t SampleCounter::BetasIn(BetaRuns runs) const {
  const std::int64_t first = runs.first * kAnchorEvery;
  return std::max<std::int64_t>(0, std::min(runs.count() * kAnchorEvery, beta_.count - first));
}

PeakGrid SampleCounter::GridOf(BetaRuns runs, float low_alpha, float high_alpha) const {
  const std::int64_t last = AnchorAt(runs.last, beta_.count) - AnchorAt(runs.last - 1, beta_.count);
  return {low_alpha, high_alpha, static_cast<float>(beta_.At(runs.first * kAnchorEvery)),
          static_cast<float>(static_cast<double>(kAnchorEvery) * beta_.step),
          static_cast<float>(static_cast<double>(last) * beta_.step)};
}

void SampleCounter::SumLabel(std::int64_t label, const float* affinity, BetaRuns runs,
                             float* anchors, float* sums) {
  label_.Clear(1);
  label_.Put(0, label, 0.0f, [&](std::int32_t key) { return 1.0f - affinity[key]; });
  const std::int64_t first = runs.first * kAnchorEvery, all = BetasIn(runs);
  const auto most = static_cast<std::size_t>(shot_counts() * kLanes) *
                    static_cast<std::size_t>(std::max(runs.count() + 1, kAnchorEvery));
  sums_.resize(most);
  AnchorSums(label_.View(), shots_, beta_.low, beta_.step, beta_.count, runs.first,
             runs.count() + 1, sums_.data());
  for (std::int64_t i = 0; i < AnchorsIn(runs); ++i) {
    anchors[i] = sums_[static_cast<std::size_t>(i * kLanes)];
  }
  for (std::int64_t start = 0; start < all; start += kAnchorEvery) {
    const std::int64_t betas = std::min(kAnchorEvery, all - start);
    ClassSums(label_.View(), shots_, beta_.low, beta_.step, first + start, betas, sums_.data());
    for (std::int64_t k = 0; k < shot_counts(); ++k) {
      for (std::int64_t j = 0; j < betas; ++j) {
        sums[k * all + start + j] = sums_[static_cast<std::size_t>((k * betas + j) * kLanes)];
      }
    }
  }
}

void SampleCounter::MakeCurves(const LabelSums& label, BetaRuns runs, LabelCurves& curves) const {
  const auto size = static_cast<std::size_t>(shot_counts() * runs.count());
  curves.first.resize(size);
  curves.last.resize(size);
  curves.sag.assign(size, 0.0f);
  const std::int64_t first = runs.first * kAnchorEvery, all = BetasIn(runs);
  for (std::int64_t k = 0; k < shot_counts(); ++k) {
    for (std::int64_t run = 0; run < runs.count(); ++run) {
      const auto at = static_cast<std::size_t>(k * runs.count() + run);
      const float* anchor = label.anchors + k * (runs.count() + 1) + run;
      curves.first[at] = anchor[0];
      curves.last[at] = anchor[1];
      const std::int64_t start = run * kAnchorEvery, betas = std::min(kAnchorEvery, all - start);
      const std::int64_t chord_betas =
          AnchorAt(runs.first + run + 1, beta_.count) - (first + start);
      for (std::int64_t j = 0; j < betas; ++j) {
        const float part = j == 0 ? 0.0f : static_cast<float>(j) / static_cast<float>(chord_betas);
        const float chord = anchor[0] + part * (anchor[1] - anchor[0]);
        curves.sag[at] = std::max(curves.sag[at], chord - label.sums[k * all + start + j]);
      }
    }
  }
}

void SampleCounter::FindRivals(float label_z, const LabelSums& sums, const LabelCurves& curves,
                               BetaRuns runs, const std::vector<std::int32_t>& lanes,
                               const ScreenRow& row, std::span<RunRivals> rivals) {
  if (runs.count() == 0) return;
  screened_.Clear(lanes.size());
  const std::int64_t first_class = first_class_ + row.tile.first_group * kLanes;
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    screened_.Put(i, first_class + lanes[i], row.z[lanes[i]],
                  [&](std::int32_t key) { return row.Distance(row.tile.At(lanes[i], key)); });
  }
  const std::int64_t padded = screened_.lanes();
  anchors_.resize(static_cast<std::size_t>(AnchorsIn(runs) * padded));
  AnchorSums(screened_.View(), shots_, beta_.low, beta_.step, beta_.count, runs.first,
             runs.count() + 1, anchors_.data());
  seen_.assign(static_cast<std::size_t>(padded), 0);
  for (std::int64_t run = 0; run < runs.count(); ++run) {
    found_.clear();
    for (std::int64_t k = 0; k < shot_counts(); ++k) {
      const auto at = static_cast<std::size_t>(k * runs.count() + run);
      const float* anchors = anchors_.data() + (k * (runs.count() + 1) + run) * padded;
      counter_.FindCandidates({label_z, curves.first[at], curves.last[at], curves.sag[at]}, padded,
                              screened_.z(), anchors, anchors + padded, found_);
    }
    std::erase_if(found_, [&](std::int32_t i) {
      return screened_.class_of(static_cast<std::size_t>(i)) < 0 ||
             std::exchange(seen_[static_cast<std::size_t>(i)], 1) != 0;
    });
    for (const std::int32_t i : found_) seen_[static_cast<std::size_t>(i)] = 0;
    if (found_.empty()) continue;
    JudgeFound(label_z, sums, runs, run, row, rivals[static_cast<std::size_t>(run)]);
  }
}

// Of the screened lanes in found_: bounds at each beta of a run.
void SampleCounter::JudgeFound(float label_z, const LabelSums& sums, BetaRuns runs,
                               std::int64_t run, const ScreenRow& row, RunRivals& rivals) {
  found_keys_.Clear(found_.size());
  for (std::size_t i = 0; i < found_.size(); ++i) {
    found_keys_.Copy(i, screened_, static_cast<std::size_t>(found_[i]));
  }
  const std::int64_t lanes = found_keys_.lanes();
  const std::int64_t all = BetasIn(runs), start = run * kAnchorEvery;
  const std::int64_t betas = std::min(kAnchorEvery, all - start);
  const std::int64_t first = runs.first * kAnchorEvery + start;
  sums_.resize(static_cast<std::size_t>(shot_counts() * betas * lanes));
  ClassSums(found_keys_.View(), shots_, beta_.low, beta_.step, first, betas, sums_.data());
  least_.resize(static_cast<std::size_t>(lanes));
  most_.resize(static_cast<std::size_t>(lanes));
  const float slack = 2.002f * (row.slack.relative * row.most_affinity + row.slack.absolute);
  LeadRange({shot_counts(), betas, lanes, sums_.data(), beta_.At(first), beta_.step, slack},
            found_keys_.z(), row.z_slack, label_z, sums.sums + start, all,
            static_cast<float>(alpha_.At(0)), static_cast<float>(alpha_.At(alpha_.count - 1)),
            least_.data(), most_.data());
  for (std::size_t i = 0; i < found_.size(); ++i) {
    if (least_[i] > margin()) continue;
    if (most_[i] < -margin()) {
      ++rivals.ahead;
    } else {
      rivals.open.push_back(found_keys_.class_of(i));
    }
  }
}

void SampleCounter::MeetRivals(std::int64_t label, float label_z, const LabelSums& sums,
                               BetaRuns runs, std::span<const RunRivals> rivals,
                               const RivalRows& rows, const std::vector<std::int32_t>& at,
                               const Use& use) {
  const std::int64_t first = runs.first * kAnchorEvery, all = BetasIn(runs);
  const std::vector<std::int32_t>* packed = nullptr;  // whose values stand in open_
  for (std::int64_t run = 0; run < runs.count(); ++run) {
    const std::vector<std::int32_t>& some = rivals[static_cast<std::size_t>(run)].open;
    const std::int64_t ahead = rivals[static_cast<std::size_t>(run)].ahead;
    if (some.empty()) continue;
    if (packed == nullptr || *packed != some) {
      open_.Clear(some.size());
      for (std::size_t i = 0; i < some.size(); ++i) {
        const auto place = static_cast<std::size_t>(at[static_cast<std::size_t>(some[i])]);
        const float* affinity = rows.Affinity(place);
        open_.Put(i, some[i], rows.Z(place),
                  [&](std::int32_t key) { return 1.0f - affinity[key]; });
      }
      packed = &some;
    }
    const std::int64_t width = open_.lanes();
    const std::int64_t start = run * kAnchorEvery, betas = std::min(kAnchorEvery, all - start);
    sums_.resize(static_cast<std::size_t>(shot_counts() * kAnchorEvery * width));
    ClassSums(open_.View(), shots_, beta_.low, beta_.step, first + start, betas, sums_.data());
    for (std::int64_t k = 0; k < shot_counts(); ++k) {
      for (std::int64_t j = 0; j < betas; ++j) {
        contest_.Clear();
        contest_.beaten_by = static_cast<int>(ahead);
        contest_.interval.empty = ahead > 0;
        counter_.Meet(label, label_z, sums.sums[k * all + start + j], width, open_.z(),
                      sums_.data() + (k * betas + j) * width, open_.classes(), contest_);
        use(k * beta_.count + first + start + j, contest_);
      }
    }
  }
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

std::vector<std::int64_t> SampleCounter::RowsOf(std::int64_t run) const {
  const std::int64_t first = run * kAnchorEvery, last = std::min(first + kAnchorEvery, beta_.count);
  std::vector<std::int64_t> rows;
  for (std::int64_t k = 0; k < shot_counts(); ++k) {
    for (std::int64_t beta = first; beta < last; ++beta) rows.push_back(k * beta_.count + beta);
  }
  return rows;
}

void SampleCounter::RecordSteady(std::int64_t run, std::int64_t ahead) {
  if (ahead == 0) ++first_[static_cast<std::size_t>(run)];
  if (ahead < 5) ++in_top5_[static_cast<std::size_t>(run)];
}

const TaskCounts& SampleCounter::counts() {
  for (std::size_t run = 0; run < first_.size(); ++run) {
    const std::int64_t top1 = std::exchange(first_[run], 0);
    const std::int64_t top5 = std::exchange(in_top5_[run], 0);
    if (top5 == 0) continue;
    for (const std::int64_t row : RowsOf(static_cast<std::int64_t>(run))) {
      const auto step = static_cast<std::size_t>(row * (alpha_.count + 1));
      counts_.top1_steps[step] += top1;
      counts_.top5_steps[step] += top5;
      if (edges_left_ != nullptr) counts_.right_at_first[static_cast<std::size_t>(row)] += top1;
    }
  }
  return counts_;
}

}  // namespace clipsweep
