#include "common/compute/bounded_product.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>

#include "common/compute/kernel_targets.h"
#include "common/compute/lanes.h"
#include "common/compute/onednn.h"
#include "common/compute/tensors.h"

namespace clipsweep {
namespace {

constexpr double kHalfUlp = 0x1p-24;       // of float32, relative
constexpr double kHalfUlpBfloat = 0x1p-8;  // of bfloat16, which has 8 bits
constexpr double kTinyBfloat = 0x1p-120;   // and what is lost below its normal numbers
constexpr double kRoundUp = 1 + 1e-5;      // lengths are sums in float32 themselves

// A row's length, and that of what rounding to bfloat16 takes from it; `rounded` gets the upper
// halves of the bits, unless it is nullptr.
struct RowLengths {
  double whole = 0, residual = 0;
};

CLIPSWEEP_KERNEL_TARGETS
RowLengths MeasureRow(const float* row, std::int64_t width, std::uint16_t* rounded) {
  Lanes whole{}, residual{};
  for (std::int64_t d = 0; d < width; d += 16) {
    float part[16] = {};
    const auto some = static_cast<std::size_t>(std::min<std::int64_t>(16, width - d));
    std::memcpy(part, row + d, some * sizeof(float));
    const Lanes x = LoadLanes(part);
    whole += x * x;
    if (rounded == nullptr) continue;
    std::uint16_t halves[16];
    RoundLanes(x, halves);
    const Lanes lost = x - LoadLanes(halves);
    residual += lost * lost;
    std::memcpy(rounded + d, halves, some * sizeof(std::uint16_t));
  }
  RowLengths lengths;
  for (int i = 0; i < 16; ++i) {
    lengths.whole += whole[i];
    lengths.residual += residual[i];
  }
  return {std::sqrt(lengths.whole) * kRoundUp, std::sqrt(lengths.residual) * kRoundUp};
}

// The same where squares leave float32: slow and rare.
RowLengths MeasureInDouble(const float* row, std::int64_t width, const std::uint16_t* rounded) {
  RowLengths squares;
  for (std::int64_t d = 0; d < width; ++d) {
    const double x = row[d];
    squares.whole += x * x;
    if (rounded == nullptr) continue;
    const double lost = x - std::bit_cast<float>(std::uint32_t{rounded[d]} << 16);
    squares.residual += lost * lost;
  }
  return {std::sqrt(squares.whole) * kRoundUp, std::sqrt(squares.residual) * kRoundUp};
}

// Rows [n, D] as the product takes them, and their lengths: rounded rows are no longer than whole +
// residual.
at::Tensor RoundRows(const at::Tensor& rows, ProductKind kind, std::vector<RowLengths>& lengths) {
  const bool rounds = kind == ProductKind::kBfloat16;
  const std::int64_t count = rows.size(0), width = rows.size(1);
  const at::Tensor rounded = rounds ? at::empty({count, width}, at::kBFloat16) : rows;
  auto* halves =
      rounds ? reinterpret_cast<std::uint16_t*>(rounded.mutable_data_ptr<at::BFloat16>()) : nullptr;
  for (std::int64_t i = 0; i < count; ++i) {
    const float* row = rows.const_data_ptr<float>() + i * width;
    std::uint16_t* its = rounds ? halves + i * width : nullptr;
    RowLengths length = MeasureRow(row, width, its);
    if (!(length.whole > 1e-9 && length.whole < 1e15)) length = MeasureInDouble(row, width, its);
    lengths.push_back(length);
  }
  return rounded;
}

double SecondsOf(ProductKind kind, const at::Tensor& left, const at::Tensor& right) {
  const RightRows weights = RightRows::Make(right, kind);
  const LeftRows rows = LeftRows::Make(left, kind);
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 4; ++i) {  // the first one warms up
    const auto started = std::chrono::steady_clock::now();
    Multiply(rows, 0, left.size(0), weights);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
    if (i > 0) best = std::min(best, took.count());
  }
  return best;
}

ProductKind MeasureFastest(std::int64_t width) {
  const at::Tensor left = at::ones({128, width}), right = at::ones({512, width});
  ProductKind fastest = ProductKind::kFloat;
  double least = SecondsOf(fastest, left, right);
  for (const ProductKind kind : {ProductKind::kPackedFloat, ProductKind::kBfloat16}) {
    if (!HasProduct(kind)) continue;
    const double seconds = SecondsOf(kind, left, right);
    if (seconds < least) fastest = kind;
    least = std::min(least, seconds);
  }
  return fastest;
}

}  // namespace

bool HasProduct(ProductKind kind) {
  return kind == ProductKind::kFloat ||
         onednn::Has(kind == ProductKind::kBfloat16 ? at::kBFloat16 : at::kFloat);
}

ProductKind FastestProduct(std::int64_t width) {
  static const ProductKind fastest = MeasureFastest(std::clamp<std::int64_t>(width, 64, 2048));
  return fastest;
}

RightRows RightRows::Make(const at::Tensor& rows, ProductKind kind) {
  RightRows right;
  right.kind = kind;
  std::vector<RowLengths> lengths;
  right.weights = RoundRows(rows, kind, lengths);
  for (const RowLengths& row : lengths) {
    right.longest = std::max(right.longest, row.whole + row.residual);
    right.residual = std::max(right.residual, row.residual);
  }
  right.count = rows.size(0);
  // oneDNN packs no empty matrix.
  if (kind != ProductKind::kFloat && right.count > 0)
    right.weights = onednn::PackLinear(right.weights);
  return right;
}

LeftRows LeftRows::Make(const at::Tensor& rows, ProductKind kind) {
  LeftRows left;
  left.kind = kind;
  std::vector<RowLengths> lengths;
  left.rows = RoundRows(rows, kind, lengths);
  for (const RowLengths& row : lengths) {
    left.longest.push_back(row.whole + row.residual);
    left.residual.push_back(row.residual);
  }
  return left;
}

at::Tensor Multiply(const LeftRows& left, std::int64_t first, std::int64_t count,
                    const RightRows& right) {
  const at::Tensor rows = left.rows.narrow(0, first, count);
  if (right.count == 0) return at::empty({count, 0}, rows.scalar_type());
  if (right.kind == ProductKind::kFloat) return at::mm(rows, right.weights.t());
  return onednn::Linear(rows, right.weights, std::nullopt, "none");
}

ProductBound BoundOf(const LeftRows& left, std::int64_t i, const RightRows& right) {
  const auto at = static_cast<std::size_t>(i);
  const auto width = static_cast<double>(left.rows.size(1));
  // f k - f' k' = (f - f') k + f' (k - k'), and what adding up in float32, in any order, with sums
  // that flush what is below the normal numbers, may be off by.
  const double sum = (width + 8) * 2 * kHalfUlp * left.longest[at] * right.longest;
  const double rounding = left.residual[at] * right.longest + left.longest[at] * right.residual;
  ProductBound bound{(sum + rounding) * kRoundUp + (width + 8) * kTinyBfloat, 0};
  if (right.kind == ProductKind::kBfloat16) {
    bound.relative = kHalfUlpBfloat * (1 + 2 * kHalfUlpBfloat);
    bound.absolute += kTinyBfloat;
  }
  return bound;
}

}  // namespace clipsweep
