#include "common/files/prediction_file.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "common/process/error.h"

namespace clipsweep {
namespace {

constexpr std::size_t kBins = 15;

void Check(const H5Reader& file, const PredictionData& data) {
  const auto classes = static_cast<std::int32_t>(data.classes.size());
  if (classes == 0 || data.top != std::min<std::int64_t>(kMostPredicted, classes)) {
    file.Fail(fmt::format("keeps {} predictions of {} classes", data.top, classes));
  }
  for (const std::int32_t label : data.labels) {
    if (label < 0 || label >= classes) {
      file.Fail(fmt::format("label {} is outside its {} classes", label, classes));
    }
  }
  for (std::size_t i = 0; i < data.predicted.size(); ++i) {
    const float p = data.probability[i];
    const bool first = i % static_cast<std::size_t>(data.top) == 0;
    if (data.predicted[i] < 0 || data.predicted[i] >= classes || !std::isfinite(p) || p < 0 ||
        p > 1 || (!first && p > data.probability[i - 1])) {
      file.Fail(fmt::format("prediction {} of image {} is not a class or a probability",
                            i % static_cast<std::size_t>(data.top),
                            i / static_cast<std::size_t>(data.top)));
    }
  }
}

}  // namespace

std::int64_t PredictionData::RankOfLabel(std::int64_t sample) const {
  const auto first = predicted.begin() + sample * top;
  return std::find(first, first + top, labels[static_cast<std::size_t>(sample)]) - first;
}

void WritePredictionFile(const std::filesystem::path& path, const PredictionData& data) {
  const auto n = static_cast<hsize_t>(data.labels.size()), k = static_cast<hsize_t>(data.top);
  H5Writer file(path);
  WriteHeader(file, kPredictionFormat, data.made_from);
  file.Write("predicted", {n, k}, data.predicted);
  file.Write("probability", {n, k}, data.probability);
  file.Write("labels", {n}, data.labels);
  file.Write("classes", data.classes);
  file.Commit();
}

PredictionData ReadPredictionFile(const std::filesystem::path& path) {
  const H5Reader file(path);
  CheckHeader(file, kPredictionFormat);
  PredictionData data;
  const auto shape = file.Shape("predicted");
  data.labels = file.Int32s("labels");
  if (shape.size() != 2 || shape[0] != data.labels.size() || shape != file.Shape("probability")) {
    file.Fail("'predicted', 'probability' and 'labels' differ in length; make it again");
  }
  data.top = static_cast<std::int64_t>(shape[1]);
  data.predicted = file.Int32s("predicted");
  data.probability = file.Floats("probability");
  data.classes = file.Texts("classes");
  data.made_from = ReadProvenance(file);
  data.seal = file.seal();
  Check(file, data);
  return data;
}

PredictionSummary SummarizePredictions(const PredictionData& data) {
  PredictionSummary summary;
  summary.samples = data.count();
  summary.class_samples.assign(data.classes.size(), 0);
  summary.class_top1.assign(data.classes.size(), 0);
  summary.bins.resize(kBins);
  std::map<std::pair<std::int32_t, std::int32_t>, std::int64_t> wrong;
  for (std::int64_t n = 0; n < data.count(); ++n) {
    const std::int32_t label = data.labels[static_cast<std::size_t>(n)];
    const std::int64_t rank = data.RankOfLabel(n);
    const bool right = rank == 0;
    ++summary.class_samples[static_cast<std::size_t>(label)];
    if (right) ++summary.class_top1[static_cast<std::size_t>(label)];
    if (right) ++summary.top1;
    if (rank < data.top) ++summary.top5;
    if (!right) ++wrong[{label, data.First(n)}];
    const double confidence = data.probability[static_cast<std::size_t>(n * data.top)];
    const auto at = static_cast<std::size_t>(std::max(0.0, std::ceil(confidence * kBins) - 1));
    ConfidenceBin& bin = summary.bins[std::min(at, kBins - 1)];
    ++bin.count;
    bin.confidence += confidence;  // sums until below
    bin.accuracy += right ? 1 : 0;
  }
  if (data.count() > 0) summary.ece = 0;
  for (ConfidenceBin& bin : summary.bins) {
    if (bin.count == 0) continue;
    *summary.ece += std::abs(bin.accuracy - bin.confidence) / static_cast<double>(data.count());
    bin.confidence /= static_cast<double>(bin.count);
    bin.accuracy /= static_cast<double>(bin.count);
  }
  for (const auto& [pair, count] : wrong) {
    summary.confusions.push_back({pair.first, pair.second, count});
  }
  std::sort(summary.confusions.begin(), summary.confusions.end(), [](const auto& a, const auto& b) {
    return std::tuple(-a.count, a.label, a.predicted) < std::tuple(-b.count, b.label, b.predicted);
  });
  return summary;
}

}  // namespace clipsweep
