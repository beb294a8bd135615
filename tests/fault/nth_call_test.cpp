// Every call that changes the disk fails once, and from then on, in a tiny extraction and a tiny
// training: what is on disk is the old file or the new one, the exit code says which, and there is
// one line that names what is wrong. Each run is a child process: a death by a signal is seen.
// Every call fails by a full disk; by the other faults every fourth does, or with --full every one.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>

#include "common/disk/atomic_file.h"
#include "common/disk/sha256.h"
#include "launch/commands/program.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/full.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

const fs::path kSource = CLIPSWEEP_SOURCE_DIR;

struct Outcome {
  int status = 0;  // as waitpid gives it
  std::int64_t calls = 0;
  std::string errors;  // stderr
  bool exited() const { return WIFEXITED(status); }
  int code() const { return WEXITSTATUS(status); }
};

// Runs `words` in a child with a disk whose `nth` call fails; the last word is the output.
Outcome RunFaulty(const Words& words, const fs::path& folder, std::int64_t nth, Fault fault,
                  bool for_good) {
  const fs::path log = folder / "stderr", count = folder / "calls";
  const pid_t child = ::fork();
  if (child == 0) {
    const int fd = ::open(log.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0644);
    const int nowhere = ::open("/dev/null", O_WRONLY);
    ::dup2(fd, STDERR_FILENO);
    ::dup2(nowhere, STDOUT_FILENO);
    FaultyFileSystem faulty(nth, fault, for_good);
    SetFileSystem(&faulty);
    std::vector<char*> argv;
    Words all = {"clipsweep"};
    all.insert(all.end(), words.begin(), words.end());
    for (std::string& word : all) argv.push_back(word.data());
    const int code = RunProgram(static_cast<int>(argv.size()), argv.data());
    std::ofstream(count) << faulty.calls();
    ::_exit(code);
  }
  Outcome run;
  ::waitpid(child, &run.status, 0);
  run.errors = ReadFile(log);
  std::ifstream(count) >> run.calls;
  return run;
}

bool HasTemporary(const fs::path& out) {
  for (const auto& entry : fs::directory_iterator(out.parent_path())) {
    if (IsTemporaryOf(entry.path().filename().string(), out.filename().string())) return true;
  }
  return false;
}

class NthCallTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / "nth_call" /
              testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "job");
    const fs::path seeds = kSource / "tests/fuzz/seeds/image";
    for (const auto& [name, from] : {std::pair("cat/1.png", "rgb.png"),
                                     {"cat/2.jpg", "rgb.jpg"},
                                     {"cat/3.png", "rgba.png"},
                                     {"dog/1.png", "palette.png"},
                                     {"dog/2.jpg", "progressive.jpg"},
                                     {"dog/3.png", "la.png"}}) {
      fs::create_directories((folder_ / "images" / name).parent_path());
      fs::copy_file(seeds / from, folder_ / "images" / name);
    }
    std::ofstream(folder_ / "names.txt") << "cat\ndog\n";
  }
  void TearDown() override { fs::remove_all(folder_); }

  Words Extract(const fs::path& out, const std::string& dtype) const {
    return {"extract",
            "--model",
            (kSource / "launch/demo/digit-clip.safetensors").string(),
            "--images",
            (folder_ / "images").string(),
            "--threads",
            "1",
            "--quiet",
            "--dtype",
            dtype,
            "--out",
            out.string()};
  }
  void RunWell(const Words& words) const {
    const Outcome run = RunFaulty(words, folder_, 0, Fault::kFull, false);
    ASSERT_TRUE(run.exited() && run.code() == 0) << run.errors;
  }

  // `words(out)` is the job that writes `out`; `old` stands there before it, with --fresh in words.
  void FailEveryCall(const std::function<Words(const fs::path&)>& words, const fs::path& old) {
    const fs::path out = folder_ / "job/out.h5";
    const Words job = words(out);
    const std::string old_hash = FileSha256(old);
    const auto prepare = [&] {
      fs::remove_all(folder_ / "job");
      fs::create_directories(folder_ / "job");
      fs::copy_file(old, out);
    };
    prepare();
    const Outcome whole = RunFaulty(job, folder_, 0, Fault::kFull, false);
    ASSERT_TRUE(whole.exited() && whole.code() == 0) << whole.errors;
    const std::string new_hash = FileSha256(out);
    ASSERT_NE(old_hash, new_hash);
    ASSERT_GT(whole.calls, 10);
    int failed = 0, done = 0, tried = 0, first = 0;
    for (const Fault fault : {Fault::kFull, Fault::kBroken, Fault::kShort, Fault::kInterrupted}) {
      for (const bool for_good : {false, true}) {
        const bool every = fault == Fault::kFull || FullCounts();
        for (std::int64_t nth = every ? 1 : ++first % 4 + 1; nth <= whole.calls;
             nth += every ? 1 : 4) {
          ++tried;
          prepare();
          const Outcome run = RunFaulty(job, folder_, nth, fault, for_good);
          const std::string where =
              "call " + std::to_string(nth) + " of " + std::to_string(whole.calls) + ", fault " +
              std::to_string(static_cast<int>(fault)) + (for_good ? " for good" : " once");
          ASSERT_TRUE(run.exited()) << where << ": died by signal " << WTERMSIG(run.status);
          const std::string hash = FileSha256(out);
          ASSERT_TRUE(hash == old_hash || hash == new_hash) << where;
          ASSERT_FALSE(HasTemporary(out) && !for_good) << where;
          if (run.code() == 0) {
            ++done;
            ASSERT_EQ(hash, new_hash) << where;
            continue;
          }
          ++failed;
          ASSERT_EQ(run.code(), 3) << where << ": " << run.errors;
          const auto lines = std::count(run.errors.begin(), run.errors.end(), '\n');
          ASSERT_EQ(lines, 1) << where << ": " << run.errors;
          ASSERT_EQ(run.errors.rfind("clipsweep: ", 0), 0U) << where << ": " << run.errors;
          ASSERT_NE(run.errors.find((folder_ / "job").string()), std::string::npos) << run.errors;
          ASSERT_NE(run.errors.find("failed: "), std::string::npos) << run.errors;
          // Harmless faults must have been overcome: a short write and an interruption.
          ASSERT_TRUE(fault == Fault::kFull || fault == Fault::kBroken ||
                      (fault == Fault::kInterrupted && for_good))
              << where << ": " << run.errors;
        }
      }
    }
    ASSERT_EQ(tried, failed + done);
    ASSERT_GT(failed, tried / 8);
    ASSERT_GT(done, tried / 8);
    std::printf("%lld calls: %d runs failed with one line, %d ended well\n",
                static_cast<long long>(whole.calls), failed, done);
  }

  fs::path folder_;
};

TEST_F(NthCallTest, Extraction) {
  const fs::path old = folder_ / "old.h5";
  RunWell(Extract(old, "f16"));
  FailEveryCall(
      [&](const fs::path& out) {
        Words words = Extract(out, "f32");
        words.emplace_back("--fresh");
        return words;
      },
      old);
}

TEST_F(NthCallTest, Training) {
  const fs::path features = folder_ / "f.h5", text = folder_ / "t.h5", old = folder_ / "old.h5";
  RunWell(Extract(features, "f32"));
  RunWell({"text", "--model", (kSource / "launch/demo/digit-clip.safetensors").string(),
           "--classnames", (folder_ / "names.txt").string(), "--threads", "1", "--quiet", "--out",
           text.string()});
  const auto train = [&](const fs::path& out, const std::string& epochs) {
    // Saves its state at the end of every epoch but the last.
    return Words{"finetune",
                 "--cache",
                 features.string(),
                 "--features",
                 features.string(),
                 "--text",
                 text.string(),
                 "--alpha",
                 "1",
                 "--beta",
                 "5.5",
                 "--epochs",
                 epochs,
                 "--threads",
                 "1",
                 "--save-every",
                 "0.001",
                 "--quiet",
                 "--allow-overlap",
                 "--fresh",
                 "--out",
                 out.string()};
  };
  RunWell(train(old, "1"));
  FailEveryCall([&](const fs::path& out) { return train(out, "2"); }, old);
}

}  // namespace
}  // namespace clipsweep
