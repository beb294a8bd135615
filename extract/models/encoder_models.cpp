#include "extract/models/encoder_models.h"

#include <fmt/core.h>

#include "common/compute/tensors.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "extract/models/clip_resnet.h"
#include "extract/models/clip_vit.h"
#include "extract/models/pixel_scale.h"

namespace clipsweep {
namespace {

template <typename Model>
class Encoder final : public ImageEncoder {
 public:
  Encoder(const Checkpoint& checkpoint, const EncoderOptions& options)
      : scale_(checkpoint.config(), options), model_(checkpoint, options) {}
  at::Tensor Encode(const at::Tensor& pixels) const override {
    return model_.Encode(scale_.Apply(pixels)).to(at::kFloat);
  }

 private:
  PixelScale scale_;
  Model model_;
};

}  // namespace

at::ScalarType ParsePrecision(const std::string& text) {
  if (text == "f32") return at::kFloat;
  if (text == "f16") return at::kHalf;
  if (text == "bf16") return at::kBFloat16;
  throw UsageError(fmt::format("--precision: '{}' is not one of f32, f16, bf16", Printable(text)));
}

std::unique_ptr<ImageEncoder> MakeImageEncoder(const Checkpoint& checkpoint,
                                               const EncoderOptions& options) {
  switch (checkpoint.config().family) {
    case VisionFamily::kResNet: return std::make_unique<Encoder<ClipResNet>>(checkpoint, options);
    case VisionFamily::kViT: return std::make_unique<Encoder<ClipViT>>(checkpoint, options);
  }
  throw Error(ExitCode::kInternal, "unknown vision family");
}

}  // namespace clipsweep
