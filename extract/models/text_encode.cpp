#include "extract/models/text_encode.h"

#include <algorithm>

#include "common/compute/tensors.h"
#include "common/process/log.h"

namespace clipsweep {

at::Tensor EncodePrompts(const ClipText& encoder, const Tokenizer& tokenizer, std::int64_t context,
                         const std::vector<std::string>& prompts) {
  constexpr std::int64_t kBatch = 16;
  const auto count = static_cast<std::int64_t>(prompts.size());
  const std::int64_t padded = (count + kBatch - 1) / kBatch * kBatch;
  at::Tensor tokens = at::zeros({padded, context}, at::kLong);
  tokens.select(1, 0).fill_(tokenizer.end_token());  // what padding rows say
  auto* rows = tokens.mutable_data_ptr<std::int64_t>();
  for (std::int64_t p = 0; p < count; ++p) {
    const std::string& prompt = prompts[static_cast<std::size_t>(p)];
    bool cut = false;
    const auto encoded = tokenizer.EncodePadded(prompt, context, &cut);
    if (cut)
      LogWarning("text: '{}' is longer than {} tokens and was cut", Printable(prompt), context);
    std::copy(encoded.begin(), encoded.end(), rows + p * context);
  }
  std::vector<at::Tensor> parts;
  for (std::int64_t row = 0; row < padded; row += kBatch) {
    parts.push_back(encoder.Encode(tokens.narrow(0, row, kBatch)).to(at::kCPU, at::kFloat));
  }
  return at::cat(parts).narrow(0, 0, count);
}

}  // namespace clipsweep
