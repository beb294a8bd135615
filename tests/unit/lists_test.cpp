// Image lists, class names, templates and subsets.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "common/data/class_names.h"
#include "common/data/image_list.h"
#include "common/data/picture_names.h"
#include "common/data/subsets.h"
#include "common/process/error.h"
#include "tests/support/messages.h"
#include "tests/support/problems.h"

namespace clipsweep {
namespace {

using testing::BadInputOf;
using testing::TempFolder;
using testing::WriteText;

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
  EXPECT_NE(BadInputOf([&] { ReadImageList(folder.path(), "", {}); }), "");
  EXPECT_NE(BadInputOf([&] { ReadImageList(folder / "none", "", {}); }).find("none"),
            std::string::npos);
  WriteText(folder / "a/1.jpg", "x");
  const ImageList some = ReadImageList(folder.path(), "", {"zebra", "a", "ox"});
  EXPECT_EQ(some.classes, (std::vector<std::string>{"zebra", "a", "ox"}));
  EXPECT_EQ(some.labels, (std::vector<std::int32_t>{1}));
  EXPECT_EQ(ClassesWithoutImages(some.labels, some.classes.size()), 2);
  WriteText(folder / "other/1.jpg", "x");
  EXPECT_NE(BadInputOf([&] { ReadImageList(folder.path(), "", {"a"}); }).find("other"),
            std::string::npos);
  std::filesystem::create_directories(folder / "empty");
  EXPECT_NE(BadInputOf([&] { ReadImageList(folder.path(), "", {}); }).find("empty"),
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
    EXPECT_NE(BadInputOf([&] { ReadImageList(folder / "i", folder / "bad.tsv", {}); }), "") << bad;
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
  EXPECT_NE(BadInputOf([&] {
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

TEST(ImageList, OneNameInTwoNormalForms) {
  const TempFolder folder;
  const std::string composed = "caf\xc3\xa9", decomposed = "cafe\xcc\x81";
  WriteText(folder / ("mac/" + decomposed + "/1.jpg"), "x");
  WriteText(folder / ("linux/" + composed + "/1.jpg"), "x");
  for (const char* machine : {"mac", "linux"}) {
    EXPECT_EQ(ReadImageList(folder / machine, "", {}).classes.front(), composed);
    EXPECT_EQ(ReadImageList(folder / machine, "", {composed}).labels.size(), 1u);
    for (const std::string& spelled : {composed, decomposed}) {
      WriteText(folder / "list", spelled + "/1.jpg\t" + spelled + "\n");
      const ImageList list = ReadImageList(folder / machine, folder / "list", {composed});
      EXPECT_TRUE(std::filesystem::exists(list.root / list.paths[0]));
    }
  }
  WriteText(folder / ("mac/" + composed + "/2.jpg"), "x");
  const std::string message = BadInputOf([&] { ReadImageList(folder / "mac", "", {}); });
  EXPECT_NE(message.find("caf\\xc3\\xa9"), std::string::npos) << message;
  EXPECT_NE(message.find("cafe\\xcc\\x81"), std::string::npos) << message;
}

TEST(ImageList, NamesThatAreNoUtf8AndNearMisses) {
  const TempFolder folder;
  WriteText(folder / "latin/caf\xe9/1.jpg", "x");
  EXPECT_NE(BadInputOf([&] { ReadImageList(folder / "latin", "", {}); }).find("caf\\xe9"),
            std::string::npos);
  WriteText(folder / "deep/a/caf\xe9.jpg", "x");
  EXPECT_NE(BadInputOf([&] { ReadImageList(folder / "deep", "", {}); }).find("not UTF-8"),
            std::string::npos);
  WriteText(folder / "case/Dog/1.jpg", "x");
  EXPECT_NE(BadInputOf([&] {
              ReadImageList(folder / "case", "", {"dog"});
            }).find("'dog' differs only in letter case"),
            std::string::npos);
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
  // Keys are folders, numbers too, in the order of their bytes.
  const ClassNames numbers = read(R"({"10": "ten", "2": "two", "0": "zero"})");
  EXPECT_EQ(numbers.classes, (std::vector<std::string>{"0", "10", "2"}));
  EXPECT_EQ(numbers.names, (std::vector<std::string>{"zero", "ten", "two"}));
  EXPECT_EQ(read(R"({"0": ["n01440764", "tench"]})").classes[0], "n01440764");
  EXPECT_EQ(read(R"({"n01440764": "tench"})").names[0], "tench");
  EXPECT_EQ(read(R"(["x", "y"])").names.size(), 2u);
}

TEST(ClassNames, RefusesBadFiles) {
  const TempFolder folder;
  for (const char* bad :
       {"", "a\ta\na\tb\n", "{\"0\": 3}", "{", "[1]", "a\t\n", "1\ta\n2 b\n", "\ta\n",
        "n01440764 tench\nn01443537\n", "{\"a\": \"x\\u0000y\"}", "{\"a\": \"x\", \"a\": \"y\"}",
        "{\"a\\tb\": \"x\"}", "caf\xc3\xa9\tx\ncafe\xcc\x81\ty\n"}) {
    WriteText(folder / "names", bad);
    EXPECT_NE(BadInputOf([&] { ReadClassNames(folder / "names"); }), "") << bad;
  }
}

TEST(ClassNames, SaysWhichShapesItKnows) {
  const TempFolder folder;
  for (const char* strange : {R"({"labels": ["cat", "dog"]})",
                              R"({"n01440764": ["tench", "Tinca tinca"]})",
                              R"({"cat": 0, "dog": 1})",
                              R"({"cat": {"name": "cat"}})",
                              R"([["cat"], ["dog"]])",
                              R"(["cat", ["n01440764", "tench"]])",
                              R"({"0": "cat", "1": ["n01440764", "tench"]})",
                              "id,name\n0,cat\n1,dog\n",
                              "label,folder\ncat,a\ndog,b\n",
                              "folder\tname\na\tcat\n",
                              "\"id\";\"name\"\n\"0\";\"cat\"\n",
                              "0,cat\n1,dog\n",
                              "n01440764,tench\nn01443537,goldfish\n",
                              "0: tench\n1: goldfish\n",
                              "n01440764: tench\n",
                              "cat: Cat\ndog: Dog\n",
                              "a\tb\tc\n",
                              "{0: 'tench', 1: 'goldfish'}",
                              "['tench', 'goldfish']",
                              "names:\n  0: cat\n  1: dog\n",
                              "names: [cat, dog]\n",
                              "---\n- cat\n- dog\n",
                              "\"cat\",\n\"dog\"\n",
                              "0 cat\n1 dog\n2 cow\n",
                              "1. cat\n2. dog\n",
                              "{\"a\": \"x\"}\n{\"b\": \"y\"}\n",
                              "<?xml version='1.0'?>\n"}) {
    WriteText(folder / "names", strange);
    const std::string message = BadInputOf([&] { ReadClassNames(folder / "names"); });
    EXPECT_NE(message.find("understood are lines"), std::string::npos) << strange << message;
  }
}

TEST(ClassNames, LeavesOrdinaryNamesAlone) {
  const TempFolder folder;
  for (const char* plain :
       {"tench, Tinca tinca\ngoldfish, Carassius auratus\n", "id\nname\n", "Alien: Covenant\n",
        "001.Black_footed_Albatross\n002.Laysan_Albatross\n", "1 star\n2 star\n3 star\n",
        "707-320\n727-200\nA300B4\n", "2,4-D\nDDT\n", "it's\nrock 'n' roll\n", "0\n1\n10\n2\n",
        "yes: really\nno\n", "n01440764\nn01443537\n", "#\n$\n", "- \n+\n", "3D printer\n"}) {
    WriteText(folder / "names", plain);
    EXPECT_EQ(BadInputOf([&] { ReadClassNames(folder / "names"); }), "") << plain;
  }
}

TEST(ClassNames, TwoClassesMayHaveOneName) {
  const TempFolder folder;
  const auto read = [&](const std::string& text) {
    WriteText(folder / "names", text);
    return ReadClassNames(folder / "names");
  };
  const std::map<std::string, std::vector<std::string>> shared{
      {"missile", {"n03773504", "n04008634"}}};
  const ClassNames json = read(R"({"n04008634": "missile", "a": "x", "n03773504": "missile"})");
  EXPECT_EQ(json.Shared(), shared);
  EXPECT_EQ(read("n03773504\tmissile\nn04008634\tmissile\n").Shared(), shared);
  EXPECT_EQ(read("n03773504 missile\nn04008634 missile\n").Shared(), shared);
  EXPECT_EQ(ReadClassFolders(folder / "names").size(), 2u);
  EXPECT_TRUE(read("cat\ndog\n").Shared().empty());
  // Without folders only places tell them apart, and no folder can be found for them.
  EXPECT_EQ(read("missile\ncat\nmissile\n").classes.size(), 3u);
  EXPECT_NE(BadInputOf([&] { ReadClassFolders(folder / "names"); }).find("missile"),
            std::string::npos);
}

TEST(ClassNames, LooksLikeFolders) {
  using Names = std::vector<std::string>;
  const auto alike = [](const Names& names, const Names& folders) {
    return LooksLike(names, folders);
  };
  EXPECT_EQ(alike({"tench", "goldfish"}, {"n01440764", "n01443537"}), "");
  EXPECT_EQ(alike({"zero", "one", "two"}, {"0", "1", "2"}), "");
  EXPECT_EQ(alike({"Cat", "dog bowl"}, {"cat", "x"}), "");  // at its own place
  EXPECT_NE(alike({"Dog", "Cat"}, {"cat", "dog"}).find("'Dog' and folder 'dog'"),
            std::string::npos);
  EXPECT_NE(alike({"Cat", "Dog"}, {"cat", "dog"}).find("only in letter case"), std::string::npos);
  EXPECT_NE(alike({"hot dog", "x-ray"}, {"hot_dog", "xray"}).find("blanks"), std::string::npos);
  EXPECT_NE(alike({"dog", "cat"}, {"cat", "dog"}).find("number 2"), std::string::npos);
  EXPECT_NE(alike({"fish", "Cat"}, {"cat", "n2"}).find("'Cat'"), std::string::npos);
  EXPECT_NE(alike({"one", "ten", "two"}, {"1", "10", "2"}).find("'10' before '2'"),
            std::string::npos);
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
  EXPECT_NE(BadInputOf([&] {
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
