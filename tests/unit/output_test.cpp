// Locks where a file system has few or none, temporaries, text outputs.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "common/disk/atomic_file.h"
#include "common/disk/file_system.h"
#include "common/disk/output_lock.h"
#include "common/disk/parts_folder.h"
#include "common/disk/text_output.h"
#include "common/process/error.h"
#include "tests/support/messages.h"
#include "tests/support/problems.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;
using testing::MessageOf;
using testing::TempFolder;
using testing::WriteText;

// A file system that knows some kinds of locks only.
class FewLocks final : public FileSystem {
 public:
  explicit FewLocks(bool record) : record_(record) { SetFileSystem(this); }
  ~FewLocks() override { SetFileSystem(nullptr); }
  int Lock(int fd, LockKind kind) override {
    if (kind == LockKind::kRecord && record_) return FileSystem::Lock(fd, kind);
    errno = kind == LockKind::kRecord ? ENOLCK : EOPNOTSUPP;
    return -1;
  }

 private:
  const bool record_;
};

TEST(OutputLock, RefusesASecondHolderAndIsReleased) {
  for (const int kind : {0, 1, 2}) {  // flock, locks of fcntl, none
    const std::unique_ptr<FewLocks> few =
        kind > 0 ? std::make_unique<FewLocks>(kind == 1) : nullptr;
    const TempFolder folder;
    {
      const OutputLock first(folder / "out.h5");
      const std::string message = MessageOf([&] { OutputLock second(folder / "out.h5"); });
      EXPECT_NE(message.find("is writing this output"), std::string::npos) << kind << message;
      if (kind == 2) {
        EXPECT_NE(message.find(std::to_string(::getpid())), std::string::npos);
      }
      EXPECT_EQ(MessageOf([&] { OutputLock other(folder / "other.h5"); }), "");
    }
    EXPECT_TRUE(fs::is_empty(folder.path())) << kind;
    const OutputLock again(folder / "out.h5");
    EXPECT_EQ(fs::exists(folder / "out.h5.lock"), kind < 2);
  }
}

TEST(OutputLock, AFileOfAJobThatIsGoneIsTakenOver) {
  const FewLocks none(false);
  const TempFolder folder;
  char host[256] = "";
  ::gethostname(host, sizeof(host) - 1);
  const std::string gone = "4194999";  // above what Linux hands out
  WriteText(folder / "out.h5.lock.held", std::string(host) + " " + gone);
  EXPECT_EQ(MessageOf([&] { OutputLock lock(folder / "out.h5"); }), "");
  WriteText(folder / "out.h5.lock.held", "elsewhere " + gone);  // nobody here can know
  const std::string message = MessageOf([&] { OutputLock lock(folder / "out.h5"); });
  EXPECT_NE(message.find("elsewhere " + gone), std::string::npos) << message;
  EXPECT_NE(message.find("remove"), std::string::npos) << message;
}

TEST(OutputLock, RemovesWhatAKilledJobLeft) {
  const TempFolder folder;
  const fs::path left = TemporaryFor(folder / "out.h5");
  WriteText(left, "half");
  WriteText(folder / "out.h5.mine.tmp", "mine");
  WriteText(TemporaryFor(folder / "other.h5"), "of another");
  fs::create_symlink(folder / "out.h5.mine.tmp", folder / "out.h5.0123456789ab.tmp");
  const OutputLock lock(folder / "out.h5");
  EXPECT_FALSE(fs::exists(left));
  EXPECT_TRUE(fs::exists(folder / "out.h5.mine.tmp"));
  EXPECT_TRUE(fs::is_symlink(folder / "out.h5.0123456789ab.tmp"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 4);
}

TEST(Temporaries, AreNewAndTheirNamesAreOurs) {
  const TempFolder folder;
  const fs::path one = TemporaryFor(folder / "a"), two = TemporaryFor(folder / "a");
  EXPECT_NE(one, two);
  EXPECT_TRUE(IsTemporaryOf(one.filename().string(), "a"));
  for (const char* name :
       {"a.tmp", "a.0123456789aB.tmp", "a.0123456789a.tmp", "b.0123456789ab.tmp"}) {
    EXPECT_FALSE(IsTemporaryOf(name, "a")) << name;
  }
  WriteText(one, "planted");
  EXPECT_THROW(OutputFile{one}, Error);
  fs::create_symlink(folder / "elsewhere", two);
  EXPECT_THROW(OutputFile{two}, Error);
  EXPECT_FALSE(fs::exists(folder / "elsewhere"));
}

TEST(TextOutput, IsWholeOrNotThere) {
  const TempFolder folder;
  WriteText(folder / "a.csv", "old");
  {
    TextOutput given_up(folder / "a.csv");
    given_up.Write("new");
  }
  EXPECT_EQ(ReadFile(folder / "a.csv"), "old");
  WriteTextOutput(folder / "a.csv", "new");
  EXPECT_EQ(ReadFile(folder / "a.csv"), "new");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1);
}

TEST(TextOutput, KnowsTheDescriptorsOfThisProcess) {
  EXPECT_EQ(DescriptorNamed("-"), 1);
  EXPECT_EQ(DescriptorNamed("/dev/stdout"), 1);
  EXPECT_EQ(DescriptorNamed("/dev/stderr"), 2);
  EXPECT_EQ(DescriptorNamed("/proc/self/fd/7"), 7);
  EXPECT_EQ(DescriptorNamed("/dev/fd/../fd/3"), 3);
  EXPECT_EQ(DescriptorNamed("/dev/null"), std::nullopt);
  EXPECT_EQ(DescriptorNamed("/dev/fd/x"), std::nullopt);
  EXPECT_EQ(DescriptorNamed("out.json"), std::nullopt);
  const TempFolder folder;
  fs::create_symlink("/dev/stdout", folder / "link");
  EXPECT_EQ(DescriptorNamed(folder / "link"), 1);
  fs::create_symlink("loop", folder / "loop");
  EXPECT_EQ(DescriptorNamed(folder / "loop"), std::nullopt);
}

TEST(PartsFolder, HoldsOursOnly) {
  const TempFolder folder;
  const PartsFolder parts(folder / "o.h5");
  EXPECT_FALSE(parts.Exists());
  EXPECT_TRUE(parts.Files().empty());
  parts.Make();
  for (const char* name :
       {"shard-00001.h5", "part-1-2-3.h5", "state.h5", "mine.h5", "shard-x.h5", "shard-.h5"}) {
    WriteText(parts / name, "x");
  }
  fs::create_symlink(parts / "mine.h5", parts / "shard-00002.h5");
  EXPECT_EQ(parts.Files().size(), 3u);
  parts.Remove();
  EXPECT_EQ(std::distance(fs::directory_iterator(parts.path()), fs::directory_iterator()), 3);
  EXPECT_EQ(ReadFile(parts / "mine.h5"), "x");
}

}  // namespace
}  // namespace clipsweep
