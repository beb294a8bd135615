#include "sweep/kernels/exact_alpha.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "common/compute/kernel_targets.h"

namespace clipsweep {
namespace {

constexpr int kTop = 5;
// Finite, so that padding, whose lead is infinite, stays above every margin.
constexpr double kMostMargin = std::numeric_limits<float>::max() / 2;

// hit[c] = 1 where the label's lead over c is not clearly positive at both ends of the alpha axis,
// its difference of sums being `first` or `last`, whichever is worse. The lead is linear in alpha,
// so a class not hit never beats the label between the ends.
CLIPSWEEP_KERNEL_TARGETS
void MarkHits(const float* __restrict z, const float* __restrict s, std::int64_t count, float zy,
              float sy, float low, float high, float margin, std::uint8_t* __restrict hit) {
  for (std::int64_t c = 0; c < count; ++c) {
    const float dz = zy - z[c], ds = sy - s[c];
    const float lead = std::min(dz + low * ds, dz + high * ds);
    hit[c] = lead <= margin ? 1 : 0;
  }
}

CLIPSWEEP_KERNEL_TARGETS
void MarkCandidates(const float* __restrict z, const float* __restrict first,
                    const float* __restrict last, std::int64_t count, float zy, float sy_first,
                    float sy_last, float low, float high, float margin,
                    std::uint8_t* __restrict hit) {
  for (std::int64_t c = 0; c < count; ++c) {
    const float dz = zy - z[c], ds = std::min(sy_first - first[c], sy_last - last[c]);
    const float lead = std::min(dz + low * ds, dz + high * ds);
    hit[c] = lead <= margin ? 1 : 0;
  }
}

template <typename Use>
void ForHits(const std::vector<std::uint8_t>& hit, std::int64_t count, const Use& use) {
  for (std::int64_t at = 0; at < count; at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, hit.data() + at, 8);
    for (std::int64_t i = at; word != 0; ++i, word >>= 8) {
      if ((word & 0xff) != 0) use(i);
    }
  }
}

}  // namespace

Edge Edge::FromCode(std::int64_t code) {
  Edge edge;
  edge.code_ = code;
  return edge;
}

double Edge::value() const {
  std::int64_t code = code_ & ~std::int64_t{1};
  if (code < 0) code = std::numeric_limits<std::int64_t>::min() - code;
  return std::bit_cast<double>(code);
}

float LeadMargin(const Axis& alpha, const Reach& most) {
  const double reach = std::max(std::abs(alpha.At(0)), std::abs(alpha.At(alpha.count - 1)));
  // Four roundings of z at most. Of the two classes' sums those at the anchors and those that count
  // are each good to 4 parts in a million, and to 3e-7 of the exponent, which is rounded itself.
  const double margin = 4e-6 * most.z + reach * most.sum * (1.6e-5 + 1.2e-6 * most.exponent);
  return static_cast<float>(std::min(margin, kMostMargin));
}

AlphaCounter::AlphaCounter(const Axis& alpha, const Reach& most)
    : alphas_(alpha.Values()),
      low_(static_cast<float>(alphas_.front())),
      high_(static_cast<float>(alphas_.back())),
      margin_(LeadMargin(alpha, most)) {}

void AlphaCounter::FindCandidates(const LabelCurve& label, std::int64_t padded, const float* z,
                                  const float* first_s, const float* last_s,
                                  std::vector<std::int32_t>& found) {
  hit_.resize(std::max(hit_.size(), static_cast<std::size_t>(padded)));
  // The bound holds for alpha of one sign; the rare other axes keep every class.
  const auto most = static_cast<float>(kMostMargin);
  const float margin = low_ >= 0 ? std::min(margin_ + high_ * label.sag, most) : most;
  MarkCandidates(z, first_s, last_s, padded, label.z, label.first_s, label.last_s, low_, high_,
                 margin, hit_.data());
  ForHits(hit_, padded, [&](std::int64_t c) { found.push_back(static_cast<std::int32_t>(c)); });
}

void AlphaInterval::Cut(const Edge& edge, bool before) {
  if (before) {
    to = whole_right ? edge : std::min(to, edge);
    whole_right = false;
  } else {
    from = whole_left ? edge : std::max(from, edge);
    whole_left = false;
  }
  empty |= !whole_left && !whole_right && from >= to;
}

void Contest::Join(const Contest& other) {
  beaten_by += other.beaten_by;
  events.insert(events.end(), other.events.begin(), other.events.end());
  interval.empty |= other.interval.empty;
  if (!other.interval.whole_left) interval.Cut(other.interval.from, false);
  if (!other.interval.whole_right) interval.Cut(other.interval.to, true);
}

void AlphaCounter::Meet(std::int64_t label, float label_z, float label_s, std::int64_t padded,
                        const float* z, const float* s, const std::int32_t* classes,
                        Contest& contest) {
  hit_.resize(std::max(hit_.size(), static_cast<std::size_t>(padded)));
  MarkHits(z, s, padded, label_z, label_s, low_, high_, margin_, hit_.data());
  const auto n = static_cast<std::int64_t>(alphas_.size());
  ForHits(hit_, padded, [&](std::int64_t i) {
    const Meeting meeting =
        MeetClass(static_cast<double>(label_z) - z[i], static_cast<double>(label_s) - s[i],
                  alphas_.data(), n, classes[i] < label);
    contest.beaten_by += meeting.ahead_at_first ? 1 : 0;
    if (!meeting.crosses) {
      contest.interval.empty |= meeting.ahead_at_first;
      return;
    }
    contest.events.push_back({meeting.at, meeting.ahead_at_first ? -1 : 1});
    contest.interval.Cut(Edge::FromCode(meeting.edge), /*before=*/!meeting.ahead_at_first);
  });
}

void AlphaCounter::Count(Contest& contest, std::int64_t* top1_steps, std::int64_t* top5_steps) {
  auto& events = contest.events;
  std::sort(events.begin(), events.end(),
            [](const Contest::Event& a, const Contest::Event& b) { return a.at < b.at; });
  int beaten_by = contest.beaten_by;
  bool top1 = false, top5 = false;
  const auto record = [&](std::int64_t j) {
    const bool is1 = beaten_by == 0, is5 = beaten_by < kTop;
    if (is1 != top1) top1_steps[j] += is1 ? 1 : -1;
    if (is5 != top5) top5_steps[j] += is5 ? 1 : -1;
    top1 = is1;
    top5 = is5;
  };
  record(0);
  for (std::size_t i = 0; i < events.size(); ++i) {
    beaten_by += events[i].change;
    const bool last_here = i + 1 == events.size() || events[i + 1].at != events[i].at;
    if (last_here) record(events[i].at);
  }
}

ExactAlpha BestOverReals(const Axis& alpha, std::int64_t right_at_first,
                         std::vector<std::int64_t>& from, std::vector<std::int64_t>& to,
                         double least_width) {
  std::sort(from.begin(), from.end());
  std::sort(to.begin(), to.end());
  const double first = alpha.At(0), last = alpha.At(alpha.count - 1);
  ExactAlpha best{-1, first, first};
  std::int64_t right = right_at_first;
  double start = first;
  const auto end_stretch = [&](double end) {
    if (end - start <= least_width) return;
    const bool wider = right == best.top1 && end - start > best.high - best.low;
    if (right > best.top1 || wider) best = {right, start, end};
  };
  std::size_t f = 0, t = 0;
  while (f < from.size() || t < to.size()) {
    const std::int64_t code =
        t == to.size() || (f < from.size() && from[f] < to[t]) ? from[f] : to[t];
    std::int64_t change = 0;
    for (; f < from.size() && from[f] == code; ++f) ++change;
    for (; t < to.size() && to[t] == code; ++t) --change;
    if (change == 0) continue;
    const double at = Edge::FromCode(code).value();
    end_stretch(at);
    right += change;
    start = at;
  }
  end_stretch(last);
  return best;
}

void SumSteps(std::span<std::int64_t> steps) {
  for (std::size_t j = 1; j < steps.size(); ++j) steps[j] += steps[j - 1];
}

}  // namespace clipsweep
