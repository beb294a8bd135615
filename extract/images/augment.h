// Augmented views: torchvision's RandomResizedCrop and RandomHorizontalFlip, drawn from (seed,
// image, view) alone.
#pragma once

#include <cstdint>

#include "common/compute/random.h"
#include "extract/images/image_decode.h"
#include "extract/images/resample.h"

namespace clipsweep {

struct View {
  Window crop;  // of the picture, in its own pixels
  bool flip = false;
};

// A crop of 0.5 to 1 of the area and 3/4 to 4/3 of aspect, uniform in area and log aspect, anywhere
// in the picture; where ten draws do not fit, the largest centred one of allowed aspect. Flipped
// half the time. The draws of torchvision's get_params from another generator.
View DrawView(std::int64_t height, std::int64_t width, Random& random);

// The crop resized to [n, n, 3] by Pillow's antialiased bicubic, then flipped.
Image MakeView(const Image& image, const View& view, int n);

// View `view` >= 1 of image `image` of a list.
Image AugmentedView(const Image& image, int n, std::uint64_t seed, std::int64_t image_number,
                    std::int64_t view);

inline constexpr std::int64_t kMostViews = 64;
// Names the transform in provenance; changes whenever its output would.
inline constexpr const char* kAugmentName = "crop-0.5-1-flip";

}  // namespace clipsweep
