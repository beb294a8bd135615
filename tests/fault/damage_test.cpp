// No flipped bit and no cut is accepted by verify, in any kind of file; none crashes it.
#include <gtest/gtest.h>

#include <fstream>
#include <functional>

#include "common/compute/random.h"
#include "common/disk/atomic_file.h"
#include "common/files/adapter_file.h"
#include "common/files/feature_file.h"
#include "common/files/text_file.h"
#include "common/process/child.h"
#include "common/process/error.h"
#include "launch/commands/verify_file.h"
#include "sweep/sweep_file.h"
#include "tests/support/full.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;

class DamageTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / ("damage_" + GetParam());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    good_ = folder_ / "good.h5";
    Make(GetParam());
    bytes_ = ReadFile(good_);
    ASSERT_NO_THROW(VerifyFile(good_));
  }
  void TearDown() override { fs::remove_all(folder_); }

  void Make(const std::string& kind) {
    Provenance made_from{{"model_sha256", std::string(64, 'a')}};
    const std::vector<std::string> names{"cat", "dog"};
    Random random(1, 2, 3);
    const auto values = [&](std::size_t count) {
      std::vector<float> out(count);
      for (float& value : out) value = static_cast<float>(random.Below(1000)) / 500.0f - 0.9f;
      return out;
    };
    if (kind == "features") {
      FeatureSet set;
      set.count = 300;
      set.width = 24;
      set.features = values(300 * 24);
      for (int i = 0; i < 300; ++i) {
        set.labels.push_back(i / 150);
        set.paths.push_back("cat/" + std::to_string(i));
      }
      set.classes = names;
      set.skipped = {{7, "cat/x.jpg", "is empty"}};
      set.made_from = made_from;
      WriteFeatureFile(good_, set, FloatKind::kF32);
    } else if (kind == "text") {
      TextSet set;
      set.count = 2;
      set.width = 64;
      set.text = values(128);
      NormalizeRows(set.text, 64);
      set.classes = set.classnames = names;
      set.templates = {"a photo of a {}."};
      set.made_from = made_from;
      WriteTextFile(good_, set);
    } else if (kind == "sweep") {
      SweepData data;
      data.alpha = {1, 2};
      data.beta = {3, 4, 5};
      data.shots = {1, 4};
      data.seeds = {1};
      data.top1 = std::vector<std::int64_t>(12, 5);
      data.top5 = std::vector<std::int64_t>(12, 9);
      for (const char* name : {"cache_sha256", "text_sha256", "classes_sha256", "tune_sha256"}) {
        made_from[name] = std::string(64, 'b');
      }
      data.result.made_from = made_from;
      data.result.tuned_on = TunedOn::kVal;
      data.result.tune_samples = data.result.test_samples = 10;
      for (const std::int64_t shots : data.shots) {
        SweepCell cell;
        cell.shots = shots;
        cell.seed = 1;
        cell.alpha = 1;
        cell.beta = 3;
        cell.tuned = cell.test = {5, 9};
        data.result.cells.push_back(cell);
      }
      WriteSweepFile(good_, data);
    } else {
      AdapterData data;
      data.width = 16;
      data.keys = values(6 * 16);
      data.text = values(2 * 16);
      data.class_index = {0, 0, 0, 1, 1, 1};
      data.cache_row = {0, 1, 2, 3, 4, 5};
      data.classes = names;
      data.alpha = 1;
      data.beta = 5.5;
      data.selected_epoch = 1;
      data.tuned_on = TunedOn::kVal;
      data.history = {{0.5, 3, 4}};
      data.test_samples = 10;
      data.test_top1 = data.before_top1 = 5;
      data.test_top5 = data.before_top5 = 9;
      data.made_from = made_from;
      WriteAdapterFile(good_, data);
    }
  }

  // Whether verify refuses these bytes, by an Error that names the file in one line.
  testing::AssertionResult Refused(std::string_view bytes) {
    const fs::path bad = folder_ / "bad.h5";
    std::ofstream(bad, std::ios::binary).write(bytes.data(), static_cast<long>(bytes.size()));
    try {
      VerifyFile(bad);
    } catch (const Error& error) {
      const std::string message = error.what();
      if (message.find(bad.string()) != 0 || message.find('\n') != std::string::npos ||
          error.code() != ExitCode::kBadInput) {
        return testing::AssertionFailure() << "a poor message: " << message;
      }
      return testing::AssertionSuccess();
    }
    return testing::AssertionFailure() << "accepted";
  }

  fs::path folder_, good_;
  std::string bytes_;
};

TEST_P(DamageTest, NoFlippedBitIsAccepted) {
  Random random(11, 12, 13);
  const int flips = FullCounts() ? 2500 : 300;
  for (int i = 0; i < flips; ++i) {
    const std::uint64_t bit = random.Below(bytes_.size() * 8);
    std::string damaged = bytes_;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    ASSERT_TRUE(Refused(damaged)) << "bit " << bit;
  }
}

TEST_P(DamageTest, NoCutIsAccepted) {
  // Almost all end in one comparison of hashes; the seal's own first bytes are cut everywhere.
  const bool full = FullCounts();
  const std::size_t early = std::min<std::size_t>(4096, bytes_.size());
  for (std::size_t size = 0; size < early; size += full || size < 96 ? 1 : 61) {
    ASSERT_TRUE(Refused(std::string_view(bytes_).substr(0, size))) << size;
  }
  Random random(21, 22, 23);
  for (int i = 0; i < (full ? 1000 : 60); ++i) {
    const std::size_t size = random.Below(bytes_.size());
    ASSERT_TRUE(Refused(std::string_view(bytes_).substr(0, size))) << size;
  }
}

TEST(ChildTest, WhateverAChildDoesItsParentGoesOn) {
  using Send = std::function<void(const std::string&)>;
  const ChildResult well = RunInChild([](const Send& send) { send("a b"); });
  EXPECT_TRUE(well.ended);
  EXPECT_EQ(well.output, "a b");
  EXPECT_FALSE(RunInChild([](const Send&) { throw InputError("no"); }).ended);
  EXPECT_FALSE(RunInChild([](const Send&) { std::abort(); }).ended);
  // As HDF5 does over some damaged files: turns in circles after it has said something.
  const ChildResult silent = RunInChild(
      [](const Send& send) {
        send("opens\n");
        for (volatile int turns = 0;; turns = turns + 1) {
        }
      },
      /*silence_seconds=*/1);
  EXPECT_FALSE(silent.ended);
  EXPECT_EQ(silent.output, "opens\n");
}

INSTANTIATE_TEST_SUITE_P(Kinds, DamageTest, testing::Values("features", "text", "sweep", "adapter"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace clipsweep
