#include "sweep/math/zero_shot.h"

#include <algorithm>

#include "common/compute/tensors.h"
#include "common/compute/workers.h"
#include "sweep/math/affinity.h"

namespace clipsweep {

TopCounts CountZeroShot(const CacheModel& cache_model, const Queries& queries,
                        const Compute& compute, Comm& comm) {
  const std::int64_t samples = BlockSamples(cache_model.classes);
  const auto items = ItemsOfRank(BlocksOf(queries.count(), samples), comm);
  std::vector<TopCounts> parts(items.size());
  Agree(comm, [&] {
    WorkerPool(compute.workers)
        .Run(static_cast<std::int64_t>(items.size()), [&](std::int64_t i, int) {
          const std::int64_t first = items[static_cast<std::size_t>(i)] * samples;
          const std::int64_t count = std::min(samples, queries.count() - first);
          const at::Tensor z = ZeroShotLogits(cache_model, queries, first, count);
          for (std::int64_t n = 0; n < count; ++n) {
            const float* row = z.const_data_ptr<float>() + n * cache_model.classes;
            const std::int64_t y = queries.labels[static_cast<std::size_t>(first + n)];
            int beaten_by = 0;
            for (std::int64_t c = 0; c < cache_model.classes; ++c) {
              beaten_by += row[c] > row[y] || (row[c] == row[y] && c < y) ? 1 : 0;
            }
            parts[static_cast<std::size_t>(i)].top1 += beaten_by == 0 ? 1 : 0;
            parts[static_cast<std::size_t>(i)].top5 += beaten_by < 5 ? 1 : 0;
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
