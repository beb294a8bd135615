#include "sweep/exact_alpha.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "common/kernel_targets.h"

namespace clipsweep {
namespace {

constexpr int kTop = 5;

// hit[c] = 1 where the label's lead over c is not clearly positive at both ends of the axis. The
// lead is linear in alpha, so a class not hit never beats the label between them. `margin` covers
// float rounding.
CLIPSWEEP_KERNEL_TARGETS
void MarkHits(const float* __restrict z, const float* __restrict s, std::int64_t count, float zy,
              float sy, float low, float high, float margin, std::uint8_t* __restrict hit) {
  for (std::int64_t c = 0; c < count; ++c) {
    const float dz = zy - z[c], ds = sy - s[c];
    const float lead = std::min(dz + low * ds, dz + high * ds);
    hit[c] = lead <= margin ? 1 : 0;
  }
}

// First index in [0, n] from which on predicate(j) differs from predicate(0), which is monotone in
// j.
template <typename Predicate>
std::int64_t Border(std::int64_t guess, std::int64_t n, bool at_start, const Predicate& predicate) {
  std::int64_t j = std::clamp<std::int64_t>(guess, 1, n);
  while (j > 1 && predicate(j - 1) != at_start) --j;
  while (j < n && predicate(j) == at_start) ++j;
  return j;
}

}  // namespace

AlphaCounter::AlphaCounter(const Axis& alpha, std::int64_t classes, std::int64_t padded,
                           double most_sum)
    : alphas_(alpha.Values()),
      classes_(classes),
      padded_(padded),
      low_(static_cast<float>(alphas_.front())),
      high_(static_cast<float>(alphas_.back())),
      slack_sum_(static_cast<float>(2.0 * alphas_.back() * most_sum)),
      hit_(static_cast<std::size_t>((padded + 7) / 8 * 8), 0) {}

void AlphaCounter::FindCandidates(const float* z, const float* s, std::int64_t label) {
  const float margin = 1e-6f * (400.0f + slack_sum_);  // |z| <= 100, four roundings at most
  MarkHits(z, s, padded_, z[label], s[label], low_, high_, margin, hit_.data());
  hit_[static_cast<std::size_t>(label)] = 0;
  candidates_.clear();
  for (std::size_t at = 0; at < hit_.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, hit_.data() + at, 8);
    if (word == 0) continue;
    for (std::size_t i = at; i < at + 8; ++i) {
      if (hit_[i] != 0) candidates_.push_back(static_cast<std::int32_t>(i));
    }
  }
}

void AlphaCounter::Add(const float* z, const float* s, std::int64_t label, std::int64_t* top1_steps,
                       std::int64_t* top5_steps) {
  FindCandidates(z, s, label);
  const auto n = static_cast<std::int64_t>(alphas_.size());
  int beaten_by = 0;  // at the first alpha
  events_.clear();
  for (std::int32_t c : candidates_) {
    const double dz = static_cast<double>(z[label]) - z[c];
    const double ds = static_cast<double>(s[label]) - s[c];
    const auto beats = [&](std::int64_t j) {
      return Beats(dz, ds, alphas_[static_cast<std::size_t>(j)], c < label);
    };
    const bool at_start = beats(0), at_end = beats(n - 1);
    beaten_by += at_start ? 1 : 0;
    if (at_start == at_end) continue;
    // alphas_ are equally spaced: the crossing -dz / ds lies near this index.
    const double step = alphas_[1] - alphas_[0];
    const double guess = std::clamp((-dz / ds - alphas_[0]) / step, 0.0, static_cast<double>(n));
    events_.push_back(
        {Border(static_cast<std::int64_t>(guess), n, at_start, beats), at_start ? -1 : 1});
  }
  std::sort(events_.begin(), events_.end(),
            [](const Event& a, const Event& b) { return a.at < b.at; });
  bool top1 = false, top5 = false;
  const auto record = [&](std::int64_t j) {
    const bool is1 = beaten_by == 0, is5 = beaten_by < kTop;
    if (is1 != top1) top1_steps[j] += is1 ? 1 : -1;
    if (is5 != top5) top5_steps[j] += is5 ? 1 : -1;
    top1 = is1;
    top5 = is5;
  };
  record(0);
  for (std::size_t i = 0; i < events_.size(); ++i) {
    beaten_by += events_[i].change;
    const bool last_here = i + 1 == events_.size() || events_[i + 1].at != events_[i].at;
    if (last_here) record(events_[i].at);
  }
}

void SumSteps(std::span<std::int64_t> steps) {
  for (std::size_t j = 1; j < steps.size(); ++j) steps[j] += steps[j - 1];
}

}  // namespace clipsweep
