#include "sweep/math/grid.h"

#include <gtest/gtest.h>

#include "common/process/error.h"

namespace clipsweep {
namespace {

ExitCode CodeOf(const std::string& text) {
  try {
    ParseAxis(text, "--alpha");
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("--alpha"), std::string::npos);
    return error.code();
  }
  return ExitCode::kDone;
}

TEST(Axis, IsHalfOpen) {
  const Axis axis = ParseAxis("0.5:2.5:0.02", "--alpha");
  EXPECT_EQ(axis.count, 100);
  EXPECT_DOUBLE_EQ(axis.At(0), 0.5);
  EXPECT_NEAR(axis.At(99), 2.48, 1e-12);
  EXPECT_EQ(ParseAxis("3:7:0.1", "--beta").count, 40);
  EXPECT_EQ(ParseAxis("0.1:3:0.01", "--alpha").count, 290);
  EXPECT_EQ(ParseAxis("1.1", "--alpha").count, 1);
}

TEST(Axis, RefusesWhatIsNoGrid) {
  EXPECT_EQ(CodeOf("a:b:c"), ExitCode::kUsage);
  EXPECT_EQ(CodeOf("1:2"), ExitCode::kUsage);
  EXPECT_EQ(CodeOf(""), ExitCode::kUsage);
  EXPECT_EQ(CodeOf("2:1:0.1"), ExitCode::kBadInput);
  EXPECT_EQ(CodeOf("1:1:0.1"), ExitCode::kBadInput);
  EXPECT_EQ(CodeOf("1:2:0"), ExitCode::kBadInput);
  EXPECT_EQ(CodeOf("1:2:-1"), ExitCode::kBadInput);
  EXPECT_EQ(CodeOf("nan:2:0.1"), ExitCode::kBadInput);
  EXPECT_EQ(CodeOf("1:inf:0.1"), ExitCode::kBadInput);
  EXPECT_EQ(CodeOf("-1:2:0.1"), ExitCode::kBadInput);
  EXPECT_EQ(CodeOf("0:1:1e-12"), ExitCode::kBadInput);
}

TEST(Integers, ListsAndRanges) {
  EXPECT_EQ(ParseIntegers("1,5,16", "--shots", 1), (std::vector<std::int64_t>{1, 5, 16}));
  EXPECT_EQ(ParseIntegers("31:34", "--subset-seeds", 0), (std::vector<std::int64_t>{31, 32, 33}));
  for (const char* bad : {"", "1,1", "0", "x", "5:3", "1,,2", "1.5"}) {
    EXPECT_THROW(ParseIntegers(bad, "--shots", 1), Error) << bad;
  }
}

}  // namespace
}  // namespace clipsweep
