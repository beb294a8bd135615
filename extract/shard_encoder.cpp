#include "extract/shard_encoder.h"

#include <ATen/ATen.h>
#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "common/atomic_file.h"
#include "common/error.h"
#include "common/log.h"
#include "extract/image_decode.h"
#include "extract/preprocess.h"

namespace clipsweep {

Shard ShardEncoder::Run(std::int64_t shard, const std::function<void(std::int64_t)>& images_done) {
  const std::int64_t first = shard * plan_.shard_images;
  const std::int64_t count = plan_.ImagesIn(shard);
  const std::int64_t batches = (count + config_.batch - 1) / config_.batch;
  std::vector<float> features(static_cast<std::size_t>(count * plan_.width));
  std::vector<std::string> reasons(static_cast<std::size_t>(count));
  pool_.Run(
      batches,
      [&](std::int64_t batch, int) {
        const std::int64_t at = batch * config_.batch;
        EncodeBatch(first + at, std::min(config_.batch, count - at),
                    features.data() + at * plan_.width, reasons.data() + at);
      },
      [&](std::int64_t done) { images_done(std::min(count, done * config_.batch)); });
  Shard out;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto u = static_cast<std::size_t>(i);
    const std::string& path = plan_.list.paths[static_cast<std::size_t>(first + i)];
    if (!reasons[u].empty()) {
      out.skipped.push_back({first + i, path, reasons[u]});
      continue;
    }
    out.rows.push_back(first + i);
    const auto row = features.begin() + static_cast<std::ptrdiff_t>(i * plan_.width);
    out.features.insert(out.features.end(), row, row + plan_.width);
  }
  return out;
}

void ShardEncoder::EncodeBatch(std::int64_t first, std::int64_t count, float* features,
                               std::string* reasons) const {
  const std::int64_t n = plan_.checkpoint->config().image_size;
  at::Tensor images = at::zeros({config_.batch, 3, n, n});
  for (std::int64_t i = 0; i < count; ++i) {
    const std::string& name = plan_.list.paths[static_cast<std::size_t>(first + i)];
    const auto path = plan_.list.root / name;
    // A file that cannot be read stops the run: it says nothing about the picture.
    const std::string bytes = ReadFile(path, kMaxImageBytes);
    try {
      Preprocess(DecodeImage(bytes), static_cast<int>(n), images[i].mutable_data_ptr<float>());
    } catch (const ImageError& error) {
      if (!config_.skip_bad_images) {
        throw InputError(fmt::format("{}: {}; mend or remove it, or give --on-bad-image skip",
                                     Printable(path.string()), error.what()));
      }
      reasons[i] = error.what();
    }
  }
  const at::Tensor encoded =
      plan_.encoder
          ->Encode(
              images.contiguous(at::MemoryFormat::ChannelsLast).to(at::Device(compute_.device)))
          .to(at::kCPU, at::kFloat)
          .contiguous();
  const auto* values = encoded.const_data_ptr<float>();
  std::copy_n(values, count * plan_.width, features);
  for (std::int64_t i = 0; i < count; ++i) {
    double sum = 0;
    for (std::int64_t d = 0; d < plan_.width; ++d) sum += std::abs(values[i * plan_.width + d]);
    if (reasons[i].empty() && (!std::isfinite(sum) || sum == 0)) {
      throw InputError(fmt::format(
          "{}: its features are {}; check the checkpoint and this image",
          Printable(
              (plan_.list.root / plan_.list.paths[static_cast<std::size_t>(first + i)]).string()),
          sum == 0 ? "all zero" : "not finite"));
    }
  }
}

}  // namespace clipsweep
