#include "extract/similarity.h"

#include <ATen/ATen.h>
#include <fmt/core.h>

#include <algorithm>
#include <sstream>

#include "common/atomic_file.h"
#include "common/class_names.h"
#include "common/error.h"
#include "common/image_list.h"
#include "common/log.h"
#include "extract/batch_encoders.h"
#include "extract/image_decode.h"
#include "extract/preprocess.h"
#include "extract/text_encode.h"
#include "extract/thumbnail.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kMost = 64;
constexpr int kThumbnail = 112;
constexpr double kLogitScale = 100;

std::vector<fs::path> FindImages(const std::vector<fs::path>& given) {
  std::vector<fs::path> found;
  for (const fs::path& path : given) {
    std::error_code code;
    if (!fs::is_directory(path, code)) {
      found.push_back(path);
      continue;
    }
    std::vector<fs::path> inside;
    fs::directory_iterator entry(path, code);
    for (; !code && entry != fs::directory_iterator(); entry.increment(code)) {
      if (IsImageName(entry->path())) inside.push_back(entry->path());
    }
    if (code) {
      throw InputError(fmt::format("{}: cannot be listed ({}); check --images",
                                   Printable(path.string()), code.message()));
    }
    std::sort(inside.begin(), inside.end());
    found.insert(found.end(), inside.begin(), inside.end());
  }
  if (found.empty()) throw InputError("--images: no picture there; give files or their folder");
  if (found.size() > kMost) {
    throw InputError(
        fmt::format("--images: {} pictures, {} make a page one can read", found.size(), kMost));
  }
  return found;
}

std::vector<std::string> ReadTexts(const fs::path& path) {
  std::vector<std::string> texts;
  std::istringstream lines(ReadFile(path));
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) texts.push_back(line);
  }
  if (texts.empty() || texts.size() > kMost) {
    throw InputError(fmt::format("{}: {} texts; 1 to {} make a page one can read", path.string(),
                                 texts.size(), kMost));
  }
  return texts;
}

Image ReadImage(const fs::path& path) {
  try {
    return DecodeImage(ReadFile(path, kMaxImageBytes));
  } catch (const ImageError& error) {
    throw InputError(
        fmt::format("{}: {}; mend or leave it out", Printable(path.string()), error.what()));
  }
}

// Unit rows [N, D].
at::Tensor EncodeImages(const ImageEncoder& encoder, const ModelConfig& model,
                        const std::vector<fs::path>& paths, const Compute& compute) {
  PipelineShape shape;
  shape.decoders = shape.encoders = compute.on_gpu() ? 1 : compute.workers;
  shape.image_size = model.image_size;
  shape.width = model.embed_dim;
  shape.pinned = compute.on_gpu();
  const auto count = static_cast<std::int64_t>(paths.size());
  at::Tensor features = at::empty({count, shape.width});
  const ImagePipeline pipeline(
      shape,
      [&](std::int64_t image, std::uint8_t* pixels) {
        const Image square =
            ResizeAndCrop(ReadImage(paths[static_cast<std::size_t>(image)]), model.image_size);
        std::ranges::copy(square.rgb, pixels);
        return std::string();
      },
      [&] { return MakeBatchEncoder(encoder, compute, shape); });
  pipeline.Run(
      {{0, 0, count}},
      [&](const ShardRange&, std::vector<float> values, std::vector<std::string>) {
        std::ranges::copy(values, features.mutable_data_ptr<float>());
      },
      [](std::int64_t) {});
  return features / features.norm(2, {-1}, /*keepdim=*/true);
}

std::vector<std::vector<float>> Rows(const at::Tensor& matrix) {
  const at::Tensor plain = matrix.contiguous();
  std::vector<std::vector<float>> rows;
  for (std::int64_t r = 0; r < plain.size(0); ++r) {
    const auto* row = plain.const_data_ptr<float>() + r * plain.size(1);
    rows.emplace_back(row, row + plain.size(1));
  }
  return rows;
}

}  // namespace

Similarity ComputeSimilarity(const SimilarityConfig& config, const Compute& compute) {
  Similarity result;
  result.images = FindImages(config.images);
  result.texts = ReadTexts(config.texts);
  const auto checkpoint = OpenCheckpoint(config.model);
  const ModelConfig& model = checkpoint->config();
  result.model = model.name;
  const EncoderOptions options = MakeEncoderOptions(config.model, compute);
  const auto images = MakeImageEncoder(*checkpoint, options);
  const ClipText text_encoder(*checkpoint, options);
  checkpoint->Close();

  std::vector<std::string> prompts;
  for (const std::string& text : result.texts) {
    prompts.push_back(FillTemplate(config.text_template, text));
  }
  const at::Tensor texts = EncodePrompts(text_encoder, Tokenizer(), model.context_length, prompts);
  const at::Tensor cosines =
      at::matmul(texts, EncodeImages(*images, model, result.images, compute).t());  // [T, N]
  if (!at::isfinite(cosines).all().item<bool>()) {
    throw InputError(fmt::format("{}: the encoders gave values that are not finite",
                                 checkpoint->path().string()));
  }
  result.cosines = Rows(cosines);
  result.probabilities = Rows(at::softmax(kLogitScale * cosines, 0));
  for (const fs::path& path : result.images) {
    result.thumbnails.push_back(ThumbnailUrl(ReadImage(path), kThumbnail));
  }
  return result;
}

}  // namespace clipsweep
