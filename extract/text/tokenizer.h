// CLIP's byte-pair tokenizer (openai/CLIP simple_tokenizer.py): cleaned (CleanText), lower-cased
// text, split into letters, single digits and punctuation runs, merged by the 48,894 merges of
// bpe_simple_vocab_16e6.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace clipsweep {

class Tokenizer {
 public:
  Tokenizer();

  // Token numbers without start and end. Invalid UTF-8 becomes U+FFFD.
  std::vector<std::int32_t> Encode(std::string_view text) const;

  // <start> tokens <end>, padded with 0 to `context` values. Longer text is cut and its last token
  // made <end>, as open_clip does; `*cut` tells so when given.
  std::vector<std::int32_t> EncodePadded(std::string_view text, std::int64_t context,
                                         bool* cut = nullptr) const;

  std::int32_t start_token() const { return start_; }
  std::int32_t end_token() const { return end_; }
  std::int32_t size() const { return end_ + 1; }  // 49408

 private:
  void EncodeWord(const std::string& word, std::vector<std::int32_t>& out) const;

  std::unordered_map<std::string, std::int32_t> id_of_;       // token text -> number
  std::unordered_map<std::string, std::int32_t> merge_rank_;  // "left right" -> order of learning
  std::vector<std::string> byte_text_;  // [256] byte -> its printable stand-in
  std::int32_t start_ = 0, end_ = 0;
};

}  // namespace clipsweep
