// The seal: any flip and any truncation is refused, by an Error, never a crash.
#include "common/hdf5/hdf5_file.h"

#include <gtest/gtest.h>

#include <fstream>

#include "common/compute/random.h"
#include "common/disk/atomic_file.h"
#include "common/disk/sha256.h"
#include "common/hdf5/open_files.h"
#include "common/process/error.h"
#include "tests/support/problems.h"

namespace clipsweep {
namespace {

using testing::TempFolder;

void WriteSample(const std::filesystem::path& path) {
  H5Writer file(path);
  file.Attribute("format", std::string("sample"));
  file.Attribute("number", std::int64_t{42});
  file.Attribute("half", 0.5);
  file.Write("floats", {3, 2}, std::vector<float>{1, 2, 3, 4, 5, 6});
  file.Write("halves", {4}, std::vector<float>{0.5f, 0.1f, -2.0f, 1000.0f}, FloatKind::kF16);
  file.Write("longs", {2}, std::vector<std::int64_t>{1LL << 40, -1});
  file.Write("texts", std::vector<std::string>{"a", "", "größer"});
  file.Write("nothing", std::vector<std::string>{});
  file.Commit();
}

TEST(Hdf5File, RoundTrip) {
  const TempFolder folder;
  WriteSample(folder / "a.h5");
  const H5Reader file(folder / "a.h5");
  EXPECT_EQ(file.TextAttribute("format"), "sample");
  EXPECT_EQ(file.IntAttribute("number"), 42);
  EXPECT_EQ(file.DoubleAttribute("half"), 0.5);
  EXPECT_EQ(file.Shape("floats"), (std::vector<hsize_t>{3, 2}));
  EXPECT_EQ(file.Floats("floats"), (std::vector<float>{1, 2, 3, 4, 5, 6}));
  EXPECT_NEAR(file.Floats("halves")[1], 0.1, 1e-4);
  EXPECT_EQ(file.Int64s("longs")[0], 1LL << 40);
  EXPECT_EQ(file.Texts("texts"), (std::vector<std::string>{"a", "", "größer"}));
  EXPECT_TRUE(file.Texts("nothing").empty());
  EXPECT_THROW(file.Floats("absent"), Error);
}

TEST(Hdf5File, EqualContentGivesEqualBytes) {
  const TempFolder folder;
  WriteSample(folder / "a.h5");
  WriteSample(folder / "b.h5");
  EXPECT_EQ(FileSha256(folder / "a.h5"), FileSha256(folder / "b.h5"));
}

TEST(OpenFiles, ReadersShareWhatIsOpen) {
  const TempFolder folder;
  WriteSample(folder / "a.h5");
  const auto first = hdf5::OpenOnce(folder / "a.h5", Seal::kCheck);
  EXPECT_EQ(first->seal.size(), 64U);
  EXPECT_EQ(hdf5::OpenOnce(folder / "a.h5", Seal::kCheck), first);
  std::filesystem::create_symlink(folder / "a.h5", folder / "link.h5");
  EXPECT_EQ(hdf5::OpenOnce(folder / "link.h5", Seal::kCheckedBefore), first);
  EXPECT_EQ(SealOf(folder / "a.h5"), first->seal);
}

TEST(OpenFiles, AFileThatWasReplacedIsOpenedAgain) {
  const TempFolder folder;
  WriteSample(folder / "a.h5");
  const auto first = hdf5::OpenOnce(folder / "a.h5", Seal::kCheck);
  H5Writer other(folder / "a.h5");
  other.Attribute("number", std::int64_t{7});
  other.Commit();
  const auto second = hdf5::OpenOnce(folder / "a.h5", Seal::kCheck);
  EXPECT_NE(second, first);
  EXPECT_NE(second->seal, first->seal);
  EXPECT_EQ(H5Reader(folder / "a.h5").IntAttribute("number"), 7);
  std::filesystem::remove(folder / "a.h5");
  EXPECT_THROW(H5Reader(folder / "a.h5"), Error);
}

// At once after it was read, within the tick of a clock: the change must be seen all the same.
TEST(OpenFiles, AFileThatWasChangedInPlaceIsCheckedAgain) {
  for (int i = 0; i < 50; ++i) {
    const TempFolder folder;
    WriteSample(folder / "a.h5");
    EXPECT_EQ(H5Reader(folder / "a.h5").IntAttribute("number"), 42);
    std::fstream file(folder / "a.h5", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(1000 + i);
    file.put('\x55');
    file.put('\x2a');
    file.close();
    EXPECT_THROW(H5Reader(folder / "a.h5"), Error);
  }
}

TEST(OpenFiles, AnUncheckedFileIsCheckedWhenAskedTo) {
  const TempFolder folder;
  WriteSample(folder / "a.h5");
  const auto first = hdf5::OpenOnce(folder / "a.h5", Seal::kCheckedBefore);
  EXPECT_EQ(first->seal, "");
  EXPECT_EQ(hdf5::OpenOnce(folder / "a.h5", Seal::kCheck)->seal.size(), 64U);
}

TEST(OpenFiles, PartsAreNotKept) {
  const TempFolder folder;
  WriteSample(folder / "a.h5");
  const auto first = hdf5::OpenOnce(folder / "a.h5", Seal::kOfAPart);
  EXPECT_EQ(first->seal.size(), 64U);
  EXPECT_EQ(first.use_count(), 1);
}

TEST(Hdf5File, EveryFlipAndTruncationIsRefused) {
  const TempFolder folder;
  WriteSample(folder / "a.h5");
  const std::string whole = ReadFile(folder / "a.h5");
  Random random(1, 2, 3);
  for (int i = 0; i < 600; ++i) {
    std::string flipped = whole;
    // Every byte of the seal's text, then places anywhere.
    const std::size_t at = i < 100 ? static_cast<std::size_t>(i) : random.Below(whole.size());
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << random.Below(8)));
    testing::WriteText(folder / "b.h5", flipped);
    EXPECT_THROW(H5Reader(folder / "b.h5"), Error) << "byte " << at;
  }
  for (int i = 0; i < 100; ++i) {
    testing::WriteText(folder / "b.h5", whole.substr(0, random.Below(whole.size())));
    EXPECT_THROW(H5Reader(folder / "b.h5"), Error);
  }
}

TEST(Hdf5File, AnUncommittedFileLeavesNothing) {
  const TempFolder folder;
  {
    H5Writer file(folder / "a.h5");
    file.Attribute("format", std::string("sample"));
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace clipsweep
