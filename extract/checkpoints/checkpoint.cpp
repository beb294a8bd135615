#include "extract/checkpoints/checkpoint.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "common/compute/tensors.h"
#include "common/disk/sha256.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "extract/checkpoints/config_section.h"
#include "extract/checkpoints/model_settings.h"
#include "extract/checkpoints/other_models.h"
#include "extract/checkpoints/sharded_safetensors.h"
#include "extract/checkpoints/wrapped_names.h"

namespace clipsweep {
namespace {

// How many consecutive numbers from 0 have a tensor `prefix<number>suffix`.
int CountBlocks(const Weights& weights, const std::string& prefix, const std::string& suffix) {
  int count = 0;
  while (weights.Has(fmt::format("{}{}{}", prefix, count, suffix))) ++count;
  return count;
}

constexpr int kWidestOfOpenAi = 1024;  // ViT-L/14
constexpr const char* kTextMark = "token_embedding.weight";
constexpr const char* kImageMark = "visual.conv1.weight";

// What a checkpoint with one of the encoders is good for.
std::string OneEncoder(bool vision) {
  return vision ? "has the image encoder only; extract works with it, whatever needs texts wants a "
                  "whole CLIP"
                : "has the text encoder only; text works with it, whatever needs images wants a "
                  "whole CLIP";
}

int SquareRoot(std::int64_t value) {
  std::int64_t root = 0;
  while ((root + 1) * (root + 1) <= value) ++root;
  return root * root == value ? static_cast<int>(root) : -1;
}

// "model_type siglip", as config.json says it; "" where it does not.
std::string ModelType(const std::optional<ConfigSection>& config) {
  if (!config || !config->Has("model_type")) return "";
  return fmt::format("model_type {}", config->json["model_type"].dump().substr(0, 60));
}

std::optional<bool> ParseActivation(const std::string& text) {
  if (text == "quickgelu") return true;
  if (text == "gelu") return false;
  if (text == "auto") return std::nullopt;
  throw UsageError(
      fmt::format("--activation: '{}' is not one of auto, quickgelu, gelu", Printable(text)));
}

// "model-00001-of-00003.safetensors"; one of one is the whole model.
bool IsOneOfSeveral(const std::string& name) {
  const std::size_t of = name.find("-of-");
  if (of == std::string::npos) return false;
  const std::size_t first = of + 4, last = name.find_first_not_of("0123456789", first);
  const std::string number = name.substr(first, last - first);
  const std::size_t digit = number.find_first_not_of('0');
  return digit != std::string::npos && number.substr(digit) != "1";
}

}  // namespace

Checkpoint::Checkpoint(const std::filesystem::path& path, const CheckpointOptions& options)
    : path_(path) {
  const FileKind kind = TellFileKind(path);
  // An archive is opened only once its hash is known; what is wrong with another file's header is
  // said before gigabytes are hashed.
  if (kind == FileKind::kTorchScript) sha256_ = FileSha256(path);
  const bool published = !ModelOfPublishedArchive(sha256_).empty();
  OpenedWeights opened = OpenWeights(path, kind, published || options.trusted);
  if (kind == FileKind::kSafetensors) sha256_ = FileSha256(path);
  if (kind == FileKind::kSafetensorsIndex) sha256_ = ShardsSha256(path);
  form_ = opened.form;
  for (const std::string& line : opened.remarks) Remark(line);
  RefuseOthers(*opened.weights);
  config_ = ReadConfig(opened, options);
  weights_ = std::move(opened.weights);
  CheckTensors();
  const bool has_vision = weights_->Has(kImageMark);
  if (!has_vision || !weights_->Has(kTextMark)) {
    Remark(fmt::format("{}: {}", path_.string(), OneEncoder(has_vision)));
  }
}

void Checkpoint::Remark(const std::string& line) {
  LogWarning("{}", line);
  remarks_.push_back(line);
}

void Checkpoint::RefuseOthers(const Weights& file) const {
  const std::string other = OtherModel(file);
  if (!other.empty()) throw InputError(fmt::format("{}: {}", path_.string(), other));
  if (IsOneOfSeveral(path_.filename().string())) {
    throw InputError(
        fmt::format("{}: is one shard of a model; give the folder, or its index", path_.string()));
  }
  if (file.Has(kTextMark) || file.Has(kImageMark)) return;
  const std::string type = ModelType(ReadConfigBeside(path_, "config.json"));
  if (const std::vector<std::string> prefixes = PrefixesOf(file); !prefixes.empty()) {
    throw InputError(fmt::format("{}: names of CLIP's tensors begin with '{}'; take that off: {}",
                                 path_.string(),
                                 Printable(fmt::format("{}", fmt::join(prefixes, "' or '"))),
                                 ConvertCommand(path_, prefixes.front())));
  }
  throw InputError(fmt::format(
      "{}: has no CLIP image and text encoder under open_clip's, OpenAI's or Hugging "
      "Face's tensor names{}; give a CLIP checkpoint",
      path_.string(), type.empty() ? "" : fmt::format(" (config.json says {})", Printable(type))));
}

ModelConfig Checkpoint::ReadConfig(const OpenedWeights& opened, const CheckpointOptions& options) {
  const std::string shown = path_.string();
  const Weights& file = *opened.weights;
  const bool has_text = file.Has(kTextMark), has_vision = file.Has(kImageMark);
  const auto side = [&](const std::string& name, std::size_t dims, std::size_t axis) {
    const auto& found = file.Shape(name);
    if (found.size() != dims) {
      throw InputError(fmt::format("{}: tensor '{}' has {} dimensions, {} needed", shown, name,
                                   found.size(), dims));
    }
    if (found[axis] < 1 || found[axis] > 1'000'000) {
      throw InputError(fmt::format("{}: tensor '{}' has a side of {}; is the checkpoint damaged?",
                                   shown, name, found[axis]));
    }
    return static_cast<int>(found[axis]);
  };
  const ModelSettings settings =
      ReadModelSettings(path_, opened, !ModelOfPublishedArchive(sha256_).empty());
  for (const std::string& line : settings.remarks) Remark(line);
  pixels_from_ = settings.pixels_from;
  ModelConfig config;
  config.name = "custom";
  int heads_width = 0;
  if (has_vision && file.Has("visual.class_embedding")) {
    config.family = VisionFamily::kViT;
    config.vision_width = heads_width = side(kImageMark, 4, 0);
    config.patch_size = side(kImageMark, 4, 2);
    config.embed_dim = side("visual.proj", 2, 1);
    config.vision_layers[0] = CountBlocks(file, "visual.transformer.resblocks.", ".ln_1.weight");
    if (config.vision_layers[0] > 0) {
      config.vision_mlp = side("visual.transformer.resblocks.0.mlp.c_fc.weight", 2, 0);
    }
    config.image_size =
        SquareRoot(side("visual.positional_embedding", 2, 0) - 1) * config.patch_size;
  } else if (has_vision) {
    config.vision_width = side(kImageMark, 4, 0) * 2;
    heads_width = config.vision_width * 32;
    config.embed_dim = side("visual.attnpool.c_proj.weight", 2, 0);
    for (std::size_t stage = 0; stage < 4; ++stage) {
      config.vision_layers[stage] =
          CountBlocks(file, fmt::format("visual.layer{}.", stage + 1), ".conv1.weight");
    }
    config.image_size = SquareRoot(side("visual.attnpool.positional_embedding", 2, 0) - 1) * 32;
  }
  if (has_text) {
    config.vocab_size = side(kTextMark, 2, 0);
    config.text_width = side(kTextMark, 2, 1);
    config.text_heads = settings.text_heads.value_or(std::max(1, config.text_width / 64));
    config.text_layers = CountBlocks(file, "transformer.resblocks.", ".ln_1.weight");
    config.context_length = side("positional_embedding", 2, 0);
    config.embed_dim = side("text_projection", 2, 1);
    if (config.text_layers > 0) {
      config.text_mlp = side("transformer.resblocks.0.mlp.c_fc.weight", 2, 0);
    }
  }
  config.vision_heads = settings.vision_heads.value_or(heads_width / settings.vision_head_width);
  const auto divides = [](int width, int heads) { return heads > 0 && width % heads == 0; };
  const bool layers = config.family == VisionFamily::kViT
                          ? config.vision_layers[0] > 0
                          : std::ranges::all_of(config.vision_layers, [](int n) { return n > 0; });
  const bool vision_fits = config.image_size > 0 && config.image_size <= 10'000 && layers &&
                           divides(heads_width, config.vision_heads);
  const bool text_fits = config.text_layers > 0 && config.context_length >= 3 &&
                         divides(config.text_width, config.text_heads);
  if ((has_vision && !vision_fits) || (has_text && !text_fits)) {
    throw InputError(fmt::format(
        "{}: its tensors and configuration describe no CLIP model clipsweep knows", shown));
  }
  if (config.vocab_size != 49408) {
    throw InputError(fmt::format("{}: vocabulary of {} tokens, CLIP's tokenizer has 49408", shown,
                                 config.vocab_size));
  }
  config.mean = settings.mean.value_or(config.mean);
  config.deviation = settings.deviation.value_or(config.deviation);
  for (const ModelConfig& known : KnownModels()) {
    if (known.SameShape(config)) config.name = known.name;
  }
  for (const ModelSettings::Size& size : settings.sizes) {
    const int found = config.*size.field;
    if (found == size.value || (found == 0 && !(has_text && has_vision))) continue;
    throw InputError(fmt::format(
        "{} is {}, the tensors of {} say {}; does this configuration belong to another model?",
        size.where, size.value, shown, found));
  }
  if (config.name == "custom" && !settings.heads_stated) {
    const std::string wanted_file =
        opened.form == CheckpointForm::kHuggingFace ? "config.json" : "open_clip_config.json";
    // The larger released vision transformers (ViT-H, ViT-g, ViT-bigG) have wider heads.
    if (config.family == VisionFamily::kViT && config.vision_width > kWidestOfOpenAi) {
      throw InputError(fmt::format(
          "{}: nothing says how many attention heads this size has; put its {} beside it", shown,
          wanted_file));
    }
    Remark(fmt::format(
        "{}: heads are taken to be 64 channels wide, as OpenAI's; its {} beside it would say",
        shown, wanted_file));
  }
  const auto wanted = ParseActivation(options.activation);
  config.quick_gelu = wanted ? wanted : settings.quick_gelu;
  return config;
}

void Checkpoint::CheckTensors() {
  const auto wanted = TensorsOf(config_);
  for (const auto& [name, spec] : wanted) {
    if (!weights_->Has(name)) {
      if (name == "logit_scale") continue;  // features do not depend on it
      throw InputError(fmt::format("{}: tensor '{}' is missing; is it a whole CLIP checkpoint?",
                                   path_.string(), name));
    }
    static const std::set<std::string> kFloats{"F64", "F32", "F16", "BF16"};
    if (const std::string type = weights_->Type(name); kFloats.count(type) == 0) {
      throw InputError(fmt::format(
          "{}: tensor '{}' is {}, weights must be F64, F32, F16 or BF16; is the model quantised?",
          path_.string(), name, Printable(type)));
    }
    const auto& found = weights_->Shape(name);
    if (found != spec.shape && !(spec.shape.empty() && found == std::vector<std::int64_t>{1})) {
      throw InputError(
          fmt::format("{}: tensor '{}' is [{}], the model needs [{}]; is it another model?",
                      path_.string(), name, fmt::join(found, ", "), fmt::join(spec.shape, ", ")));
    }
    std::int64_t count = spec.parameter ? 1 : 0;
    for (const std::int64_t side : found) count *= side;
    parameters_ += count;
  }
  for (const std::string& name : weights_->Names()) {
    if (wanted.count(name) > 0 || IsIgnoredTensor(name)) continue;
    throw InputError(fmt::format(
        "{}: has a tensor '{}' that no CLIP model clipsweep knows has; its features would "
        "not be this model's",
        path_.string(), Printable(name)));
  }
}

std::string Checkpoint::ActivationName() const {
  if (!config_.quick_gelu) return "not stated";
  return *config_.quick_gelu ? "quickgelu" : "gelu";
}

bool Checkpoint::NeedQuickGelu() const {
  if (config_.quick_gelu) return *config_.quick_gelu;
  const bool hugging_face = form_ == CheckpointForm::kHuggingFace;
  throw InputError(fmt::format(
      "{}: says nowhere whether it uses QuickGELU, as OpenAI's models, or GELU; put its {} "
      "beside it, or give --activation quickgelu or gelu",
      path_.string(), hugging_face ? "config.json" : "open_clip_config.json"));
}

void Checkpoint::RequireImageEncoder() const {
  if (config_.has_vision()) return;
  throw InputError(fmt::format("{}: {}", path_.string(), OneEncoder(/*vision=*/false)));
}

void Checkpoint::RequireTextEncoder() const {
  if (config_.has_text()) return;
  throw InputError(fmt::format("{}: {}", path_.string(), OneEncoder(/*vision=*/true)));
}

at::Tensor Checkpoint::Take(const std::string& name) const {
  if (name.starts_with("visual.")) {
    RequireImageEncoder();
  } else {
    RequireTextEncoder();
  }
  at::Tensor tensor = weights_->Load(name);
  if (!at::isfinite(tensor).all().item<bool>()) {
    throw InputError(
        fmt::format("{}: tensor '{}' has values that are not finite; fetch the checkpoint again",
                    path_.string(), name));
  }
  return tensor;
}

double Checkpoint::LogitScale() const {
  if (!weights_->Has("logit_scale")) return 100;
  const double scale = std::exp(weights_->Load("logit_scale").view({-1})[0].item<double>());
  if (!(scale > 1e-6 && scale < 1e6)) {
    throw InputError(fmt::format("{}: 'logit_scale' is {:g} after exp, no scale of logits",
                                 path_.string(), scale));
  }
  return std::stod(fmt::format("{:.4g}", scale));
}

}  // namespace clipsweep
