// Known token sequences; the oracle test compares thousands with open_clip.
#include "extract/text/tokenizer.h"

#include <gtest/gtest.h>

namespace clipsweep {
namespace {

using Tokens = std::vector<std::int32_t>;

TEST(Tokenizer, HelloWorld) {
  const Tokenizer tokenizer;
  EXPECT_EQ(tokenizer.size(), 49408);
  EXPECT_EQ(tokenizer.start_token(), 49406);
  EXPECT_EQ(tokenizer.Encode("Hello World!"), (Tokens{3306, 1002, 256}));
  EXPECT_EQ(tokenizer.Encode("  hello\t\nWORLD !"), (Tokens{3306, 1002, 256}));
  EXPECT_TRUE(tokenizer.Encode("").empty());
}

TEST(Tokenizer, PadsAndCuts) {
  const Tokenizer tokenizer;
  EXPECT_EQ(tokenizer.EncodePadded("hello world", 6), (Tokens{49406, 3306, 1002, 49407, 0, 0}));
  bool cut = false;
  EXPECT_EQ(tokenizer.EncodePadded("hello world", 3, &cut), (Tokens{49406, 3306, 49407}));
  EXPECT_TRUE(cut);
}

TEST(Tokenizer, TakesAnyBytes) {
  const Tokenizer tokenizer;
  std::string all;
  for (int b = 0; b < 256; ++b) all += static_cast<char>(b);
  EXPECT_FALSE(tokenizer.Encode(all).empty());
}

}  // namespace
}  // namespace clipsweep
