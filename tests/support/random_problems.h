// Random problems of every kind an engine must count right: stretched keys, any spacing of beta,
// alpha of either sign, ties, text that is not of unit length, classes with few keys or none.
#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "common/data/subsets.h"
#include "sweep/math/reference.h"
#include "tests/support/problems.h"

namespace clipsweep::testing {

struct RandomProblem {
  SmallProblem small;
  GridTask task;
  // Every product is a multiple of a power of two, so float32 holds it exactly: only the kernel's
  // exponentials are rounded, and ties are ties.
  bool dyadic = true;
  std::string what;  // for messages
};

class ProblemMaker {
 public:
  explicit ProblemMaker(std::uint64_t seed) : random_(seed, 0x70726f62, 0), seed_(seed) {}

  RandomProblem Make() {
    out_.dyadic = random_.Below(3) != 0;
    width_ = out_.dyadic ? 16 : 5 + Below(20);
    const std::int64_t classes = Pick<std::int64_t>({1, 2, 3, 6, 7, 15, 16, 17, 20, 33, 40});
    stretch_ = Pick<double>({1, 1, 1.25, 1.5, 2, 3});
    CacheModel& p = out_.small.cache_model;
    p.width = width_;
    p.classes = classes;
    p.longest_key = stretch_;
    MakeClasses(classes);
    MakeSamples(8 + Below(16));
    MakeTask();
    const Axis &a = out_.task.alpha, &b = out_.task.beta;
    out_.what = fmt::format(
        "cache_model {}: {}, {} classes, keys up to {}, alpha {} + i {} ({}), beta {} + i {} ({})",
        seed_, out_.dyadic ? "dyadic" : "real", classes, stretch_, a.low, a.step, a.count, b.low,
        b.step, b.count);
    return std::move(out_);
  }

 private:
  using Row = std::vector<float>;
  std::int64_t Below(std::int64_t bound) {
    return static_cast<std::int64_t>(random_.Below(static_cast<std::uint64_t>(bound)));
  }
  double Unit() { return static_cast<double>(random_.Next() >> 11) * 0x1.0p-53; }
  double Power(double low, double high) { return std::pow(10, low + (high - low) * Unit()); }
  template <typename T>
  T Pick(const std::vector<T>& from) {
    return from[static_cast<std::size_t>(Below(static_cast<std::int64_t>(from.size())))];
  }

  Row Centre() {
    Row row;
    for (std::int64_t d = 0; d < width_; ++d) {
      row.push_back(out_.dyadic ? (Below(2) == 0 ? 0.25f : -0.25f) : Noise(random_));
    }
    return row;
  }

  // A row of length `length` near another: some signs turned, or noise added.
  Row Near(Row row, double length) {
    if (out_.dyadic) {
      for (std::int64_t flips = Below(4); flips > 0; --flips) {
        float& value = row[static_cast<std::size_t>(Below(width_))];
        value = -value;
      }
    } else {
      for (float& value : row) value += 0.7f * Noise(random_);
      NormalizeRows(row, width_);
    }
    for (float& value : row) value *= static_cast<float>(length);
    return row;
  }
  double KeyLength() {
    if (stretch_ == 1 || Below(3) == 0) return stretch_;
    return Pick<double>({0.5, 1, stretch_});
  }

  void MakeClasses(std::int64_t classes) {
    std::vector<std::vector<Row>> keys;
    std::vector<Row> texts;
    const std::int64_t most = 1 + Below(5);
    for (std::int64_t c = 0; c < classes; ++c) {
      centres_.push_back(Centre());
      texts.push_back(Near(centres_.back(), Pick<double>({1, 1, 1, 0.5, 1.25, 4})));
      keys.emplace_back();
      for (std::int64_t k = Below(most + 1); k > 0; --k) {
        const bool again = !keys.back().empty() && Below(4) == 0;  // a duplicate key
        keys.back().push_back(again ? keys.back().front() : Near(centres_.back(), KeyLength()));
      }
      if (c > 0 && Below(5) == 0) {  // a duplicate class: its text, its keys or both
        const auto other = static_cast<std::size_t>(Below(c));
        const std::int64_t kind = Below(3);
        if (kind != 1) texts.back() = texts[other];
        if (kind != 0) keys.back() = keys[other];
      }
    }
    if (std::all_of(keys.begin(), keys.end(), [](const auto& k) { return k.empty(); })) {
      keys.front().push_back(Near(centres_.front(), stretch_));
    }
    std::vector<std::int32_t> order;  // the cache's rows, classes mixed
    for (std::size_t c = 0; c < keys.size(); ++c) {
      order.insert(order.end(), keys[c].size(), static_cast<std::int32_t>(c));
    }
    if (Below(2) == 0) random_.Shuffle(order);
    CacheModel& p = out_.small.cache_model;
    auto& rows = out_.small.rows_by_class;
    rows.resize(keys.size());
    for (const std::int32_t c : order) {
      auto& of_class = rows[static_cast<std::size_t>(c)];
      const Row& key = keys[static_cast<std::size_t>(c)][of_class.size()];
      of_class.push_back(static_cast<std::int64_t>(p.key_labels.size()));
      p.key_labels.push_back(c);
      p.keys.insert(p.keys.end(), key.begin(), key.end());
    }
    for (const Row& text : texts) p.text.insert(p.text.end(), text.begin(), text.end());
  }

  void MakeSamples(std::int64_t samples) {
    for (std::int64_t i = 0; i < samples; ++i) {
      const std::int64_t c = Below(out_.small.cache_model.classes);
      const Row f = Near(centres_[static_cast<std::size_t>(c)], 1);
      out_.small.queries.features.insert(out_.small.queries.features.end(), f.begin(), f.end());
      out_.small.queries.labels.push_back(static_cast<std::int32_t>(c));
    }
  }

  void MakeTask() {
    GridTask& task = out_.task;
    task.rows_by_class =
        Below(2) == 0 ? out_.small.rows_by_class : ShuffleRows(out_.small.rows_by_class, seed_);
    for (std::int64_t shots = 1 + Below(2); shots < 9; shots += 1 + Below(4)) {
      if (task.shots.size() < 3) task.shots.push_back(shots);  // also more than a class has
    }
    task.exact_alpha = Below(2) == 0;
    const std::int64_t alphas = Pick<std::int64_t>({1, 2, 5, 20});
    const double step = Power(-2, 1.2);
    const double low = Pick<double>({0, 0, step, 0.3, -step * static_cast<double>(alphas) / 2,
                                     -step * static_cast<double>(alphas + 1)});
    task.alpha = alphas == 1 ? Axis::Point(low) : Axis{low, step, alphas};
    MakeBetas();
  }

  // Of keys longer than 1 the end of the axis says how large kernel values become: mostly so that
  // they do not dwarf the text, at times up to the 1e30 that the program allows.
  void MakeBetas() {
    const std::int64_t betas =
        Pick<std::int64_t>({1, 2, 2, 2, 3, 3, 4, 5, 15, 16, 17, 18, 31, 32, 33, 47, 48, 100});
    Axis& axis = out_.task.beta;
    axis = {Pick<double>({0, 0.5, 1, 5}), Power(-3, 1.7), betas};
    if (stretch_ > 1) {
      const double exponent = Pick<double>({3 * Unit(), 12 * Unit(), 12 * Unit(), 69 * Unit()});
      const double last = exponent / (stretch_ - 1);
      axis.low = std::min(axis.low, last);
      if (betas > 1) axis.step = std::max(1e-4, (last - axis.low) / static_cast<double>(betas - 1));
    }
    if (betas == 1 && Below(2) == 0) axis.step = 0;  // else of an axis "low:high:step" of one value
  }

  Random random_;
  const std::uint64_t seed_;
  std::int64_t width_ = 0;
  double stretch_ = 1;
  std::vector<Row> centres_;
  RandomProblem out_;
};

inline RandomProblem MakeRandomProblem(std::uint64_t seed) { return ProblemMaker(seed).Make(); }

// What float32 may count: between `least` and `most` at every point. They differ only where some
// class's distance from the label is within what float32 may get wrong: an open decision.
struct CountRange {
  GridCounts least, most;
  std::int64_t decisions = 0, open = 0;  // (sample, point), in all and with an open class
};

inline CountRange RangeOfCounts(const RandomProblem& random) {
  const CacheModel& p = random.small.cache_model;
  const GridTask& task = random.task;
  const auto betas = task.beta.Values(), alphas = task.alpha.Values();
  const std::size_t points = task.shots.size() * betas.size() * alphas.size();
  CountRange range;
  for (GridCounts* counts : {&range.least, &range.most}) {
    counts->top1.assign(points, 0);
    counts->top5.assign(points, 0);
  }
  const auto classes = static_cast<std::size_t>(p.classes);
  const double width = static_cast<double>(p.width);
  std::vector<double> s(classes), error(classes), z_error(classes, 0);
  for (std::int64_t i = 0; i < random.small.queries.count(); ++i) {
    const float* f = random.small.queries.features.data() + i * p.width;
    const auto y =
        static_cast<std::size_t>(random.small.queries.labels[static_cast<std::size_t>(i)]);
    const std::vector<double> z = ReferenceZ(p, f);
    std::vector<std::vector<double>> distance(classes), length(classes);
    for (std::size_t c = 0; c < classes; ++c) {
      const float* w = p.text.data() + static_cast<std::int64_t>(c) * p.width;
      if (!random.dyadic) z_error[c] = 100 * std::sqrt(Dot(w, w, p.width)) * width * 1.2e-7;
      for (const std::int64_t row : UsedOf(task, task.rows_by_class[c])) {
        const float* key = p.Key(row);
        distance[c].push_back(1 - Dot(f, key, p.width));
        length[c].push_back(std::sqrt(Dot(key, key, p.width)));
      }
    }
    std::size_t point = 0;
    for (const std::int64_t shots : task.shots) {
      const auto used = [&](std::size_t c) {
        return std::min(distance[c].size(), static_cast<std::size_t>(shots));
      };
      // Equal to the last bit whatever is rounded: the same numbers, added in the same order.
      std::vector<bool> same(classes, false);
      for (std::size_t c = 0; random.dyadic && c < classes; ++c) {
        same[c] = z[c] == z[y] && std::equal(distance[c].begin(), distance[c].begin() + used(c),
                                             distance[y].begin(), distance[y].begin() + used(y));
      }
      for (const double beta : betas) {
        for (std::size_t c = 0; c < classes; ++c) {
          s[c] = error[c] = 0;
          for (std::size_t k = 0; k < used(c); ++k) {
            const double x = -beta * distance[c][k], e = std::exp(x);
            const double of_product =
                random.dyadic ? 0 : beta * (length[c][k] * width * 6e-8 + 2.4e-7);
            s[c] += e;
            error[c] += e * (5e-6 + 3e-7 * std::abs(x) + std::expm1(of_product)) + 2e-38;
          }
        }
        for (const double alpha : alphas) {
          int surely = 0, maybe = 0;
          for (std::size_t c = 0; c < classes; ++c) {
            if (c == y) continue;
            const double lead = (z[y] - z[c]) + alpha * (s[y] - s[c]);
            const double bound = z_error[y] + z_error[c] + std::abs(alpha) * (error[y] + error[c]);
            if (same[c] || (lead == 0 && bound == 0)) {
              surely += c < y ? 1 : 0;
            } else if (std::abs(lead) <= bound) {
              ++maybe;
            } else {
              surely += lead < 0 ? 1 : 0;
            }
          }
          range.least.top1[point] += surely + maybe == 0;
          range.most.top1[point] += surely == 0;
          range.least.top5[point] += surely + maybe < 5;
          range.most.top5[point] += surely < 5;
          ++range.decisions;
          range.open += maybe > 0;
          ++point;
        }
      }
    }
  }
  return range;
}

}  // namespace clipsweep::testing
