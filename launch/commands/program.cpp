#include "launch/commands/program.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <exception>
#include <optional>
#include <sstream>
#include <thread>

#include "common/comm/choose_comm.h"
#include "common/comm/mpi_session.h"
#include "common/disk/atomic_file.h"
#include "common/disk/text_output.h"
#include "common/files/provenance.h"
#include "common/process/error.h"
#include "common/process/launcher.h"
#include "common/process/liveness.h"
#include "common/process/log.h"
#include "common/process/progress.h"
#include "common/process/signals.h"
#include "common/process/unsafe_text.h"
#include "common/process/watchdog.h"
#include "launch/commands/command_line.h"
#include "launch/options/home_folder.h"
#include "launch/options/path_options.h"

namespace clipsweep {
namespace {

// One line: what follows a line break (a library's stack trace) goes to the debug log.
void PrintError(const std::string& message) {
  const std::size_t end = message.find('\n');
  std::istringstream further(end == std::string::npos ? "" : message.substr(end + 1));
  for (std::string line; std::getline(further, line);) LogDebug("{}", line);
  std::fprintf(stderr, "clipsweep: %s\n", Printable(message.substr(0, end)).c_str());
  std::fflush(stderr);
}

// Results; what cannot be written is an error, so that nobody takes an empty file for one.
void Print(const std::string& text) { WriteTextOutput("-", text); }

// Ranks that fail together speak in turn, so that the first to print ends the others before they
// do: `turn` 0 speaks at once.
void WaitForTurn(int turn, std::chrono::milliseconds step, int code) {
  const auto until = std::chrono::steady_clock::now() + turn * step;
  while (std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    if (IsInterrupted()) std::_Exit(code);  // another rank has spoken: its abort sent us SIGTERM
  }
}

// An error of this rank alone.
[[noreturn]] void AbortWith(MpiSession& session, int code, const std::string& message) {
  Comm& comm = session.world();
  WaitForTurn(std::min(comm.rank(), 4), std::chrono::milliseconds(100), code);
  PrintError(comm.size() > 1 ? fmt::format("rank {} of {}: {}", comm.rank(), comm.size(), message)
                             : message);
  std::fflush(stdout);
  if (!comm.is_root()) comm.Post(0, kRankFailed);  // the SIGTERM that follows is no user's
  session.Abort(code);
}

// On the watchdog's thread.
[[noreturn]] void EndStalled(MpiSession& session, const std::string& message) {
  constexpr auto kCode = static_cast<int>(ExitCode::kInternal);
  if (message.empty()) std::_Exit(kCode);  // the launcher is gone, and with it who reads us
  const int rank = session.world().rank();
  WaitForTurn(std::clamp(rank - 1, 0, 3), std::chrono::milliseconds(1100), kCode);
  PrintError(message);
  if (session.launched()) KillLauncherAfter(std::chrono::seconds(5));
  std::thread([] {
    std::this_thread::sleep_for(std::chrono::seconds(3));
    std::_Exit(kCode);  // MPI_Abort waits for a network that is gone
  }).detach();
  session.Abort(kCode);
}

// Whether another rank has said that it aborts; what it says may be on its way still.
bool AnyRankFailed(Comm& comm) {
  if (comm.rank_has_failed()) return true;
  for (int tries = 0; tries < (comm.size() > 1 ? 20 : 0); ++tries) {
    int from = 0;
    std::int64_t value = 0;
    while (comm.Poll(from, value)) {
      if (value == kRankFailed) return true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

std::unique_ptr<Watchdog> StartWatchdog(double seconds, MpiSession& session) {
  if (!std::isfinite(seconds) || seconds < 0 || seconds > 1e7) {
    throw UsageError(fmt::format("--stall-timeout: {} is not in 0..1e7 seconds", seconds));
  }
  if (seconds == 0) return nullptr;
  if (!session.threads_allowed()) {
    LogWarning("--stall-timeout: this MPI allows no second thread; hanging ranks are not noticed");
    return nullptr;
  }
  const auto limit = std::chrono::milliseconds(
      std::max<std::int64_t>(200, static_cast<std::int64_t>(std::llround(seconds * 1000))));
  return std::make_unique<Watchdog>(
      session.communicator(), limit,
      [&session](const std::string& message) { EndStalled(session, message); });
}

void WriteJson(const CommandLine& parsed, const Comm& comm, const Compute& compute,
               const Json& result, std::chrono::steady_clock::time_point started) {
  Json json = {{"command", parsed.command->name()},
               {"version", kVersion},
               {"ranks", comm.size()},
               {"comm", comm.name()},
               {"threads", compute.workers},
               {"device", compute.device},
               {"seconds",
                std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count()}};
  json.update(result);
  WriteTextOutput(parsed.common.json,
                  json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

int Dispatch(const CommandLine& parsed, MpiSession& session, std::unique_ptr<Watchdog>& watchdog) {
  Comm& world = session.world();
  if (!parsed.help.empty()) {
    Agree(world, [&] {
      if (world.is_root()) Print(parsed.help);
    });
    return 0;
  }
  // Apart from what follows, in which all ranks make the watchdog's communicator.
  Agree(world, [&] {
    if (world.is_root()) CheckPaths(parsed.paths);
  });
  std::optional<Compute> compute;
  Agree(world, [&] {
    LogLevel level = ParseLogLevel(parsed.common.log_level);
    // What all ranks would say alike, rank 0 says; --log-level debug lets every rank speak.
    const bool terse = parsed.common.quiet || (!world.is_root() && level == LogLevel::kInfo);
    if (terse) level = std::max(level, LogLevel::kWarning);
    InitLog(level, world.rank(), world.size());
    const std::string lone =
        CheckAlone(world.size(), parsed.command->name(), parsed.command->shares_work());
    if (!lone.empty()) LogWarning("{}", lone);
    if (parsed.common.quiet) DisableProgress();
    watchdog = StartWatchdog(parsed.common.stall_timeout, session);
    compute = ChooseCompute(parsed.common.device, parsed.common.threads, session.local_rank(),
                            session.core_sharers());
  });
  std::unique_ptr<Comm> nccl;
  Agree(world, [&] {
    nccl = ChooseComm(parsed.common.comm, *compute, session.local_size(),
                      parsed.common.stall_timeout, world);
  });
  Comm& comm = nccl ? *nccl : world;
  Agree(world, [&] { parsed.command->Prepare(parsed.common); });
  const auto started = std::chrono::steady_clock::now();
  CommandOutput output = parsed.command->Run({parsed.common, *compute, comm});
  Agree(comm, [&] {
    if (!comm.is_root()) return;
    // The file first: a reader of standard output that has gone ends this process.
    std::exception_ptr failure;
    if (!parsed.common.json.empty()) {
      try {
        WriteJson(parsed, comm, *compute, output.json, started);
      } catch (...) {
        failure = std::current_exception();
      }
    }
    if (DescriptorNamed(parsed.common.json) == STDOUT_FILENO) {
      std::fputs(PrintableLines(output.text).c_str(), stderr);
    } else {
      Print(PrintableLines(output.text));
    }
    if (!output.error.empty()) PrintError(output.error);
    if (failure) std::rethrow_exception(failure);
  });
  return static_cast<int>(output.code);
}

// A file opened later must not take the number of a standard stream that is closed: results would
// be printed into it.
void FillStandardDescriptors() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    // For reading only: what is printed fails and is told.
    if (::fcntl(fd, F_GETFD) < 0 && errno == EBADF) ::open("/dev/null", O_RDONLY);
  }
}

}  // namespace

int RunProgram(int argc, char** argv) {
  FillStandardDescriptors();
  std::optional<MpiSession> session;
  try {
    session.emplace(&argc, &argv);
  } catch (const std::exception& error) {
    PrintError(error.what());
    return static_cast<int>(ExitCode::kInternal);
  }
  InstallSignalHandlers();
  SetReaders(session->world().size());
  int code = 0;
  std::unique_ptr<Watchdog> watchdog;
  CommandLine parsed;
  try {
    Agree(session->world(), [&] { parsed = ParseCommandLine(argc, argv); });
    code = Dispatch(parsed, *session, watchdog);
  } catch (const AgreedError& error) {
    if (session->world().is_root()) PrintError(WithFolderOfPaths(error.what(), parsed.given));
    code = static_cast<int>(error.code());
  } catch (const Interrupted& stop) {
    // Every rank got the signal; rank 0 speaks for all, unless it came from a rank's abort.
    if (!session->world().is_root()) {
      std::this_thread::sleep_for(std::chrono::seconds(1));
    } else if (!AnyRankFailed(session->world())) {
      PrintError(
          stop.what() +
          std::string(
              " (of a user, a scheduler or a launcher that lost a rank); finished parts are kept"));
    }
    session->Abort(128 + stop.signal());
  } catch (const std::exception& error) {
    const auto [exit_code, message] = DescribeError(error);
    AbortWith(*session, static_cast<int>(exit_code), message);
  }
  if (watchdog) watchdog->Stop();
  session->Finalize();
  return code;
}

}  // namespace clipsweep
