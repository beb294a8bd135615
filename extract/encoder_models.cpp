#include "extract/encoder_models.h"

#include <fmt/core.h>

#include "common/error.h"
#include "extract/clip_resnet.h"

namespace clipsweep {
namespace {

template <typename Model>
class Encoder final : public ImageEncoder {
 public:
  Encoder(const Checkpoint& checkpoint, const std::string& device)
      : model_(checkpoint, at::Device(device)) {}
  at::Tensor Encode(const at::Tensor& images) const override { return model_.Encode(images); }

 private:
  Model model_;
};

}  // namespace

std::unique_ptr<ImageEncoder> MakeImageEncoder(const Checkpoint& checkpoint,
                                               const std::string& device) {
  switch (checkpoint.config().family) {
    case VisionFamily::kResNet: return std::make_unique<Encoder<ClipResNet>>(checkpoint, device);
    case VisionFamily::kViT: break;
  }
  throw InputError(fmt::format(
      "{}: {} is a vision transformer, which this version cannot encode; use one of the RN models",
      checkpoint.path().string(), checkpoint.config().name));
}

}  // namespace clipsweep
