// 1,000 shards in one process: open files, HDF5 identifiers and resident memory stay flat, also
// when writes fail.
#include <gtest/gtest.h>
#include <hdf5.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "common/process/error.h"
#include "extract/pipeline/shard_store.h"
#include "tests/support/faulty_file_system.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;

struct Held {
  std::int64_t files = 0, identifiers = 0, pages = 0;
};

Held Measure() {
  Held held;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator("/proc/self/fd")) ++held.files;
  held.identifiers = H5Fget_obj_count(static_cast<hid_t>(H5F_OBJ_ALL), H5F_OBJ_ALL);
  for (const H5I_type_t type : {H5I_DATASPACE, H5I_DATATYPE, H5I_GENPROP_LST}) {
    hsize_t count = 0;
    H5Inmembers(type, &count);
    held.identifiers += static_cast<std::int64_t>(count);
  }
  std::int64_t size = 0;
  std::ifstream("/proc/self/statm") >> size >> held.pages;
  return held;
}

class ManyFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / "many_files";
    fs::remove_all(folder_);
    store_ = std::make_unique<ShardStore>(folder_ / "f.h5", Provenance{}, FloatKind::kF32, kImages);
    store_->Prepare(false);
  }
  void TearDown() override {
    SetFileSystem(nullptr);
    fs::remove_all(folder_);
  }
  Shard MakeShard(std::int64_t number) const {
    Shard shard;
    for (std::int64_t i = 0; i < kImages; ++i) shard.rows.push_back(number * kImages + i);
    shard.features.assign(static_cast<std::size_t>(kImages * kWidth), 0.5f);
    shard.pictures.assign(static_cast<std::size_t>(kImages), {std::string(64, 'a'), {1, 2, 3}});
    return shard;
  }
  void WriteAndRead(std::int64_t number) const {
    store_->Write(number, MakeShard(number), kWidth);
    ASSERT_TRUE(store_->Read(number, kWidth, kImages).has_value());
  }
  static void ExpectFlat(const Held& before, const Held& after) {
    EXPECT_EQ(before.files, after.files);
    EXPECT_EQ(before.identifiers, after.identifiers);
    EXPECT_LT((after.pages - before.pages) * ::sysconf(_SC_PAGESIZE), 4 << 20);
  }

  static constexpr std::int64_t kImages = 64, kWidth = 64;
  fs::path folder_;
  std::unique_ptr<ShardStore> store_;
};

TEST_F(ManyFilesTest, AThousandShards) {
  for (std::int64_t number = 0; number < 100; ++number) WriteAndRead(number);
  const Held before = Measure();
  for (std::int64_t number = 100; number < 1100; ++number) WriteAndRead(number);
  ExpectFlat(before, Measure());
}

TEST_F(ManyFilesTest, AThousandWritesThatFail) {
  Held before;
  for (std::int64_t i = 0; i < 1100; ++i) {
    if (i == 100) before = Measure();
    FaultyFileSystem faulty(1 + i % 12, Fault::kFull, i % 2 == 0);
    SetFileSystem(&faulty);
    EXPECT_THROW(store_->Write(0, MakeShard(0), kWidth), Error) << i;
    SetFileSystem(nullptr);
  }
  ExpectFlat(before, Measure());
}

}  // namespace
}  // namespace clipsweep
