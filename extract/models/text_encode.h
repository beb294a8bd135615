// Prompts -> text features, in batches of fixed size.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "extract/models/clip_text.h"
#include "extract/text/tokenizer.h"

namespace clipsweep {

// Rows [P, D] float32 on the CPU, as the encoder gives them. A prompt longer than `context` tokens
// is cut, with a warning. A prompt's row does not depend on the others' number.
at::Tensor EncodePrompts(const ClipText& encoder, const Tokenizer& tokenizer, std::int64_t context,
                         const std::vector<std::string>& prompts);

}  // namespace clipsweep
