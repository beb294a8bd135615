#include "launch/report/check_evaluation.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

namespace clipsweep {
namespace {

constexpr double kBins = 15, kRounding = 1e-6;
constexpr std::size_t kMostConfusions = 1000;

std::vector<std::int64_t> CheckClassTop1(const JsonField& field, const ResultCounts& counts,
                                         const std::vector<std::int64_t>& class_samples) {
  std::int64_t right = 0;
  std::vector<std::int64_t> class_top1;
  for (const JsonField& one : field.List()) {
    if (class_top1.size() == class_samples.size()) one.Refuse("is of no class");
    class_top1.push_back(one.Integer(0, class_samples[class_top1.size()]));
    right += class_top1.back();
  }
  if (class_top1.size() != class_samples.size() || right != counts.top1)
    field.Refuse(fmt::format("are {} together, but 'top1' is {}", right, counts.top1));
  return class_top1;
}

void CheckBins(const JsonField& field, const ResultCounts& counts) {
  const auto bins = field.At("calibration_bins").List();
  if (bins.size() != static_cast<std::size_t>(kBins))
    field.At("calibration_bins").Refuse("are not 15");
  std::int64_t samples = 0;
  double right = 0, error = 0, at = 0;
  for (const JsonField& one : bins) {
    ++at;
    const auto bin = one.List();
    if (bin.size() != 3) one.Refuse("is not count, probability and accuracy");
    const std::int64_t count = bin[0].Integer(0, counts.samples - samples);
    samples += count;
    if (count == 0) {
      for (int i : {1, 2}) bin[static_cast<std::size_t>(i)].ExpectNull("the bin is empty");
      continue;
    }
    const double confidence =
        bin[1].Number(std::max(0.0, (at - 1) / kBins - kRounding), at / kBins + kRounding);
    const double accuracy = bin[2].Number(0, 1), of_bin = accuracy * static_cast<double>(count);
    if (std::abs(of_bin - std::round(of_bin)) > kRounding * std::max(1.0, of_bin))
      bin[2].Refuse("is not that of whole images");
    right += accuracy * static_cast<double>(count);
    error += std::abs(accuracy - confidence) * static_cast<double>(count);
  }
  if (samples != counts.samples ||
      std::abs(right - static_cast<double>(counts.top1)) > 1e-3 + 1e-9 * right)
    field.At("calibration_bins").Refuse("do not hold the images that 'counts' has");
  if (samples == 0) {
    field.At("ece").ExpectNull("there are no samples");
  } else {
    field.At("ece").ExpectAbout(error / static_cast<double>(samples), "that of its bins");
  }
}

void CheckConfusions(const JsonField& field, const ResultCounts& counts,
                     const std::vector<std::int64_t>& class_samples,
                     const std::vector<std::int64_t>& class_top1) {
  const auto confusions = field.At("confusions").List();
  const std::int64_t left_out = field.At("confusions_left_out").Integer(0, kMostCounted);
  if (confusions.size() > kMostConfusions) field.At("confusions").Refuse("are more than 1000");
  const auto last = static_cast<std::int64_t>(class_samples.size()) - 1;
  std::vector<std::int64_t> wrong(class_samples.size(), 0);
  std::set<std::pair<std::int64_t, std::int64_t>> seen;
  std::int64_t before = kMostCounted, all = 0;
  for (const JsonField& one : confusions) {
    const auto pair = one.List();
    if (pair.size() != 3) one.Refuse("is not label, predicted and images");
    const std::int64_t label = pair[0].Integer(0, last), predicted = pair[1].Integer(0, last);
    const auto at = static_cast<std::size_t>(label);
    before = pair[2].Integer(1, before);  // most frequent first
    wrong[at] += before;
    all += before;
    if (label == predicted || !seen.emplace(label, predicted).second ||
        wrong[at] > class_samples[at] - class_top1[at])
      one.Refuse("does not fit 'class_samples' and 'class_top1'");
  }
  const std::int64_t missing = counts.samples - counts.top1 - all;
  if (missing < left_out || (left_out == 0 && missing != 0))
    field.At("confusions").Refuse("do not hold the images that 'counts' has as wrong");
}

}  // namespace

double ResultCounts::Accuracy(std::int64_t right) const {
  return samples > 0 ? static_cast<double>(right) / static_cast<double>(samples) : 0;
}

ResultCounts ReadCounts(const JsonField& field) {
  ResultCounts counts;
  counts.samples = field.At("samples").Integer(0, kMostCounted);
  counts.top5 = field.At("top5").Integer(0, counts.samples);
  counts.top1 = field.At("top1").Integer(0, counts.top5);
  for (const auto& [name, right] :
       {std::pair("top1_accuracy", counts.top1), std::pair("top5_accuracy", counts.top5)}) {
    if (counts.samples == 0) {
      field.At(name).ExpectNull("there are no samples");
    } else {
      field.At(name).ExpectAbout(counts.Accuracy(right), "right / samples");
    }
  }
  return counts;
}

void CheckEvaluationFigures(const JsonField& field, const ResultCounts& counts,
                            const std::vector<std::int64_t>& class_samples) {
  const auto class_top1 = CheckClassTop1(field.At("class_top1"), counts, class_samples);
  CheckBins(field, counts);
  CheckConfusions(field, counts, class_samples, class_top1);
}

}  // namespace clipsweep
