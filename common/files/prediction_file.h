// predictions-*.h5: what one classifier says of every test image, and what follows from it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/files/provenance.h"

namespace clipsweep {

inline constexpr const char* kPredictionFormat = "clipsweep-predictions";
inline constexpr std::int64_t kMostPredicted = 5;  // classes kept of each image

struct PredictionData {
  std::int64_t top = 0;                 // k = min(5, C)
  std::vector<std::int32_t> predicted;  // [N, k] classes, likeliest first; ties: lower class first
  std::vector<float> probability;       // [N, k] softmax over all classes
  std::vector<std::int32_t> labels;     // [N]
  std::vector<std::string> classes;     // [C]
  Provenance made_from;
  std::string seal;  // identity of the file

  std::int64_t count() const { return static_cast<std::int64_t>(labels.size()); }
  std::int32_t First(std::int64_t sample) const {
    return predicted[static_cast<std::size_t>(sample * top)];
  }
  // Position of the label among the k, or k.
  std::int64_t RankOfLabel(std::int64_t sample) const;
};

void WritePredictionFile(const std::filesystem::path& path, const PredictionData& data);
// Reads and checks everything. Throws InputError naming the file.
PredictionData ReadPredictionFile(const std::filesystem::path& path);

// Samples whose probability falls into one of equally wide bins of (0, 1].
struct ConfidenceBin {
  std::int64_t count = 0;
  double confidence = 0, accuracy = 0;  // means over the bin; none when it is empty
};

struct PredictionSummary {
  std::int64_t samples = 0, top1 = 0, top5 = 0;
  std::vector<std::int64_t> class_samples, class_top1;  // [C]
  // Expected calibration error over 15 bins: sum of count / N * |accuracy - confidence|
  // (Guo et al. 2017, "On Calibration of Modern Neural Networks", equation 5).
  // None without images.
  std::optional<double> ece;
  std::vector<ConfidenceBin> bins;  // [15]
  struct Confusion {
    std::int32_t label, predicted;
    std::int64_t count;
  };
  std::vector<Confusion> confusions;  // wrong ones only; falling counts, then by label, predicted
};
PredictionSummary SummarizePredictions(const PredictionData& data);

}  // namespace clipsweep
