#include "sweep/math/grid.h"

#include <fmt/core.h>

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <sstream>
#include <unordered_set>

#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep {
namespace {

constexpr std::int64_t kMostIntegers = 100'000;

constexpr std::int64_t kMaxPoints = 1'000'000;  // along one axis
constexpr double kMostValue = 1e6;              // keeps float32 logits finite

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, separator);) parts.push_back(part);
  return parts;
}

double ParseNumber(const std::string& text, const std::string& option) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || end != text.c_str() + text.size()) {
    throw UsageError(fmt::format("{}: '{}' is not a number; write lo:hi:step, as in 0.5:2.5:0.02",
                                 option, Printable(text)));
  }
  return value;
}

std::int64_t ParseInteger(const std::string& text, const std::string& option) {
  std::int64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size()) {
    throw UsageError(fmt::format("{}: '{}' is not a whole number; write 1,5,16 or 31:41", option,
                                 Printable(text)));
  }
  return value;
}

}  // namespace

std::vector<double> Axis::Values() const {
  std::vector<double> values;
  for (std::int64_t i = 0; i < count; ++i) values.push_back(At(i));
  return values;
}

void CheckPoint(double value, const std::string& option) {
  if (!std::isfinite(value) || value < 0 || value > kMostValue) {
    throw InputError(
        fmt::format("{}: {} is not a finite number in 0..{}", option, value, kMostValue));
  }
}

Axis ParseAxis(const std::string& text, const std::string& option) {
  const auto parts = Split(text, ':');
  if (parts.size() != 1 && parts.size() != 3) {
    throw UsageError(fmt::format("{}: '{}' is not a grid; write lo:hi:step, as in 0.5:2.5:0.02",
                                 option, Printable(text)));
  }
  const double low = ParseNumber(parts[0], option);
  CheckPoint(low, option);
  if (parts.size() == 1) return Axis::Point(low);
  const double high = ParseNumber(parts[1], option), step = ParseNumber(parts[2], option);
  CheckPoint(high, option);
  if (!std::isfinite(step) || step <= 0) {
    throw InputError(fmt::format("{}: step {} is not a finite number above 0", option, step));
  }
  if (high <= low) {
    throw InputError(fmt::format("{}: {}:{} runs backwards or is empty; write the lower end first",
                                 option, parts[0], parts[1]));
  }
  const double count = std::round((high - low) / step);
  if (count < 1 || count > static_cast<double>(kMaxPoints)) {
    throw InputError(fmt::format("{}: {} gives {} points; 1 to {} are allowed", option, text, count,
                                 kMaxPoints));
  }
  return {low, step, static_cast<std::int64_t>(count)};
}

std::vector<std::int64_t> ParseIntegers(const std::string& text, const std::string& option,
                                        std::int64_t lowest) {
  std::vector<std::int64_t> values;
  for (const std::string& part : Split(text, ',')) {
    const auto ends = Split(part, ':');
    if (ends.size() == 2) {
      const std::int64_t low = ParseInteger(ends[0], option), high = ParseInteger(ends[1], option);
      if (high <= low || high > kMostIntegers + low ||
          high - low > kMostIntegers - static_cast<std::int64_t>(values.size())) {
        throw UsageError(
            fmt::format("{}: {} is an empty or oversized range", option, Printable(part)));
      }
      for (std::int64_t v = low; v < high; ++v) values.push_back(v);
    } else {
      values.push_back(ParseInteger(part, option));
    }
  }
  if (values.empty()) throw UsageError(fmt::format("{}: names no number", option));
  std::unordered_set<std::int64_t> seen;
  for (const std::int64_t value : values) {
    if (value < lowest) {
      throw UsageError(fmt::format("{}: {} is below {}", option, value, lowest));
    }
    if (!seen.insert(value).second) {
      throw UsageError(fmt::format("{}: {} stands twice", option, value));
    }
  }
  return values;
}

}  // namespace clipsweep
