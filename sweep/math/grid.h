// Half-open axes of the alpha x beta grid, written lo:hi:step.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace clipsweep {

struct Axis {
  double low = 0;
  double step = 0;
  std::int64_t count = 1;

  double At(std::int64_t i) const { return low + static_cast<double>(i) * step; }
  std::vector<double> Values() const;
  // One value.
  static Axis Point(double value) { return {value, 0, 1}; }
};

// "lo:hi:step" -> lo + i * step for i < round((hi - lo) / step); "x" -> the one value x. Values
// must be finite, not negative, step positive, hi above lo. `option` names the option in errors
// (UsageError for text that is no grid, InputError for a grid that cannot be: running backwards,
// not finite, too large).
Axis ParseAxis(const std::string& text, const std::string& option);

// A finite, non-negative alpha or beta. Throws InputError naming the option.
void CheckPoint(double value, const std::string& option);

// "1,2,16" or "31:41" (half-open) -> numbers. Throws UsageError naming the option.
std::vector<std::int64_t> ParseIntegers(const std::string& text, const std::string& option,
                                        std::int64_t lowest);

}  // namespace clipsweep
