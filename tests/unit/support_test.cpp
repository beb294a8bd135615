// Hashes, agreement, logs.
#include <gtest/gtest.h>

#include "common/comm/comm.h"
#include "common/compute/random.h"
#include "common/disk/atomic_file.h"
#include "common/disk/sha256.h"
#include "common/disk/text_input.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "common/process/progress.h"
#include "common/process/unsafe_text.h"
#include "tests/support/problems.h"

namespace clipsweep {
namespace {

TEST(Sha256, KnownVectors) {
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(AtomicFile, WritesWholeFilesAndReadsThemBack) {
  const testing::TempFolder folder;
  WriteFileAtomically(folder / "deep/er/a.json", "one");
  WriteFileAtomically(folder / "deep/er/a.json", "two");
  EXPECT_EQ(ReadFile(folder / "deep/er/a.json"), "two");
  EXPECT_FALSE(std::filesystem::exists(folder / "deep/er/a.json.tmp"));
  EXPECT_THROW(ReadFile(folder / "deep/er/a.json", 2), Error);
  EXPECT_THROW(ReadFile(folder / "deep"), Error);
  EXPECT_THROW(ReadFile(folder / "none"), Error);
}

TEST(Random, IsUniformEnoughAndKeyed) {
  EXPECT_NE(Random(1, 2, 3).Next(), Random(1, 2, 4).Next());
  EXPECT_NE(Random(1, 2, 3).Next(), Random(1, 3, 3).Next());
  Random random(5, 0, 0);
  std::vector<int> counts(7, 0);
  for (int i = 0; i < 70000; ++i) ++counts[random.Below(7)];
  for (const int count : counts) EXPECT_NEAR(count, 10000, 500);
}

TEST(Agree, PassesOnKindAndText) {
  SelfComm comm;
  Agree(comm, [] {});
  try {
    Agree(comm, [] { throw UsageError("--x: wrong"); });
    FAIL();
  } catch (const AgreedError& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    EXPECT_STREQ(error.what(), "--x: wrong");
  }
}

TEST(Log, EscapesControlBytesAndChecksLevels) {
  EXPECT_EQ(Printable("a\x1b[31mb\n"), "a\\x1b[31mb\\x0a");
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"\xff", "\\xff"},
      {"\xc3(", "\\xc3("},  // a character cut short
      {"\xe2\x80", "\\xe2\\x80"},
      {"\xc0\xaf", "\\xc0\\xaf"},           // overlong
      {"\xed\xa0\x80", "\\xed\\xa0\\x80"},  // half of a pair
      {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
      {std::string("a\0b", 3), "a\\x00b"},
      {"\xc2\x9b", "\\xc2\\x9b"},               // C1
      {"a\xe2\x80\xa8z", "a\\xe2\\x80\\xa8z"},  // ends a line
      {"0.5 \xc2\xb1 0.1 \xe2\x80\x93 \xf0\x9f\x90\xb1",
       "0.5 \xc2\xb1 0.1 \xe2\x80\x93 \xf0\x9f\x90\xb1"}};
  for (const auto& [raw, shown] : cases) {
    EXPECT_EQ(Printable(raw), shown);
    EXPECT_EQ(Printable(Printable(raw)), Printable(raw));
    EXPECT_EQ(PrintableLines(raw + "\n\t" + raw), shown + "\n\t" + shown);
    EXPECT_EQ(FirstNotUtf8(ReplacedText(raw)), std::string_view::npos);
  }
  EXPECT_THROW(ParseLogLevel("loud"), Error);
  EXPECT_EQ(FormatSeconds(8.2), "9 s");
  EXPECT_EQ(FormatSeconds(125), "2:05");
  EXPECT_EQ(FormatSeconds(3723), "1:02:03");
}

}  // namespace
}  // namespace clipsweep
