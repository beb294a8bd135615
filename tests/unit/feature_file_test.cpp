#include "common/feature_file.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "common/error.h"
#include "common/text_file.h"
#include "tests/support/problems.h"

namespace clipsweep {
namespace {

using testing::TempFolder;

FeatureSet Sample() {
  FeatureSet set;
  set.count = 3;
  set.width = 2;
  set.features = {1, 2, 3, 4, 5, 6};
  set.labels = {0, 1, 1};
  set.paths = {"a/1.png", "b/1.png", "b/2.png"};
  set.classes = {"a", "b"};
  set.skipped = {{3, "b/3.png", "is empty"}};
  set.made_from = {{"model", "RN50"}};
  return set;
}

TEST(FeatureFile, RoundTrip) {
  const TempFolder folder;
  WriteFeatureFile(folder / "f.h5", Sample(), FloatKind::kF32);
  const FeatureSet set = ReadFeatureFile(folder / "f.h5");
  EXPECT_EQ(set.features, Sample().features);
  EXPECT_EQ(set.labels, Sample().labels);
  EXPECT_EQ(set.paths, Sample().paths);
  ASSERT_EQ(set.skipped.size(), 1u);
  EXPECT_EQ(set.skipped[0].reason, "is empty");
  EXPECT_EQ(set.made_from.at("model"), "RN50");
}

TEST(FeatureFile, HalfPrecisionKeepsItsContentHash) {
  const TempFolder folder;
  FeatureSet sample = Sample();
  sample.features[0] = 0.1f;
  WriteFeatureFile(folder / "f.h5", sample, FloatKind::kF16);
  const FeatureSet set = ReadFeatureFile(folder / "f.h5");
  EXPECT_NE(set.features[0], 0.1f);
  EXPECT_NEAR(set.features[0], 0.1f, 1e-4f);
}

// Each way a file can be wrong, and a word its error must have.
TEST(FeatureFile, RefusesBadContentByName) {
  struct Case {
    const char* word;
    std::function<void(FeatureSet&)> spoil;
  };
  const std::vector<Case> cases = {
      {"b/1.png", [](FeatureSet& s) { s.labels[1] = 2; }},  // outside the classes
      {"outside", [](FeatureSet& s) { s.labels[0] = -1; }},
      {"b/2.png", [](FeatureSet& s) { s.features[4] = s.features[5] = 0; }},  // zero row
      {"not finite",
       [](FeatureSet& s) { s.features[2] = std::numeric_limits<float>::quiet_NaN(); }},
      {"not finite", [](FeatureSet& s) { s.features[2] = std::numeric_limits<float>::infinity(); }},
      {"paths", [](FeatureSet& s) { s.paths.pop_back(); }}};
  for (const Case& one : cases) {
    const TempFolder folder;
    FeatureSet set = Sample();
    one.spoil(set);
    WriteFeatureFile(folder / "f.h5", set, FloatKind::kF32);
    try {
      ReadFeatureFile(folder / "f.h5");
      ADD_FAILURE() << one.word;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kBadInput);
      EXPECT_NE(std::string(error.what()).find(one.word), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find("f.h5"), std::string::npos);
    }
  }
}

TEST(FeatureFile, IsNotTakenForAnotherKind) {
  const TempFolder folder;
  WriteFeatureFile(folder / "f.h5", Sample(), FloatKind::kF32);
  EXPECT_THROW(ReadTextFile(folder / "f.h5"), Error);
}

TEST(Provenance, ADifferenceIsNamed) {
  const TempFolder folder;
  WriteFeatureFile(folder / "f.h5", Sample(), FloatKind::kF32);
  EXPECT_TRUE(IsUpToDate(folder / "f.h5", kFeatureFormat, {{"model", "RN50"}}, IfPresent::kReuse));
  EXPECT_FALSE(IsUpToDate(folder / "g.h5", kFeatureFormat, {{"model", "RN50"}}, IfPresent::kReuse));
  EXPECT_FALSE(
      IsUpToDate(folder / "f.h5", kFeatureFormat, {{"model", "RN50"}}, IfPresent::kRecompute));
  EXPECT_FALSE(
      IsUpToDate(folder / "f.h5", kFeatureFormat, {{"model", "X"}}, IfPresent::kReplaceIfOther));
  try {
    IsUpToDate(folder / "f.h5", kFeatureFormat, {{"model", "RN101"}}, IfPresent::kReuse);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("model was 'RN50', now 'RN101'"), std::string::npos);
  }
}

TEST(TextRows, AreMatchedByNameThenByPosition) {
  FeatureSet features = Sample();
  TextSet text;
  text.count = 2;
  text.width = 2;
  text.text = {1, 0, 0, 1};
  text.classes = {"b", "a"};
  text.classnames = {"bee", "ant"};
  EXPECT_EQ(TextRowsFor(text, features), (std::vector<float>{0, 1, 1, 0}));  // by folder
  text.classes = text.classnames = {"x", "y"};
  EXPECT_EQ(TextRowsFor(text, features), (std::vector<float>{1, 0, 0, 1}));  // by position
  text.classes = {"b", "c"};
  EXPECT_THROW(TextRowsFor(text, features), Error);  // 'a' has no text
  text.width = 1;
  EXPECT_THROW(TextRowsFor(text, features), Error);
}

}  // namespace
}  // namespace clipsweep
