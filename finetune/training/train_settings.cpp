#include "finetune/training/train_settings.h"

#include <fmt/core.h>

#include <cmath>
#include <utility>

#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep {
namespace {

constexpr std::int64_t kMostBatch = 1 << 20;
constexpr std::pair<Select, const char*> kSelects[] = {
    {Select::kLast, "last"}, {Select::kVal, "val"}, {Select::kTest, "test"}};

}  // namespace

Select ParseSelect(const std::string& name) {
  for (const auto& [select, its_name] : kSelects) {
    if (name == its_name) return select;
  }
  throw UsageError(fmt::format("--select: '{}' is not one of last, val, test", Printable(name)));
}

const char* SelectName(Select select) { return kSelects[static_cast<std::size_t>(select)].second; }

void CheckTrainSettings(const TrainSettings& settings) {
  const auto positive = [](std::int64_t value, const char* option) {
    if (value < 1) throw UsageError(fmt::format("{}: {} is not 1 or more", option, value));
  };
  positive(settings.epochs, "--epochs");
  positive(settings.batch, "--batch");
  if (settings.batch > kMostBatch) {
    throw UsageError(fmt::format("--batch: {} is more than {}", settings.batch, kMostBatch));
  }
  const auto rate = [](double value, const char* option, bool zero_allowed) {
    if (!std::isfinite(value) || value < 0 || (value == 0 && !zero_allowed)) {
      throw InputError(fmt::format("{}: {} is not a finite number {} 0", option, value,
                                   zero_allowed ? "of at least" : "above"));
    }
  };
  rate(settings.lr, "--lr", false);
  rate(settings.eps, "--eps", false);
  rate(settings.weight_decay, "--weight-decay", true);
  if (settings.patience < 0) {
    throw UsageError(fmt::format("--patience: {} is not 0 or more", settings.patience));
  }
  if (settings.patience > 0 && settings.select == Select::kLast) {
    throw UsageError("--patience: looks at the selection set; choose --select val or test");
  }
}

}  // namespace clipsweep
