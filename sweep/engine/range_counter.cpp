#include "sweep/engine/range_counter.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "common/compute/tensors.h"
#include "sweep/kernels/dot_products.h"
#include "sweep/kernels/lead_bounds.h"

namespace clipsweep {
namespace {

constexpr std::int64_t kProductSamples = 256;                // in one product with a tile
constexpr std::int64_t kMostValues = std::int64_t{2} << 20;  // exact ones at a time

// Rows of a product as floats, or as bits of bfloat16.
struct Values {
  explicit Values(const at::Tensor& product)
      : floats(product.scalar_type() == at::kFloat ? product.const_data_ptr<float>() : nullptr),
        halves(floats != nullptr ? nullptr
                                 : reinterpret_cast<const std::uint16_t*>(
                                       product.const_data_ptr<at::BFloat16>())) {}
  const float* floats;
  const std::uint16_t* halves;
};

}  // namespace

SumsPlaces::SumsPlaces(const Workspace& space, BetaRuns wanted) {
  for (const SampleCounter& counter : space) {
    runs.push_back(counter.Clamp(wanted));
    anchors_at.push_back(length);
    sums_at.push_back(length + counter.AnchorsIn(runs.back()));
    length = sums_at.back() + counter.shot_counts() * counter.BetasIn(runs.back());
  }
}

RangeCounter::RangeCounter(GridWork& work)
    : work_(work),
      space_(work.MakeWorkspace()),
      rows_(work.cache_model(), work.queries(), work.keys()),
      place_of_class_(static_cast<std::size_t>(work.cache_model().classes)) {}

std::span<RunRivals> RangeCounter::RivalsOf(std::int64_t i, std::size_t task) {
  const auto at =
      (static_cast<std::size_t>(i) * space_.size() + task) * static_cast<std::size_t>(runs_);
  return {rivals_.data() + at, static_cast<std::size_t>(runs_)};
}

void RangeCounter::SumLabels(const SampleRange& range, const SumsPlaces& places, float* z,
                             float* sums) {
  std::vector<Rival> labels;
  for (std::int64_t i = 0; i < range.count; ++i) {
    const std::int64_t sample = range.first + i;
    labels.push_back({static_cast<std::int32_t>(sample),
                      work_.queries().labels[static_cast<std::size_t>(sample)]});
  }
  rows_.Compute(labels);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    z[i] = rows_.Z(i);
    if (!work_.held().Has(labels[i].number)) continue;
    float* row = sums + static_cast<std::int64_t>(i) * places.length;
    for (std::size_t t = 0; t < space_.size(); ++t) {
      if (places.runs[t].count() == 0) continue;
      space_[t].SumLabel(labels[i].number, rows_.Affinity(i), places.runs[t],
                         row + places.anchors_at[t], row + places.sums_at[t]);
    }
  }
}

void RangeCounter::ScreenTexts(const SampleRange& range, const LeftRows& left) {
  const std::int64_t lanes = work_.screen().lanes();
  const std::int64_t classes = work_.held().last - work_.held().first;
  z_slack_.resize(static_cast<std::size_t>(range.count));
  text_z_.assign(static_cast<std::size_t>(range.count * lanes),
                 -std::numeric_limits<float>::infinity());
  for (std::int64_t first = 0; first < range.count; first += kProductSamples) {
    const std::int64_t some = std::min(kProductSamples, range.count - first);
    const at::Tensor product = Multiply(left, first, some, work_.screen().text()).to(at::kFloat);
    const float* values = product.const_data_ptr<float>();
    const float scale = work_.cache_model().logit_scale;
    for (std::int64_t i = first; i < first + some; ++i, values += lanes) {
      const ProductBound bound = BoundOf(left, i, work_.screen().text());
      const double own = DotError(work_.cache_model().width) * work_.screen().text().longest *
                         left.longest[static_cast<std::size_t>(i)];  // of the exact z
      const auto absolute = static_cast<float>(1.01 * (bound.absolute + own));
      const auto relative = static_cast<float>(1.01 * bound.relative + 1e-6);
      float* z = text_z_.data() + i * lanes;
      float most = 0;
      for (std::int64_t c = 0; c < classes; ++c) {
        z[c] = scale * (values[c] + std::abs(values[c]) * relative + absolute);
        most = std::max(most, std::abs(values[c]));
      }
      z_slack_[static_cast<std::size_t>(i)] = 2.002f * scale * (most * relative + absolute);
    }
  }
}

void RangeCounter::MakeCurves(const SampleRange& range, const SumsPlaces& places,
                              const float* sums) {
  const std::size_t tasks = space_.size(), families = work_.families().size();
  curves_.resize(static_cast<std::size_t>(range.count) * tasks);
  family_curves_.resize(static_cast<std::size_t>(range.count) * families);
  for (std::size_t i = 0; i < static_cast<std::size_t>(range.count); ++i) {
    const float* row = sums + static_cast<std::int64_t>(i) * places.length;
    for (std::size_t t = 0; t < tasks; ++t) {
      space_[t].MakeCurves(places.Of(t, row), places.runs[t], curves_[i * tasks + t]);
    }
    for (std::size_t f = 0; f < families; ++f) {
      LabelCurves& all = family_curves_[i * families + f];
      const std::vector<std::size_t>& its = work_.families()[f].tasks;
      all = curves_[i * tasks + its.front()];
      for (const std::size_t t : its) all.TakeLeast(curves_[i * tasks + t]);
    }
  }
}

void RangeCounter::Meet(const SampleRange& range, const SumsPlaces& places, const float* z,
                        const float* sums, const Use& use) {
  runs_ = 0;
  for (const BetaRuns& runs : places.runs) runs_ = std::max(runs_, runs.count());
  rivals_.resize(static_cast<std::size_t>(range.count) * space_.size() *
                 static_cast<std::size_t>(runs_));
  for (RunRivals& some : rivals_) {
    some.ahead = 0;
    some.open.clear();
  }
  MakeCurves(range, places, sums);
  const std::int64_t width = work_.cache_model().width;
  const at::Tensor features =
      at::from_blob(const_cast<float*>(work_.queries().features.data()) + range.first * width,
                    {range.count, width}, at::kFloat);
  const LeftRows left = LeftRows::Make(features, work_.screen().kind());
  ScreenTexts(range, left);
  for (std::size_t tile = 0; tile < work_.screen().tiles().size(); ++tile) {
    ScreenTile(range, places, tile, left, z, sums);
  }
  for (std::size_t t = 0; t < space_.size(); ++t) {
    if (!space_[t].can_screen()) TakeAll(range, places, t);
  }
  ListMet(range.count);
  MeetRivals(range, places, z, sums, use);
}

void RangeCounter::ScreenTile(const SampleRange& range, const SumsPlaces& places,
                              std::size_t number, const LeftRows& left, const float* z,
                              const float* sums) {
  const Screen::Tile& tile = work_.screen().tiles()[number];
  const RightRows weights = work_.screen().WeightsOf(number);
  const double dot = DotError(work_.cache_model().width) * weights.longest;
  least_.resize(static_cast<std::size_t>(tile.groups() * kLanes));
  for (std::int64_t first = 0; first < range.count; first += kProductSamples) {
    const std::int64_t some = std::min(kProductSamples, range.count - first);
    const at::Tensor product = Multiply(left, first, some, weights);
    const Values values(product);
    for (std::int64_t i = first; i < first + some; ++i) {
      const ProductBound bound = BoundOf(left, i, weights);
      const double own = dot * left.longest[static_cast<std::size_t>(i)];
      const std::int64_t at = (i - first) * tile.columns;
      const ScreenRow row{
          tile,
          {static_cast<float>(1.001 * (bound.absolute + own)),
           static_cast<float>(1.001 * bound.relative)},
          static_cast<float>(1.01 * left.longest[static_cast<std::size_t>(i)] * weights.longest),
          z_slack_[static_cast<std::size_t>(i)],
          text_z_.data() + i * work_.screen().lanes() + tile.first_group * kLanes,
          values.floats != nullptr ? values.floats + at : nullptr,
          values.halves != nullptr ? values.halves + at : nullptr};
      ScreenSample(i, work_.queries().labels[static_cast<std::size_t>(range.first + i)], z[i],
                   places, sums + i * places.length, row);
    }
  }
}

void RangeCounter::ScreenSample(std::int64_t i, std::int64_t label, float label_z,
                                const SumsPlaces& places, const float* sums, const ScreenRow& row) {
  const std::size_t tasks = space_.size(), families = work_.families().size();
  const std::int64_t first_class = work_.held().first + row.tile.first_group * kLanes;
  for (std::size_t f = 0; f < families; ++f) {
    const TaskFamily& family = work_.families()[f];
    SampleCounter& one = space_[family.tasks.front()];
    const BetaRuns runs = places.runs[family.tasks.front()];
    if (!one.can_screen() || runs.count() == 0) continue;
    const LabelCurves& curves = family_curves_[static_cast<std::size_t>(i) * families + f];
    const PeakLabel peak{label_z,           curves.first.data(), curves.last.data(),
                         curves.sag.data(), one.shot_counts(),   runs.count()};
    const PeakGrid grid = one.GridOf(runs, family.low, family.high);
    const float* keys = family.keys.data() + row.tile.first_group * kLanes;
    if (row.floats != nullptr) {
      LeastLeads(row.floats, row.tile.View(), row.slack, row.z, keys, work_.screen().lanes(), peak,
                 grid, least_.data());
    } else {
      LeastLeads(row.halves, row.tile.View(), row.slack, row.z, keys, work_.screen().lanes(), peak,
                 grid, least_.data());
    }
    const float margin = one.margin();
    lanes_.clear();
    for (std::size_t lane = 0; lane < least_.size(); ++lane) {
      if (least_[lane] > margin || first_class + static_cast<std::int64_t>(lane) == label) continue;
      lanes_.push_back(static_cast<std::int32_t>(lane));
    }
    if (lanes_.empty()) continue;
    for (const std::size_t t : family.tasks) {
      space_[t].FindRivals(label_z, places.Of(t, sums),
                           curves_[static_cast<std::size_t>(i) * tasks + t], runs, lanes_, row,
                           RivalsOf(i, t));
    }
  }
}

// The classes that each sample meets in some task and run.
void RangeCounter::ListMet(std::int64_t count) {
  met_.resize(static_cast<std::size_t>(count));
  seen_.resize(place_of_class_.size(), 0);
  for (std::int64_t i = 0; i < count; ++i) {
    std::vector<std::int32_t>& met = met_[static_cast<std::size_t>(i)];
    met.clear();
    for (std::size_t t = 0; t < space_.size(); ++t) {
      for (RunRivals& rivals : RivalsOf(i, t)) {
        rivals.Settle();
        for (const std::int32_t c : rivals.open) {
          if (std::exchange(seen_[static_cast<std::size_t>(c)], 1) == 0) met.push_back(c);
        }
      }
    }
    for (const std::int32_t c : met) seen_[static_cast<std::size_t>(c)] = 0;
  }
}

void RangeCounter::TakeAll(const SampleRange& range, const SumsPlaces& places, std::size_t task) {
  for (std::int64_t i = 0; i < range.count; ++i) {
    const std::int64_t label = work_.queries().labels[static_cast<std::size_t>(range.first + i)];
    std::vector<std::int32_t> all;
    for (std::int64_t c = work_.held().first; c < work_.held().last; ++c) {
      if (c != label) all.push_back(static_cast<std::int32_t>(c));
    }
    for (std::int64_t run = 0; run < places.runs[task].count(); ++run) {
      RivalsOf(i, task)[static_cast<std::size_t>(run)].open = all;
    }
  }
}

void RangeCounter::MeetRivals(const SampleRange& range, const SumsPlaces& places, const float* z,
                              const float* sums, const Use& use) {
  std::vector<Rival> rivals;
  for (std::int64_t first = 0; first < range.count;) {
    rivals.clear();
    std::int64_t last = first, size = 0;
    for (; last < range.count && (last == first || size < kMostValues); ++last) {
      for (const std::int32_t c : met_[static_cast<std::size_t>(last)]) {
        rivals.push_back({static_cast<std::int32_t>(range.first + last), c});
        size += rows_.SizeOf(c);
      }
    }
    rows_.Compute(rivals);
    std::int32_t place = 0;
    for (std::int64_t i = first; i < last; ++i) {
      for (const std::int32_t c : met_[static_cast<std::size_t>(i)]) {
        place_of_class_[static_cast<std::size_t>(c)] = place++;
      }
      const std::int64_t label = work_.queries().labels[static_cast<std::size_t>(range.first + i)];
      for (std::size_t t = 0; t < space_.size(); ++t) {
        const auto its = RivalsOf(i, t);
        for (std::int64_t run = 0; run < places.runs[t].count(); ++run) {
          const RunRivals& some = its[static_cast<std::size_t>(run)];
          if (some.open.empty()) use.steady(i, t, places.runs[t].first + run, some.ahead);
        }
        space_[t].MeetRivals(label, z[i], places.Of(t, sums + i * places.length), places.runs[t],
                             its, rows_, place_of_class_, [&](std::int64_t row, Contest& contest) {
                               use.row(i, t, row, contest);
                             });
      }
    }
    first = last;
  }
}

}  // namespace clipsweep
