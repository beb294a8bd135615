#include "extract/similarity.h"

#include <fmt/core.h>

#include <algorithm>

#include "common/compute/tensors.h"
#include "common/data/class_names.h"
#include "common/disk/atomic_file.h"
#include "common/disk/text_input.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "extract/images/image_decode.h"
#include "extract/images/read_picture.h"
#include "extract/images/thumbnail.h"
#include "extract/models/text_encode.h"
#include "extract/pipeline/picture_files.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kMost = 64;
constexpr int kThumbnail = 112;

std::vector<std::string> ReadTexts(const fs::path& path) {
  std::vector<std::string> texts;
  for (TextLine& line : ReadTextLines(path)) texts.push_back(std::move(line.text));
  if (texts.empty() || texts.size() > kMost) {
    throw InputError(fmt::format("{}: {} texts; 1 to {} make a page one can read", path.string(),
                                 texts.size(), kMost));
  }
  return texts;
}

Image ReadImage(const fs::path& path, const DecodeLimits& limits) {
  try {
    return DecodeImage(ReadPicture(path), limits);
  } catch (const ImageError& error) {
    throw InputError(
        fmt::format("{}: {}; mend or leave it out", Printable(path.string()), error.what()));
  }
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
  FoundPictures found = FindPictures(config.images, /*deep=*/false);
  result.images = std::move(found.paths);
  result.left_out = std::move(found.left_out);
  if (result.images.size() > kMost) {
    throw InputError(fmt::format("--images: {} pictures, {} make a page one can read",
                                 result.images.size(), kMost));
  }
  result.texts = ReadTexts(config.texts);
  const auto checkpoint = OpenCheckpoint(config.model);
  const ModelConfig& model = checkpoint->config();
  result.model = model.name;
  const EncoderOptions options = MakeEncoderOptions(config.model, compute);
  const auto images = MakeImageEncoder(*checkpoint, options);
  const ClipText text_encoder(*checkpoint, options);

  std::vector<std::string> prompts;
  for (const std::string& text : result.texts) {
    prompts.push_back(FillTemplate(config.text_template, text));
  }
  const at::Tensor raw = EncodePrompts(text_encoder, Tokenizer(), model.context_length, prompts);
  const at::Tensor texts = raw / raw.norm(2, {-1}, /*keepdim=*/true);
  at::Tensor features;
  const auto count = static_cast<std::int64_t>(result.images.size());
  result.image_warnings = EncodePictures(
      *images, model, result.images, {{0, 0, count}}, /*skip_bad=*/false, config.model.decode,
      compute, [&](const ShardRange&, const at::Tensor& rows, const auto&) { features = rows; },
      [](std::int64_t) {});
  const at::Tensor cosines = at::matmul(texts, features.t());  // [T, N]
  if (!at::isfinite(cosines).all().item<bool>()) {
    throw InputError(fmt::format("{}: the encoders gave values that are not finite",
                                 checkpoint->path().string()));
  }
  result.cosines = Rows(cosines);
  result.probabilities = Rows(at::softmax(checkpoint->LogitScale() * cosines, 0));
  for (const fs::path& path : result.images) {
    result.thumbnails.push_back(ThumbnailUrl(ReadImage(path, config.model.decode), kThumbnail));
  }
  return result;
}

}  // namespace clipsweep
