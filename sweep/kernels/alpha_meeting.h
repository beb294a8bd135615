// One class against the label along the alpha axis, for the CPU and for GPUs.
#pragma once

#include <cstdint>
#include <cstring>

#ifdef __CUDACC__
#define CLIPSWEEP_HD __host__ __device__
#else
#define CLIPSWEEP_HD
#endif

namespace clipsweep {

// Class c beats the label y at alpha if z_c + alpha S_c > z_y + alpha S_y, or equal with c < y;
// evaluated as (z_y - z_c) + alpha (S_y - S_c) in double precision from float32 inputs. The tests'
// brute force uses it.
CLIPSWEEP_HD inline bool Beats(double dz, double ds, double alpha, bool c_before_y) {
  const double lead = dz + alpha * ds;
  return lead < 0 || (lead == 0 && c_before_y);
}

// A place on the real line of alpha, at `value` or just after it, as a number that sorts like it;
// the lowest bit of the value's mantissa is given up for the second part.
CLIPSWEEP_HD inline std::int64_t EdgeCode(double value, bool after) {
  value += 0.0;  // -0 becomes 0
  std::int64_t code;
  std::memcpy(&code, &value, sizeof code);
  // Negative numbers' bits rise as the numbers fall.
  if (code < 0) code = INT64_MIN - code;
  return (code & ~std::int64_t{1}) | (after ? 1 : 0);
}

// How a class fares against the label on an axis.
struct Meeting {
  bool ahead_at_first;  // it beats the label at the first alpha
  bool crosses;         // and at the last does otherwise
  std::int64_t at;      // the first alpha index from which on it does otherwise, 1 ..
  std::int64_t edge;    // and the place on the real line
};

// dz, ds: the label's z and S less the class's. alphas [n], equally spaced.
CLIPSWEEP_HD inline Meeting MeetClass(double dz, double ds, const double* alphas, std::int64_t n,
                                      bool c_before_y) {
  Meeting meeting{};
  meeting.ahead_at_first = Beats(dz, ds, alphas[0], c_before_y);
  meeting.crosses = Beats(dz, ds, alphas[n - 1], c_before_y) != meeting.ahead_at_first;
  if (!meeting.crosses) return meeting;
  double crossing = -dz / ds;
  crossing = crossing < alphas[0] ? alphas[0] : crossing;
  crossing = crossing > alphas[n - 1] ? alphas[n - 1] : crossing;
  const auto same = [&](std::int64_t j) {
    return Beats(dz, ds, alphas[j], c_before_y) == meeting.ahead_at_first;
  };
  // The crossing lies near this index.
  auto j = static_cast<std::int64_t>((crossing - alphas[0]) / (alphas[1] - alphas[0]));
  j = j < 1 ? 1 : j > n - 1 ? n - 1 : j;
  while (j > 1 && !same(j - 1)) --j;
  while (j < n - 1 && same(j)) ++j;
  meeting.at = j;
  // At the crossing itself the label leads against later classes only.
  meeting.edge = EdgeCode(crossing, meeting.ahead_at_first == c_before_y);
  return meeting;
}

}  // namespace clipsweep
