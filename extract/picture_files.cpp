#include "extract/picture_files.h"

#include <ATen/ATen.h>
#include <fmt/core.h>

#include <algorithm>

#include "common/atomic_file.h"
#include "common/error.h"
#include "common/image_list.h"
#include "common/log.h"
#include "extract/batch_encoders.h"
#include "extract/image_decode.h"
#include "extract/preprocess.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;

template <typename Iterator>
std::vector<fs::path> PicturesIn(const fs::path& folder) {
  std::vector<fs::path> inside;
  std::error_code code;
  Iterator entry(folder, code);
  for (; !code && entry != Iterator(); entry.increment(code)) {
    if (IsImageName(entry->path())) inside.push_back(entry->path());
  }
  if (code) {
    throw InputError(fmt::format("{}: cannot be listed ({}); check --images",
                                 Printable(folder.string()), code.message()));
  }
  std::sort(inside.begin(), inside.end());
  return inside;
}

}  // namespace

std::vector<fs::path> FindPictures(const std::vector<fs::path>& given, bool deep) {
  std::vector<fs::path> found;
  for (const fs::path& path : given) {
    std::error_code code;
    if (!fs::is_directory(path, code)) {
      found.push_back(path);
      continue;
    }
    const auto inside = deep ? PicturesIn<fs::recursive_directory_iterator>(path)
                             : PicturesIn<fs::directory_iterator>(path);
    found.insert(found.end(), inside.begin(), inside.end());
  }
  if (found.empty()) throw InputError("--images: no picture there; give files or their folder");
  return found;
}

NoteCounts EncodePictures(const ImageEncoder& encoder, const ModelConfig& model,
                          const std::vector<fs::path>& paths, const std::vector<ShardRange>& ranges,
                          bool skip_bad, const DecodeLimits& limits, const Compute& compute,
                          const ReceivePictures& receive, const ImagePipeline::Tick& tick) {
  PipelineShape shape;
  shape.decoders = shape.encoders = compute.on_gpu() ? 1 : compute.workers;
  shape.image_size = model.image_size;
  shape.width = model.embed_dim;
  shape.pinned = compute.on_gpu();
  NoteBook notes;
  std::vector<NotedImage> noted;
  const auto decode = [&](std::int64_t image, std::uint8_t* pixels) -> std::string {
    const fs::path& path = paths[static_cast<std::size_t>(image)];
    const std::string bytes = ReadFile(path, kMaxImageBytes);
    try {
      const Image whole = DecodeImage(bytes, limits);
      notes.Put(image, whole.notes);
      const Image square = ResizeAndCrop(whole, model.image_size);
      std::ranges::copy(square.rgb, pixels);
      return "";
    } catch (const ImageError& error) {
      if (skip_bad) return error.what();
      throw InputError(
          fmt::format("{}: {}; mend or leave it out", Printable(path.string()), error.what()));
    }
  };
  const ImagePipeline pipeline(shape, decode,
                               [&] { return MakeBatchEncoder(encoder, compute, shape); });
  pipeline.Run(
      ranges,
      [&](const ShardRange& range, std::vector<float> values, std::vector<std::string> reasons) {
        for (std::int64_t i = range.first; i < range.first + range.count; ++i) {
          const auto told = notes.Tell(i, paths[static_cast<std::size_t>(i)]);
          noted.insert(noted.end(), told.begin(), told.end());
        }
        const at::Tensor rows =
            at::from_blob(values.data(), {range.count, shape.width}, at::kFloat).clone();
        receive(range, rows / rows.norm(2, {-1}, /*keepdim=*/true), reasons);
      },
      tick);
  return CountNotes(noted);
}

}  // namespace clipsweep
