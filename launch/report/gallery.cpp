#include "launch/report/gallery.h"

#include <algorithm>
#include <set>

#include "common/disk/atomic_file.h"
#include "common/process/error.h"
#include "extract/images/image_decode.h"
#include "extract/images/thumbnail.h"

namespace clipsweep {
namespace {

constexpr int kSide = 96;

// `path` is taken from a file of features: it stays below `images`.
std::string Thumbnail(const std::filesystem::path& images, const std::filesystem::path& below) {
  if (images.empty()) return "";  // nobody knows where they are
  const std::filesystem::path path = images / below;
  std::error_code error;
  if (below.is_absolute() || std::find(below.begin(), below.end(), "..") != below.end() ||
      !std::filesystem::is_regular_file(path, error)) {
    return "";
  }
  try {
    return ThumbnailUrl(DecodeImage(ReadFile(path, kMaxImageBytes)), kSide);
  } catch (const ImageError&) {  // was there when it was extracted
    return "";
  } catch (const Error&) {
    return "";
  }
}

float ProbabilityOfLabel(const PredictionData& data, std::int64_t sample) {
  const std::int64_t rank = data.RankOfLabel(sample);
  return rank < data.top ? data.probability[static_cast<std::size_t>(sample * data.top + rank)] : 0;
}

std::vector<std::pair<std::int32_t, float>> TopOf(const PredictionData& data, std::int64_t sample) {
  std::vector<std::pair<std::int32_t, float>> top;
  for (std::int64_t i = sample * data.top; i < (sample + 1) * data.top; ++i) {
    top.emplace_back(data.predicted[static_cast<std::size_t>(i)],
                     data.probability[static_cast<std::size_t>(i)]);
  }
  return top;
}

// One of each class first, then second ones.
std::vector<std::int64_t> SpreadOverClasses(const std::vector<std::int64_t>& samples,
                                            const PredictionData& data, std::size_t most) {
  std::vector<std::int64_t> chosen, left = samples;
  while (chosen.size() < most && !left.empty()) {
    std::set<std::int32_t> seen;
    std::vector<std::int64_t> later;
    for (const std::int64_t sample : left) {
      const bool is_new = seen.insert(data.labels[static_cast<std::size_t>(sample)]).second;
      (is_new && chosen.size() < most ? chosen : later).push_back(sample);
    }
    left = std::move(later);
  }
  return chosen;
}

}  // namespace

Gallery MakeGallery(const PredictionData& before, const PredictionData& after,
                    const std::vector<std::string>& paths, const std::filesystem::path& images,
                    std::size_t most) {
  Gallery gallery;
  std::vector<std::int64_t> helped, hurt;
  for (std::int64_t n = 0; n < before.count(); ++n) {
    const bool was = before.RankOfLabel(n) == 0, is = after.RankOfLabel(n) == 0;
    if (!was && is) helped.push_back(n);
    if (was && !is) hurt.push_back(n);
  }
  gallery.all_helped = static_cast<std::int64_t>(helped.size());
  gallery.all_hurt = static_cast<std::int64_t>(hurt.size());
  const auto gain = [&](std::int64_t n) {
    return ProbabilityOfLabel(after, n) - ProbabilityOfLabel(before, n);
  };
  std::stable_sort(helped.begin(), helped.end(), [&](auto a, auto b) { return gain(a) > gain(b); });
  std::stable_sort(hurt.begin(), hurt.end(), [&](auto a, auto b) { return gain(a) < gain(b); });
  const auto show = [&](const std::vector<std::int64_t>& samples, std::vector<GalleryItem>& items) {
    for (const std::int64_t n : SpreadOverClasses(samples, before, most)) {
      const std::string& path = paths.at(static_cast<std::size_t>(n));
      items.push_back({path, Thumbnail(images, path), before.labels[static_cast<std::size_t>(n)],
                       TopOf(before, n), TopOf(after, n)});
      if (items.back().thumbnail.empty()) ++gallery.without_picture;
    }
  };
  show(helped, gallery.helped);
  show(hurt, gallery.hurt);
  return gallery;
}

}  // namespace clipsweep
