// Memory that does not suffice is bad input, in one line, whoever noticed it.
#include <gtest/gtest.h>

#include <new>
#include <stdexcept>
#include <string>
#include <system_error>

#include "common/process/error.h"
#include "common/process/liveness.h"

namespace clipsweep {
namespace {

void ExpectMemory(const std::exception& error, const std::string& words) {
  const auto [code, message] = DescribeError(error);
  EXPECT_EQ(code, ExitCode::kBadInput) << message;
  for (const std::string& word : {words, std::string("--threads"), std::string("fewer ranks")}) {
    EXPECT_NE(message.find(word), std::string::npos) << message;
  }
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  EXPECT_EQ(message.find("report it"), std::string::npos) << message;
}

TEST(Memory, IsNamedWithItsStage) {
  EnterStage("sweep: count");
  ExpectMemory(std::bad_alloc(), "out of memory in 'sweep: count', which holds the cache");
  ExpectMemory(std::length_error("vector::_M_default_append"), "out of memory");
  ExpectMemory(std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again)),
               "thread");
  EnterStage("extract: encode");
  ExpectMemory(std::runtime_error("could not create a primitive"),
               "in 'extract: encode', which holds a batch of pictures");
}

TEST(Memory, SaysWhatLibTorchAskedFor) {
  EnterStage("finetune: epoch");
  ExpectMemory(
      std::runtime_error("[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't "
                         "allocate memory: you tried to allocate 4096000000 bytes. Error code 12 "
                         "(Cannot allocate memory)\nframe #0: c10::ThrowEnforceNotMet"),
      "out of memory (4096000000 bytes more were asked for) in 'finetune: epoch'");
  ExpectMemory(
      std::runtime_error("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total "
                         "capacity of 139.80 GiB of which 1.10 GiB is free."),
      "out of GPU memory (2.00 GiB more were asked for) in 'finetune: epoch'");
}

TEST(Memory, OtherErrorsStayWhatTheyAre) {
  EXPECT_EQ(DescribeError(std::runtime_error("odd")).code, ExitCode::kInternal);
  EXPECT_EQ(DescribeError(UsageError("--x: no")).code, ExitCode::kUsage);
  EXPECT_EQ(DescribeError(std::system_error(std::make_error_code(std::errc::io_error))).code,
            ExitCode::kInternal);
}

}  // namespace
}  // namespace clipsweep
