// Where checkpoints are: a path, or a name looked for in the usual folders.
#pragma once

#include <filesystem>
#include <string>

namespace clipsweep {

// `spec` is a file; or a folder with open_clip_model.safetensors or model.safetensors in it, or the
// index of one in shards (model.safetensors.index.json), as the hubs lay out a model; or a name
// such as RN50 or ViT-B/32 ('/' and '@' become '-'), looked for as NAME.safetensors, NAME.pt or a
// folder NAME in $CLIPSWEEP_MODELS, then as NAME.pt in
// ~/.cache/clip, where OpenAI's package keeps its downloads. Throws InputError saying where it
// looked, or what a folder has instead.
std::filesystem::path FindModel(const std::string& spec);

}  // namespace clipsweep
