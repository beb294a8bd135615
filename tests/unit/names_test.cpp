// Text input, the comparison of names, and the rows they lead to.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <thread>

#include "common/data/name_match.h"
#include "common/disk/atomic_file.h"
#include "common/disk/text_input.h"
#include "common/files/text_file.h"
#include "common/process/error.h"
#include "sweep/subset_file.h"
#include "tests/support/messages.h"
#include "tests/support/problems.h"

namespace clipsweep {
namespace {

using testing::MessageOf;
using testing::TempFolder;
using testing::WriteText;

const std::string kComposed = "caf\xc3\xa9", kDecomposed = "cafe\xcc\x81";

bool Holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(TextInput, NamesLineAndByte) {
  const auto check = [](const std::string& bytes) {
    return MessageOf([&] { CheckTextInput("names.txt", bytes); });
  };
  EXPECT_EQ(CheckTextInput("f", "\xef\xbb\xbf" + kComposed), kComposed);
  EXPECT_EQ(CheckTextInput("f", "\xef\xbb\xbf"), "");
  EXPECT_TRUE(Holds(check("cat\ndog\nraton laveur\xe9\n"), "names.txt:3: byte 13 is 0xe9"));
  EXPECT_TRUE(Holds(check("caf\xc3"), "names.txt:1: byte 4 is 0xc3"));
  EXPECT_TRUE(Holds(check("a\xed\xa0\x80"), "byte 2 is 0xed"));  // half of a surrogate pair
  EXPECT_TRUE(Holds(check("a\xc0\x80"), "byte 2 is 0xc0"));      // a NUL in disguise
  EXPECT_TRUE(Holds(check(std::string("cat\ndo\0g\nmany more names\n", 24)), ":2: byte 3 is 0x00"));
  EXPECT_TRUE(Holds(check(std::string("\xff\xfe"
                                      "c\0a\0t\0",
                                      8)),
                    "is UTF-16"));
  EXPECT_TRUE(Holds(check(std::string("\xfe\xff\0c\0a\0t", 8)), "is UTF-16"));
  EXPECT_TRUE(Holds(check(std::string("c\0a\0t\0\n\0", 8)), "is UTF-16"));
}

TEST(TextInput, Lines) {
  const auto lines = SplitLines("f", "a\r\n\n  \nb");
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[0].text, "a");
  EXPECT_EQ(lines[3].number, 4);
  EXPECT_EQ(DropBlank(lines).size(), 2u);
  EXPECT_TRUE(Holds(MessageOf([] { SplitLines("f", "a\rb\rc"); }), "f:1: byte 2"));
}

TEST(TextInput, PipesAreReadToTheirEndOnce) {
  const TempFolder folder;
  const std::filesystem::path pipe = folder / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const std::string text(300'000, 'x');  // more than a pipe holds
  std::thread writer([&] { std::ofstream(pipe) << text; });
  EXPECT_EQ(ReadFile(pipe), text);
  writer.join();
  EXPECT_EQ(ReadFile(pipe), text);  // kept
  EXPECT_TRUE(Holds(MessageOf([&] { ReadFile(pipe, 1000); }), "more than the 1000"));
  EXPECT_TRUE(Holds(MessageOf([] { ReadFile("/dev/zero", 1000); }), "more than the 1000"));
  EXPECT_EQ(ReadFile("/dev/null"), "");
  SetReaders(3);
  EXPECT_TRUE(Holds(MessageOf([&] { ReadFile(pipe); }), "3 ranks"));
  SetReaders(1);
  EXPECT_TRUE(Holds(MessageOf([&] { RequireNoPipe(pipe); }), "save it as a file"));
  EXPECT_TRUE(Holds(MessageOf([&] { H5Reader file(pipe); }), "save it as a file"));
  EXPECT_GT(ReadFile("/proc/self/status").size(), 0u);  // a file that says it has 0 bytes
}

TEST(NameMatch, Differences) {
  EXPECT_EQ(ToNfc(kDecomposed), kComposed);
  EXPECT_EQ(ToNfd(kComposed), kDecomposed);
  EXPECT_EQ(ToNfc("caf\xe9"), "caf\xe9");
  EXPECT_EQ(DifferenceOf(kDecomposed, kComposed), "");
  EXPECT_EQ(DifferenceOf("cat", "dog"), "");
  EXPECT_EQ(DifferenceOf("CAF\xc3\x89", kDecomposed), "only in letter case");
  EXPECT_EQ(DifferenceOf("hot dog ", "hot_dog"), "only in blanks, underscores or hyphens");
  EXPECT_EQ(DifferenceOf("Hot dog", "hot-dog"),
            "in letter case and in blanks, underscores or hyphens");
  EXPECT_EQ(NearName("dog", {"cat", "Dog"}), " ('Dog' differs only in letter case)");
  EXPECT_EQ(BytesOf(kComposed), "caf\\xc3\\xa9");
}

TextSet Texts(const std::vector<std::string>& classes, const std::vector<std::string>& names) {
  TextSet set;
  set.path = "text.h5";
  set.count = static_cast<std::int64_t>(classes.size());
  set.width = 1;
  for (std::size_t c = 0; c < classes.size(); ++c) set.text.push_back(static_cast<float>(c));
  set.classes = classes;
  set.classnames = names;
  return set;
}

FeatureSet Folders(const std::vector<std::string>& classes) {
  FeatureSet set;
  set.path = "f.h5";
  set.width = 1;
  set.classes = classes;
  return set;
}

// By position, too, where names do not speak against it.
std::vector<float> RowsOf(const TextSet& text, const FeatureSet& features) {
  Allowed allowed;
  allowed.by_position = true;
  Oddities oddities;
  return TextRowsFor(text, features, allowed, oddities);
}

TEST(TextRows, AreFoundByFolderThenByName) {
  using Rows = std::vector<float>;
  const TextSet numbers = Texts({"0", "1", "10", "2"}, {"zero", "one", "ten", "two"});
  EXPECT_EQ(RowsOf(numbers, Folders({"2", "10", "1"})), (Rows{3, 2, 1}));
  EXPECT_EQ(RowsOf(numbers, Folders({"two", "ten"})), (Rows{3, 2}));
  EXPECT_EQ(RowsOf(Texts({kDecomposed}, {"x"}), Folders({kComposed})), Rows{0});
  // A folder goes before another class's name.
  const TextSet crossed = Texts({"crane", "n2"}, {"machine", "crane"});
  EXPECT_EQ(RowsOf(crossed, Folders({"n2", "crane"})), (Rows{1, 0}));
  EXPECT_TRUE(Holds(MessageOf([&] { RowsOf(numbers, Folders({"2", "two"})); }), "row 3"));
}

TEST(TextRows, ASharedNameLeadsToNoRow) {
  const TextSet text = Texts({"n03773504", "n04008634", "n1"}, {"missile", "missile", "cat"});
  EXPECT_EQ(RowsOf(text, Folders({"n04008634", "n03773504"})), (std::vector<float>{1, 0}));
  EXPECT_TRUE(Holds(MessageOf([&] {
                      RowsOf(text, Folders({"cat", "missile"}));
                    }),
                    "'missile' is the name of 2 classes"));
}

TEST(TextRows, NoPlacesForNamesThatLookLikeFolders) {
  const auto refuses = [](const std::vector<std::string>& names,
                          const std::vector<std::string>& folders, const std::string& word) {
    return Holds(MessageOf([&] { RowsOf(Texts(names, names), Folders(folders)); }), word);
  };
  EXPECT_TRUE(refuses({"Dog", "Cat"}, {"cat", "dog"}, "folder<TAB>name"));
  EXPECT_TRUE(refuses({"Dog", "cat"}, {"cat", "dog"}, "'Dog' differs only in letter case"));
  EXPECT_TRUE(refuses({"one", "ten", "two"}, {"1", "10", "2"}, "'10' before '2'"));
  EXPECT_TRUE(refuses({"hot dog", "cat"}, {"hot_dog", "cat"}, "blanks"));
  // The same names in another order are no trouble.
  EXPECT_EQ(RowsOf(Texts({"dog", "cat"}, {"dog", "cat"}), Folders({"cat", "dog"})),
            (std::vector<float>{1, 0}));
  // {"0": "tench"} is not given to the folder n01440764 by its place.
  EXPECT_TRUE(
      Holds(MessageOf([] {
              RowsOf(Texts({"0", "1"}, {"tench", "goldfish"}), Folders({"n01440764", "n01443537"}));
            }),
            "keys in JSON are folders"));
}

TEST(SubsetFile, TextAndNames) {
  const TempFolder folder;
  const std::vector<std::string> classes{kComposed, "dog"};
  const std::vector<std::string> paths{kDecomposed + "/1.jpg", "dog/1.jpg"};
  const std::vector<std::int32_t> labels{0, 1};
  const auto read = [&](const std::string& name, const std::string& text) {
    WriteText(folder / name, text);
    return ReadSubsetFile(folder / name, {classes, paths, labels, "c.h5"}).size();
  };
  const auto message = [&](const std::string& name, const std::string& text) {
    return MessageOf([&] { read(name, text); });
  };
  EXPECT_EQ(read("a.json", "\xef\xbb\xbf{\"" + kDecomposed + "\": [\"" + kComposed +
                               "/1.jpg\"], \"dog\": [1]}"),
            2u);
  EXPECT_EQ(read("a.tsv", "\xef\xbb\xbf" + kDecomposed + "\t0\r\ndog\tdog/1.jpg\r\n"), 2u);
  EXPECT_TRUE(Holds(message("b.tsv", "dog\t1\ncaf\xe9\t0\n"), "b.tsv:2: byte 4 is 0xe9"));
  EXPECT_TRUE(Holds(message("b.tsv", "Dog\t1\n"), "'dog' differs only in letter case"));
  EXPECT_TRUE(Holds(message("b.json", R"({"dog": [1], "dog": [1]})"), "stands twice"));
}

}  // namespace
}  // namespace clipsweep
