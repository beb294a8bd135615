#include "extract/checkpoints/other_models.h"

#include <fmt/core.h>

#include <array>

#include "common/process/log.h"

namespace clipsweep {

std::string OtherModel(const Weights& weights) {
  struct Sign {
    const char* part;  // of a tensor's name
    const char* what;
    const char* advice;
  };
  constexpr const char* kClip = "give a CLIP checkpoint";
  constexpr const char* kFloats = "give the model in float32, float16 or bfloat16";
  static const std::array<Sign, 32> kSigns{{
      {"lora_", "a LoRA adapter, not a model",
       "merge it into its base model (merge_and_unload) and save that"},
      {".qweight", "quantised (GPTQ or AWQ)", kFloats},
      {".SCB", "quantised (bitsandbytes)", kFloats},
      {".absmax", "quantised (bitsandbytes)", kFloats},
      {".quant_map", "quantised (bitsandbytes)", kFloats},
      {".weight_scale", "quantised", kFloats},
      {"._packed_params", "quantised (PyTorch)", kFloats},
      {"logit_bias", "a SigLIP model", kClip},
      {"vision_model.head.probe", "a SigLIP model", kClip},
      {"qformer.", "a BLIP-2 model", kClip},
      {"text_decoder.bert.", "a BLIP model", kClip},
      {"text_encoder.encoder.layer.", "a BLIP or ALBEF model", kClip},
      {"text_encoder.bert.", "a BLIP or ALBEF model", kClip},
      {"text_decoder.", "a CoCa model", kClip},
      {"multi_modal_projector.", "a vision-language model (LLaVA or the like)", kClip},
      {"language_model.", "a vision-language model", kClip},
      {"visual.trunk.", "an open_clip model with an image encoder of timm (EVA, ConvNeXt, SigLIP)",
       "clipsweep computes OpenAI's ResNets and vision transformers"},
      {"text.token_embedding.", "an open_clip CustomTextCLIP, whose text encoder is apart", kClip},
      {"text.transformer.", "an open_clip CustomTextCLIP, whose text encoder is another", kClip},
      {"text_model.embeddings.word_embeddings.", "a CLIP with a BERT (Chinese-CLIP, ALIGN)", kClip},
      {"text_model.encoder.layer.", "a CLIP with a BERT (Chinese-CLIP, ALIGN)", kClip},
      {"text_model.roberta.", "an AltCLIP model", kClip},
      {"roberta.", "a text model (RoBERTa)", kClip},
      {"bert.", "a text model (BERT)", kClip},
      {"embed_tokens.", "a language model", kClip},
      {"model.diffusion_model.", "a Stable Diffusion model", kClip},
      {"diffusion_model.", "a Stable Diffusion model", kClip},
      {"down_blocks.", "a diffusion model's U-Net", kClip},
      {"embeddings.cls_token", "an image model without text (ViT, DINOv2)", kClip},
      {"cls_token", "an image model without text (ViT, DINO, MAE)", kClip},
      {"embeddings.patch_embeddings.", "an image model without text (ViT)", kClip},
      {"patch_embed.", "an image model without text (ViT, Swin, DINO)", kClip},
  }};
  const auto names = weights.Names();
  for (const Sign& sign : kSigns) {
    for (const std::string& name : names) {
      if (name.find(sign.part) == std::string::npos) continue;
      return fmt::format("is {} (tensor '{}'); {}", sign.what, Printable(name), sign.advice);
    }
  }
  if (weights.Has("layer1.0.conv1.weight") && weights.Has("fc.weight")) {
    return fmt::format("is an image model without text (ResNet, tensor 'fc.weight'); {}", kClip);
  }
  return "";
}

}  // namespace clipsweep
