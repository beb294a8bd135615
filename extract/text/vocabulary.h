// The CLIP vocabulary inside the binary.
#pragma once

#include <string>

namespace clipsweep {

// The unpacked text of bpe_simple_vocab_16e6.txt.gz: a header line, then one merge a line.
std::string VocabularyText();

}  // namespace clipsweep
