// libFuzzer target: any text ends in token numbers of the vocabulary or an Error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "common/process/error.h"
#include "extract/text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const clipsweep::Tokenizer tokenizer;
  try {
    const auto tokens = tokenizer.EncodePadded(
        std::string_view(reinterpret_cast<const char*>(data), size), /*context=*/77);
    if (tokens.size() != 77 || tokens[0] != tokenizer.start_token()) std::abort();
    for (const std::int32_t token : tokens) {
      if (token < 0 || token >= tokenizer.size()) std::abort();
    }
  } catch (const clipsweep::Error&) {
  }
  return 0;
}
