#include "extract/pipeline/picture_files.h"

#include <fmt/core.h>

#include <algorithm>

#include "common/compute/tensors.h"
#include "common/data/folder_scan.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "extract/images/image_decode.h"
#include "extract/images/preprocess.h"
#include "extract/images/read_picture.h"
#include "extract/pipeline/batch_encoders.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;

std::string Sentences(const LeftOut& left_out) {
  std::string text;
  for (const std::string& line : left_out.Lines()) text += "; " + line;
  return text;
}

}  // namespace

FoundPictures FindPictures(const std::vector<fs::path>& given, bool deep) {
  FoundPictures found;
  for (const fs::path& path : given) {
    std::error_code code;
    if (!fs::is_directory(path, code)) {
      found.paths.push_back(path);
      continue;
    }
    FolderWalk walk(path);
    std::vector<fs::path> inside = walk.Pictures(path, deep);
    std::sort(inside.begin(), inside.end());
    found.paths.insert(found.paths.end(), inside.begin(), inside.end());
    found.left_out.Add(walk.left_out());
  }
  if (found.paths.empty()) {
    throw InputError(fmt::format("--images: no picture there{}; give files or their folder",
                                 Sentences(found.left_out)));
  }
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
    try {
      const Image whole = DecodeImage(ReadPicture(path), limits);
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
