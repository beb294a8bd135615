#include "common/files/feature_file.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "common/files/made_alike.h"
#include "common/files/shared_pictures.h"
#include "common/files/text_file.h"
#include "common/process/error.h"
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
  Oddities oddities;
  EXPECT_EQ(TextRowsFor(text, features, {}, oddities),
            (std::vector<float>{0, 1, 1, 0}));  // by folder
  text.classes = text.classnames = {"x", "y"};
  EXPECT_THROW(TextRowsFor(text, features, {}, oddities), Error);
  EXPECT_TRUE(oddities.none());
  Allowed by_position;
  by_position.by_position = true;
  EXPECT_EQ(TextRowsFor(text, features, by_position, oddities), (std::vector<float>{1, 0, 0, 1}));
  EXPECT_EQ(oddities.by_position.size(), 1u);
  text.classes = {"b", "c"};
  EXPECT_THROW(TextRowsFor(text, features, by_position, oddities), Error);  // 'a' has no text
  text.width = 1;
  EXPECT_THROW(TextRowsFor(text, features, by_position, oddities), Error);
}

TEST(MadeAlike, EveryPairAndEveryFieldIsCompared) {
  const Provenance one{{"model_sha256", "a"}, {"activation", "gelu"}, {"precision", "f32"}};
  for (const char* field : {"model_sha256", "activation", "precision"}) {
    Provenance other = one;
    other[field] = "b";
    const std::vector<MadeFile> files{
        {"cache", "c.h5", one}, {"text", "t.h5", one}, {"features", "f.h5", other}};
    try {
      RequireMadeAlike(files, {});
      ADD_FAILURE() << field;
    } catch (const Error& error) {
      for (const char* word : {field, "c.h5", "f.h5", "--allow-mixed"}) {
        EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what();
      }
    }
    Allowed mixed;
    mixed.mixed = true;
    EXPECT_EQ(RequireMadeAlike(files, mixed).mixed.size(), 1u);
  }
  // What only one of two files has is not held against the other.
  Provenance features = one;
  features["preprocess"] = "clip-224";
  EXPECT_TRUE(RequireMadeAlike({{"text", "t.h5", one}, {"features", "f.h5", features}}, {}).none());
  EXPECT_EQ(RequireMadeAlike({{"text", "t.h5", one}, {"features", "f.h5", {}}}, {}).unknown.size(),
            1u);
}

TEST(Oddities, GoThroughProvenanceAndBack) {
  Oddities oddities;
  oddities.mixed = {"one", "two"};
  oddities.unknown = {"three"};
  Provenance made_from;
  RecordOddities(oddities, made_from);
  Oddities again = RecordedOddities(made_from);
  again.Add(oddities);  // nothing twice
  EXPECT_EQ(again.mixed, oddities.mixed);
  EXPECT_EQ(again.unknown, oddities.unknown);
  EXPECT_TRUE(again.overlap.empty());
}

TEST(Duplicates, AreCountedAcrossClassesToo) {
  const Duplicates found = FindDuplicates({"x", "y", "x", "", "", "y", "x"}, {0, 0, 0, 0, 1, 1, 0},
                                          {"a", "b", "c", "d", "e", "f", "g"});
  EXPECT_EQ(found.pictures, 3);
  EXPECT_EQ(found.across_classes, 1);
  EXPECT_EQ(found.example, (std::pair<std::string, std::string>{"b", "f"}));
}

TEST(FeatureFile, RowsTooShortToMeanAnythingAreRefused) {
  const TempFolder folder;
  for (const float value : {1e-7f, 1e-30f, 0.0f}) {
    FeatureSet set = Sample();
    std::fill_n(set.features.begin() + set.width, set.width, value);
    WriteFeatureFile(folder / "f.h5", set, FloatKind::kF32);
    EXPECT_THROW(ReadFeatureFile(folder / "f.h5"), Error) << value;
  }
}

}  // namespace
}  // namespace clipsweep
