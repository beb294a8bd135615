// Settings of methods: how they are declared, given and written.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "common/compute/tensors.h"
#include "common/data/name_match.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "finetune/methods/method.h"

namespace clipsweep {
namespace {

const Setting& Find(const MethodInfo& method, const std::string& name) {
  std::vector<std::string> names;
  for (const Setting& setting : method.settings) {
    if (setting.name == name) return setting;
    names.push_back(setting.name);
  }
  if (names.empty()) {
    throw UsageError(fmt::format("--set: '{}': {} has no settings", Printable(name), method.name));
  }
  throw UsageError(fmt::format("--set: '{}' is not a setting of {}; did you mean '{}'? It has {}",
                               Printable(name), method.name, NearestWord(name, names),
                               fmt::join(names, ", ")));
}

double Parse(const MethodInfo& method, const Setting& setting, const std::string& text) {
  if (!setting.words.empty()) {
    const auto found = std::find(setting.words.begin(), setting.words.end(), text);
    if (found == setting.words.end()) {
      throw UsageError(fmt::format("--set {}: '{}' is not one of {}", setting.name, Printable(text),
                                   fmt::join(setting.words, ", ")));
    }
    return static_cast<double>(found - setting.words.begin());
  }
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    throw UsageError(fmt::format("--set {}: '{}' is not a number", setting.name, Printable(text)));
  }
  if (setting.whole && value != std::floor(value)) {
    throw UsageError(fmt::format("--set {}: {} is not a whole number", setting.name, text));
  }
  if (value < setting.low || value > setting.high) {
    throw UsageError(fmt::format("--set {}: {} is not in {} .. {} of {}", setting.name, text,
                                 setting.low, setting.high, method.name));
  }
  return value;
}

}  // namespace

Setting Real(std::string name, double value, double low, double high, std::string help) {
  return {std::move(name),
          std::move(help),
          [value](const FewShot&) { return value; },
          fmt::format("{}", value),
          low,
          high};
}

Setting Whole(std::string name, std::int64_t value, std::int64_t low, std::int64_t high,
              std::string help) {
  Setting setting = Real(std::move(name), static_cast<double>(value), static_cast<double>(low),
                         static_cast<double>(high), std::move(help));
  setting.whole = true;
  return setting;
}

Setting Word(std::string name, std::vector<std::string> words, std::string help) {
  Setting setting =
      Whole(std::move(name), 0, 0, static_cast<std::int64_t>(words.size()) - 1, std::move(help));
  setting.value_text = words.front();
  setting.words = std::move(words);
  return setting;
}

Setting Tuned(Setting setting, std::vector<double> grid) {
  setting.grid = std::move(grid);
  return setting;
}

Setting Depending(Setting setting, std::string value_text,
                  std::function<double(const FewShot&)> value) {
  setting.value_text = std::move(value_text);
  setting.value = std::move(value);
  return setting;
}

std::int64_t FewShot::shots() const {
  std::int64_t most = 0;
  for (std::size_t c = 1; c < start.size(); ++c) most = std::max(most, start[c] - start[c - 1]);
  return most;
}

Settings ParseSettings(const MethodInfo& method, const std::vector<std::string>& texts) {
  Settings settings;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw UsageError(fmt::format("--set: '{}' is not of the form name=value", Printable(text)));
    }
    const Setting& setting = Find(method, text.substr(0, equals));
    if (!settings.emplace(setting.name, Parse(method, setting, text.substr(equals + 1))).second) {
      throw UsageError(fmt::format("--set {}: given twice", setting.name));
    }
  }
  return settings;
}

std::string SettingText(const Setting& setting, double value) {
  if (!setting.words.empty()) return setting.words[static_cast<std::size_t>(value)];
  return fmt::format("{}", value);
}

std::vector<Settings> GridOf(const Settings& settings, const std::vector<Setting>& open) {
  std::vector<Settings> points{settings};
  for (const Setting& setting : open) {
    std::vector<Settings> more;
    for (const Settings& point : points) {
      for (const double value : setting.grid) {
        more.push_back(point);
        more.back()[setting.name] = value;
      }
    }
    points = std::move(more);
  }
  return points;
}

}  // namespace clipsweep
