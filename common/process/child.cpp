#include "common/process/child.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "common/process/error.h"
#include "common/process/liveness.h"

namespace clipsweep {
namespace {

void Send(int fd, const std::string& text) {
  std::size_t sent = 0;
  while (sent < text.size()) {
    const ssize_t n = ::write(fd, text.data() + sent, text.size() - sent);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) ::_exit(2);
    sent += static_cast<std::size_t>(n);
  }
}

[[noreturn]] void Work(
    const std::function<void(const std::function<void(const std::string&)>& send)>& work, int fd) {
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGINT, SIGTERM})
    ::signal(signal, SIG_DFL);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  ::dup2(nowhere, STDOUT_FILENO);
  ::dup2(nowhere, STDERR_FILENO);  // what libraries say of a damaged file
  try {
    work([&](const std::string& text) { Send(fd, text); });
  } catch (...) {
    ::_exit(1);
  }
  ::_exit(0);
}

}  // namespace

ChildResult RunInChild(
    const std::function<void(const std::function<void(const std::string&)>& send)>& work,
    int silence_seconds) {
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) throw InternalError("no pipe can be made");
  const pid_t child = ::fork();
  if (child < 0) {
    const int why = errno;
    for (const int end : pipe) ::close(end);
    throw InternalError(fmt::format(
        "no process can be started: {}; look at ulimit -u and at memory", std::strerror(why)));
  }
  if (child == 0) Work(work, pipe[1]);
  ::close(pipe[1]);
  ChildResult result;
  std::array<char, 4096> buffer{};
  for (;;) {
    pollfd sent{pipe[0], POLLIN, 0};
    const int ready = ::poll(&sent, 1, 1000 * silence_seconds);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) {
      ::kill(child, SIGKILL);
      break;
    }
    const ssize_t n = ::read(pipe[0], buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    MadeProgress();
    result.output.append(buffer.data(), static_cast<std::size_t>(n));
  }
  ::close(pipe[0]);
  int status = 0;
  rusage used{};
  while (::wait4(child, &status, 0, &used) < 0 && errno == EINTR) {
  }
  result.ended = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  const int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  const bool crashed = signal != 0 && signal != SIGKILL && signal != SIGTERM && signal != SIGINT;
  const bool computed = used.ru_utime.tv_sec + used.ru_stime.tv_sec >= silence_seconds / 2;
  result.hostile = crashed || (signal == SIGKILL && computed);
  return result;
}

}  // namespace clipsweep
