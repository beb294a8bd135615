// Products that may be rounded, with a proven bound on what that changes: a cheap look before the
// exact one. docs/decisions/0022 has the proof.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace clipsweep {

// kFloat: float32 by LibTorch's BLAS. kPackedFloat: float32 by oneDNN, right rows packed once.
// kBfloat16: rows rounded to bfloat16, packed once, added up in float32, results rounded to
// bfloat16.
enum class ProductKind { kFloat, kPackedFloat, kBfloat16 };

// Whether this processor and this LibTorch have such a product.
bool HasProduct(ProductKind kind);

// The kind that is fastest on this processor for rows of this width with one thread, measured once
// a process (a few milliseconds). What is computed from a product must not depend on it beyond the
// bound.
ProductKind FastestProduct(std::int64_t width);

// The right side: [n, D] rows made ready.
struct RightRows {
  at::Tensor weights;
  std::int64_t count = 0;  // n, which may be 0
  ProductKind kind = ProductKind::kFloat;
  double longest = 0;   // the longest row, rounded or not
  double residual = 0;  // the longest of what rounding took from a row

  // rows: float32 [n, D]. Where the kind is kFloat, keeps a view.
  static RightRows Make(const at::Tensor& rows, ProductKind kind);
};

// The left side: [m, D].
struct LeftRows {
  at::Tensor rows;
  ProductKind kind = ProductKind::kFloat;
  std::vector<double> longest, residual;  // [m]

  static LeftRows Make(const at::Tensor& rows, ProductKind kind);
};

// [count, n]: the left rows first .. first + count against all right ones; bfloat16 for kBfloat16,
// else float32.
at::Tensor Multiply(const LeftRows& left, std::int64_t first, std::int64_t count,
                    const RightRows& right);

// |true - p| <= absolute + relative |p| for every product p of left row i.
struct ProductBound {
  double absolute = 0, relative = 0;
};
ProductBound BoundOf(const LeftRows& left, std::int64_t i, const RightRows& right);

}  // namespace clipsweep
