// Hashes, agreement, logs.
#include <gtest/gtest.h>

#include "common/atomic_file.h"
#include "common/comm.h"
#include "common/error.h"
#include "common/log.h"
#include "common/progress.h"
#include "common/random.h"
#include "common/sha256.h"
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
  EXPECT_THROW(ParseLogLevel("loud"), Error);
  EXPECT_EQ(FormatSeconds(8.2), "9 s");
  EXPECT_EQ(FormatSeconds(125), "2:05");
  EXPECT_EQ(FormatSeconds(3723), "1:02:03");
}

}  // namespace
}  // namespace clipsweep
