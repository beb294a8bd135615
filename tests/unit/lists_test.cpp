// Image lists, class names, templates and subsets.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "common/class_names.h"
#include "common/error.h"
#include "common/image_list.h"
#include "common/picture_names.h"
#include "common/subsets.h"
#include "tests/support/problems.h"

namespace clipsweep {
namespace {

using testing::TempFolder;
using testing::WriteText;

std::string MessageOf(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kBadInput) << error.what();
    return error.what();
  }
  return "";
}

TEST(ImageList, SortsClassesAndFilesByBytes) {
  const TempFolder folder;
  for (const char* name : {"b/2.PNG", "b/1.jpg", "a/x/deep.jpeg", "a/notes.txt", ".hidden/1.jpg"}) {
    WriteText(folder / name, "x");
  }
  const ImageList list = ReadImageList(folder.path(), "", {});
  EXPECT_EQ(list.classes, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(list.paths, (std::vector<std::string>{"a/x/deep.jpeg", "b/1.jpg", "b/2.PNG"}));
  EXPECT_EQ(list.labels, (std::vector<std::int32_t>{0, 1, 1}));
  WriteText(folder / "b/1.jpg", "longer");  // ranks compare sizes; content is hashed as it is read
  const ImageList other = ReadImageList(folder.path(), "", {});
  EXPECT_NE(other.sizes_sha256, list.sizes_sha256);
  EXPECT_EQ(other.sha256, list.sha256);
}

TEST(ImageList, NamesTheExtraClassAndTheEmptyFolder) {
  const TempFolder folder;
  EXPECT_NE(MessageOf([&] { ReadImageList(folder.path(), "", {}); }), "");
  EXPECT_NE(MessageOf([&] { ReadImageList(folder / "none", "", {}); }).find("none"),
            std::string::npos);
  WriteText(folder / "a/1.jpg", "x");
  const ImageList some = ReadImageList(folder.path(), "", {"zebra", "a", "ox"});
  EXPECT_EQ(some.classes, (std::vector<std::string>{"zebra", "a", "ox"}));
  EXPECT_EQ(some.labels, (std::vector<std::int32_t>{1}));
  EXPECT_EQ(ClassesWithoutImages(some.labels, some.classes.size()), 2);
  WriteText(folder / "other/1.jpg", "x");
  EXPECT_NE(MessageOf([&] { ReadImageList(folder.path(), "", {"a"}); }).find("other"),
            std::string::npos);
  std::filesystem::create_directories(folder / "empty");
  EXPECT_NE(MessageOf([&] { ReadImageList(folder.path(), "", {}); }).find("empty"),
            std::string::npos);
}

TEST(ImageList, ReadsListFiles) {
  const TempFolder folder;
  WriteText(folder / "i/a/1.jpg", "x");
  WriteText(folder / "i/loose.jpg", "x");
  WriteText(folder / "list.tsv", "loose.jpg\tb\r\na/1.jpg\n\n");
  const ImageList list = ReadImageList(folder / "i", folder / "list.tsv", {});
  EXPECT_EQ(list.classes, (std::vector<std::string>{"a", "b"}));
  for (const char* bad : {"gone.jpg\ta\n", "../list.tsv\ta\n", "loose.jpg\n", "\n"}) {
    WriteText(folder / "bad.tsv", bad);
    EXPECT_NE(MessageOf([&] { ReadImageList(folder / "i", folder / "bad.tsv", {}); }), "") << bad;
  }
}

TEST(ImageList, LinksLeadOnAndLoopsEnd) {
  const TempFolder folder;
  WriteText(folder / "a/1.jpg", "x");
  WriteText(folder / "a/deep/2.jpg", "x");
  WriteText(folder / "b/3.jpg", "x");
  std::filesystem::create_symlink("../b", folder / "a/other");
  EXPECT_EQ(ReadImageList(folder.path(), "", {}).paths,
            (std::vector<std::string>{"a/1.jpg", "a/deep/2.jpg", "a/other/3.jpg", "b/3.jpg"}));
  std::filesystem::create_symlink("..", folder / "a/deep/up");
  EXPECT_NE(MessageOf([&] {
              ReadImageList(folder.path(), "", {});
            }).find("a/deep/up: is a link to '..' that leads back to"),
            std::string::npos);
}

TEST(PictureNames, EndingsAndWhatTheySay) {
  const std::string longest = ".abcdefghij", too_long = ".abcdefghijk";
  EXPECT_EQ(EndingOf("a" + longest), longest);
  for (const std::string& name : {"a" + too_long, std::string("a"), std::string("a."),
                                  std::string(".jpg"), std::string("a.jpg?w=2"), std::string("")}) {
    EXPECT_EQ(EndingOf(name), "") << name;
    EXPECT_EQ(WhatNameSays(name), NameSays::kNothing) << name;
  }
  EXPECT_EQ(EndingOf("a.b.TIFF"), ".tiff");
  for (const char* name : {"a.JPG", "a.jfif", "a.pnm", ".a.webp", "a b.GIF"}) {
    EXPECT_EQ(WhatNameSays(name), NameSays::kPicture) << name;
  }
  for (const char* name : {"a.txt", "a.MP4", "a.jpg.bak", "a.jpg~", "a.7z"}) {
    EXPECT_EQ(WhatNameSays(name), NameSays::kOther) << name;
  }
  for (const char* name : {"a.1", "a.heic", "a.jpeg_large", "a.\xc3\xa4"}) {
    EXPECT_EQ(WhatNameSays(name), NameSays::kNothing) << name;
  }
  for (const char* name : {".", "._a", "THUMBS.DB", "@EADIR", "$Recycle.Bin", "lost+found"}) {
    EXPECT_TRUE(IsHiddenName(name)) << name;
  }
  for (const char* name : {"_a", "lost", "recycled", "thumbs.db.png", "#", "@"}) {
    EXPECT_FALSE(IsHiddenName(name)) << name;
  }
}

TEST(LeftOut, SaysKindsByFallingCount) {
  LeftOut left_out;
  EXPECT_TRUE(left_out.Lines().empty());
  left_out.files = {{".gif", 8}, {".bmp", 12}};
  LeftOut more;
  more.files = {{".gif", 1}};
  more.hidden = {{"a\nb", 1}};
  left_out.Add(more);
  EXPECT_EQ(left_out.Lines(),
            (std::vector<std::string>{"skipped 21 files: 12 .bmp, 9 .gif",
                                      "left out 1 hidden or system entry: 1 a\\x0ab"}));
}

TEST(ClassNames, ReadsEveryForm) {
  const TempFolder folder;
  const auto read = [&](const std::string& text) {
    WriteText(folder / "names", text);
    return ReadClassNames(folder / "names");
  };
  const ClassNames ids = read("n02000000 great white shark\nn01440764 tench\n");
  EXPECT_EQ(ids.classes, (std::vector<std::string>{"n01440764", "n02000000"}));
  EXPECT_EQ(ids.names, (std::vector<std::string>{"tench", "great white shark"}));
  EXPECT_EQ(read("7\tseven\n1\tone\n").names, (std::vector<std::string>{"one", "seven"}));
  const ClassNames plain = read("great_white_shark\nant\n");
  EXPECT_EQ(plain.classes, (std::vector<std::string>{"great_white_shark", "ant"}));
  EXPECT_EQ(plain.names[0], "great white shark");
  EXPECT_EQ(read(R"({"10": "b", "9": "a"})").names, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(read(R"({"0": ["n01440764", "tench"]})").classes[0], "n01440764");
  EXPECT_EQ(read(R"({"n01440764": "tench"})").names[0], "tench");
  EXPECT_EQ(read(R"(["x", "y"])").names.size(), 2u);
}

TEST(ClassNames, RefusesBadFiles) {
  const TempFolder folder;
  for (const char* bad : {"", "a\na\n", "{\"0\": 3}", "{", "[1]", "a\t\n", "1\ta\n2 b\n"}) {
    WriteText(folder / "names", bad);
    EXPECT_NE(MessageOf([&] { ReadClassNames(folder / "names"); }), "") << bad;
  }
}

TEST(Templates, BuiltinAndFiles) {
  EXPECT_EQ(ReadTemplates("imagenet-1").size(), 1u);
  EXPECT_EQ(ReadTemplates("imagenet-7").size(), 7u);
  EXPECT_EQ(ReadTemplates("imagenet-80").size(), 80u);
  EXPECT_EQ(FillTemplate("a photo of a {}.", "tench"), "a photo of a tench.");
  const TempFolder folder;
  WriteText(folder / "t", "no place\n");
  EXPECT_THROW(ReadTemplates(folder / "t"), Error);
  WriteText(folder / "t", "{} and {}\n");
  EXPECT_THROW(ReadTemplates(folder / "t"), Error);
  EXPECT_THROW(ReadTemplates("imagenet-9"), Error);
}

TEST(Subsets, AreNestedAndSeeded) {
  std::vector<std::int32_t> labels;
  for (int i = 0; i < 60; ++i) labels.push_back(i % 3);
  const auto rows = RowsByClass(labels, {"a", "b", "c"}, "f");
  const auto one = ShuffleRows(rows, 31), again = ShuffleRows(rows, 31),
             other = ShuffleRows(rows, 32);
  EXPECT_EQ(one, again);
  EXPECT_NE(one, other);
  EXPECT_NE(one[0], one[1]);
  for (std::size_t c = 0; c < 3; ++c) {
    auto sorted = one[c];
    std::sort(sorted.begin(), sorted.end());
    EXPECT_EQ(sorted, rows[c]);  // every row once, so that prefixes are nested subsets
  }
  EXPECT_NE(MessageOf([&] {
              RowsByClass({0}, {"a", "empty"}, "f");
            }).find("empty"),
            std::string::npos);
}

// Known values: a change of generator would silently change every published subset.
TEST(Subsets, StayTheSameAcrossVersions) {
  Random random(31, 0, 0);
  std::vector<int> items{0, 1, 2, 3, 4, 5, 6, 7};
  random.Shuffle(items);
  EXPECT_EQ(items, (std::vector<int>{6, 5, 2, 3, 1, 4, 0, 7}));
}

}  // namespace
}  // namespace clipsweep
