// Test images on which two classifiers differ, with what each of them said.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "common/files/prediction_file.h"

namespace clipsweep {

struct GalleryItem {
  std::string path;       // relative to the image folder
  std::string thumbnail;  // data URL, "" when the image cannot be read
  std::int32_t label = 0;
  std::vector<std::pair<std::int32_t, float>> before, after;  // up to five classes, probabilities
};

struct Gallery {
  std::vector<GalleryItem> helped, hurt;      // wrong before and right after; the reverse
  std::int64_t all_helped = 0, all_hurt = 0;  // images, shown or not
  std::int64_t without_picture = 0;           // of those shown
};

// Up to `most` of each kind: those whose label gained (lost) most probability first, a class not
// twice while others are left. `paths` [N] of the test images.
Gallery MakeGallery(const PredictionData& before, const PredictionData& after,
                    const std::vector<std::string>& paths, const std::filesystem::path& images,
                    std::size_t most);

}  // namespace clipsweep
