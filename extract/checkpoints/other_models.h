// Checkpoints of other models, told by their tensors' names, so that a refusal says what it got.
#pragma once

#include <string>

#include "extract/checkpoints/weights.h"

namespace clipsweep {

// "a SigLIP model (tensor 'logit_bias')", with what to give instead; "" for what may be a CLIP.
std::string OtherModel(const Weights& weights);

}  // namespace clipsweep
