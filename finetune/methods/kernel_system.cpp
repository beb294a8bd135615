#include "finetune/methods/kernel_system.h"

#include <algorithm>
#include <vector>

#include "common/compute/products.h"
#include "common/compute/tensors.h"
#include "common/compute/workers.h"
#include "common/process/error.h"
#include "common/process/liveness.h"

namespace clipsweep {
namespace {

constexpr std::int64_t kTileRows = 512;  // rows of a tile
constexpr std::int64_t kColumns = 128;   // of the right side that one item solves for

class BlockedSystem {
 public:
  BlockedSystem(const at::Tensor& keys, double beta, double lambda, int workers)
      : count_(keys.size(0)),
        tiles_((count_ + kTileRows - 1) / kTileRows),
        pool_(workers, WorkerPool::Signals::kIgnore),
        matrix_(at::empty({count_, count_})) {
    ForLowerTiles(0, [&](std::int64_t i, std::int64_t j) {
      at::Tensor tile = TimesTransposed(Rows(keys, i), Rows(keys, j), beta, -beta).exp_();
      tile.div_(lambda);
      if (i == j) tile.diagonal().add_(1.0);
      At(i, j).copy_(tile);
    });
  }

  // In place: the lower tiles become L of matrix = L L^T.
  void Factor() {
    for (std::int64_t k = 0; k < tiles_; ++k) {
      pool_.Run(1, [&](std::int64_t, int) {
        const auto [factor, info] = at::linalg_cholesky_ex(At(k, k).contiguous());
        if (info.item<int>() != 0) {
          throw InputError(
              "the kernel system is not positive definite in float32; choose a larger lambda");
        }
        At(k, k).copy_(factor);
      });
      const at::Tensor diagonal = At(k, k).contiguous();
      pool_.Run(tiles_ - k - 1, [&](std::int64_t item, int) {  // L_ik = M_ik L_kk^-T
        const std::int64_t i = k + 1 + item;
        const at::Tensor rows = At(i, k).contiguous();
        At(i, k).copy_(at::linalg_solve_triangular(diagonal, rows.t(), /*upper=*/false).t());
        MadeProgress();
      });
      ForLowerTiles(k + 1, [&](std::int64_t i, std::int64_t j) {
        At(i, j).sub_(TimesTransposed(At(i, k).contiguous(), At(j, k).contiguous()));
      });
    }
  }

  // L L^T A = right.
  at::Tensor Solve(const at::Tensor& right) {
    at::Tensor solved = at::empty_like(right);
    const std::int64_t chunks = (right.size(1) + kColumns - 1) / kColumns;
    pool_.Run(chunks, [&](std::int64_t chunk, int) {
      const std::int64_t first = chunk * kColumns;
      const std::int64_t columns = std::min(kColumns, right.size(1) - first);
      at::Tensor a = right.narrow(1, first, columns).contiguous();
      for (std::int64_t i = 0; i < tiles_; ++i) {  // L y = right
        at::Tensor part = Rows(a, i);
        for (std::int64_t j = 0; j < i; ++j) part.sub_(at::mm(At(i, j), Rows(a, j)));
        part.copy_(at::linalg_solve_triangular(At(i, i), part, /*upper=*/false));
        MadeProgress();
      }
      for (std::int64_t i = tiles_ - 1; i >= 0; --i) {  // L^T A = y
        at::Tensor part = Rows(a, i);
        for (std::int64_t j = i + 1; j < tiles_; ++j) part.sub_(at::mm(At(j, i).t(), Rows(a, j)));
        part.copy_(at::linalg_solve_triangular(At(i, i).t(), part, /*upper=*/true));
        MadeProgress();
      }
      solved.narrow(1, first, columns).copy_(a);
    });
    return solved;
  }

 private:
  std::int64_t SizeOf(std::int64_t tile) const {
    return std::min(kTileRows, count_ - tile * kTileRows);
  }
  at::Tensor Rows(const at::Tensor& all, std::int64_t tile) const {
    return all.narrow(0, tile * kTileRows, SizeOf(tile));
  }
  at::Tensor At(std::int64_t i, std::int64_t j) const {
    return Rows(matrix_, i).narrow(1, j * kTileRows, SizeOf(j));
  }
  template <typename Work>
  void ForLowerTiles(std::int64_t first, const Work& work) {
    std::vector<std::pair<std::int64_t, std::int64_t>> places;
    for (std::int64_t i = first; i < tiles_; ++i) {
      for (std::int64_t j = first; j <= i; ++j) places.emplace_back(i, j);
    }
    pool_.Run(static_cast<std::int64_t>(places.size()), [&](std::int64_t item, int) {
      work(places[static_cast<std::size_t>(item)].first,
           places[static_cast<std::size_t>(item)].second);
      MadeProgress();
    });
  }

  const std::int64_t count_, tiles_;
  WorkerPool pool_;
  at::Tensor matrix_;  // [K, K], lower tiles
};

}  // namespace

double KernelSystemBytes(std::int64_t keys, std::int64_t classes) {
  const auto k = static_cast<double>(keys), c = static_cast<double>(classes);
  return 4 * (k * k + 3 * k * c);
}

at::Tensor SolveKernelSystem(const at::Tensor& keys, double beta, double lambda,
                             const at::Tensor& right, int workers) {
  BlockedSystem system(keys, beta, lambda, workers);
  system.Factor();
  return system.Solve(right);
}

}  // namespace clipsweep
