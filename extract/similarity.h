// The image x text cosine matrix of a few pictures and texts.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "common/compute/device.h"
#include "common/data/left_out.h"
#include "extract/models/model_options.h"
#include "extract/pipeline/image_notes.h"

namespace clipsweep {

struct SimilarityConfig {
  ModelOptions model;
  std::vector<std::filesystem::path> images;  // files, or folders whose pictures are taken
  std::filesystem::path texts;                // one a line
  std::string text_template = "{}";           // "a photo of a {}."
};

struct Similarity {
  std::string model;
  std::vector<std::filesystem::path> images;
  NoteCounts image_warnings{};
  std::vector<std::string> thumbnails;      // data URLs
  std::vector<std::string> texts;           // as in the file
  std::vector<std::vector<float>> cosines;  // [text][image]
  // exp(100 cosine), normalised over the texts: [text][image]
  std::vector<std::vector<float>> probabilities;
  LeftOut left_out;  // of folders
};

// Throws InputError: no picture, no text, more than 64 of either, a picture that cannot be read.
Similarity ComputeSimilarity(const SimilarityConfig& config, const Compute& compute);

}  // namespace clipsweep
