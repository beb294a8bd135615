#include "sweep/engine/zero_shot.h"

#include <algorithm>
#include <cmath>

#include "common/compute/bounded_product.h"
#include "common/compute/tensors.h"
#include "common/compute/workers.h"
#include "sweep/kernels/dot_products.h"

namespace clipsweep {
namespace {

constexpr std::int64_t kSamples = 256;  // in one product

at::Tensor Rows(const std::vector<float>& rows, std::int64_t first, std::int64_t count,
                std::int64_t width) {
  return at::from_blob(const_cast<float*>(rows.data()) + first * width, {count, width}, at::kFloat);
}

// How many classes are ahead of the label of a sample. `rounded` [C]: its cosines within `bound`;
// only those that this leaves open are computed exactly.
std::int64_t ClassesAhead(const CacheModel& model, const float* feature, std::int64_t label,
                          const float* rounded, const ProductBound& bound) {
  const std::int64_t width = model.width;
  const float* label_row = model.text.data() + label * width;
  float own = 0;
  DotProducts({&feature, 1}, {&label_row, 1}, width, &own);
  std::int64_t ahead = 0;
  for (std::int64_t c = 0; c < model.classes; ++c) {
    if (c == label) continue;
    const double slack = bound.absolute + bound.relative * std::abs(rounded[c]);
    const double lead = static_cast<double>(own) - rounded[c];
    if (lead > slack) continue;
    if (lead < -slack) {
      ++ahead;
      continue;
    }
    const float* row = model.text.data() + c * width;
    float exact = 0;
    DotProducts({&feature, 1}, {&row, 1}, width, &exact);
    ahead += exact > own || (exact == own && c < label) ? 1 : 0;
  }
  return ahead;
}

}  // namespace

TopCounts CountZeroShot(const CacheModel& cache_model, const Queries& queries,
                        const Compute& compute, Comm& comm) {
  const std::int64_t width = cache_model.width, samples = queries.count();
  const auto items = ItemsOfRank((samples + kSamples - 1) / kSamples, comm);
  std::vector<TopCounts> parts(items.size());
  Agree(comm, [&] {
    const ProductKind kind = FastestProduct(width);
    const RightRows text =
        RightRows::Make(Rows(cache_model.text, 0, cache_model.classes, width), kind);
    const double own_error = DotError(width) * text.longest;
    WorkerPool(compute.workers)
        .Run(static_cast<std::int64_t>(items.size()), [&](std::int64_t i, int) {
          const std::int64_t first = items[static_cast<std::size_t>(i)] * kSamples;
          const std::int64_t count = std::min(kSamples, samples - first);
          const LeftRows left = LeftRows::Make(Rows(queries.features, first, count, width), kind);
          const at::Tensor rounded = Multiply(left, 0, count, text).to(at::kFloat);
          TopCounts& part = parts[static_cast<std::size_t>(i)];
          for (std::int64_t n = 0; n < count; ++n) {
            ProductBound bound = BoundOf(left, n, text);
            bound.absolute += 2 * own_error * left.longest[static_cast<std::size_t>(n)];
            const std::int64_t ahead =
                ClassesAhead(cache_model, queries.features.data() + (first + n) * width,
                             queries.labels[static_cast<std::size_t>(first + n)],
                             rounded.const_data_ptr<float>() + n * cache_model.classes, bound);
            part.top1 += ahead == 0 ? 1 : 0;
            part.top5 += ahead < 5 ? 1 : 0;
          }
        });
  });
  std::int64_t counts[2] = {0, 0};
  for (const TopCounts& part : parts) {
    counts[0] += part.top1;
    counts[1] += part.top5;
  }
  comm.SumInt64(counts);
  return {counts[0], counts[1]};
}

}  // namespace clipsweep
