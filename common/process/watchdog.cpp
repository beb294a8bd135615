#include "common/process/watchdog.h"

#include <fmt/core.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstring>
#include <fstream>
#include <mutex>
#include <thread>
#include <vector>

#include "common/process/liveness.h"
#include "common/process/stall_judge.h"

namespace clipsweep {
namespace {

constexpr int kBeatTag = 0;

// A heartbeat on the wire.
struct Beat {
  std::int64_t progress;
  std::int32_t waiting;
  std::array<char, 52> stage;
};
static_assert(sizeof(Beat) == 64);

Beat Pack(const Liveness& alive) {
  Beat beat{alive.progress, alive.waiting ? 1 : 0, {}};
  alive.stage.copy(beat.stage.data(), beat.stage.size() - 1);
  return beat;
}

Liveness Unpack(const Beat& beat) {
  return {beat.progress, beat.waiting != 0,
          std::string(beat.stage.data(), ::strnlen(beat.stage.data(), beat.stage.size()))};
}

}  // namespace

struct Watchdog::State {
  MPI_Comm comm = MPI_COMM_NULL;
  int rank = 0, size = 1;
  std::chrono::milliseconds limit, every;
  std::function<void(const std::string&)> on_stall;
  const pid_t launcher = ::getppid();

  std::mutex mutex;
  std::condition_variable changed;
  bool stop = false;

  // To each rank that hears this one: what is on its way.
  struct Sending {
    int to;
    Beat beat;
    MPI_Request request = MPI_REQUEST_NULL;
  };
  std::vector<Sending> sendings;
  std::thread thread;

  void Send(const Beat& beat) {
    for (Sending& sending : sendings) {
      int done = 0;
      MPI_Test(&sending.request, &done, MPI_STATUS_IGNORE);
      if (done == 0) continue;  // the last one has not left yet: the way is blocked
      sending.beat = beat;
      MPI_Isend(&sending.beat, sizeof(Beat), MPI_BYTE, sending.to, kBeatTag, comm,
                &sending.request);
    }
  }

  template <typename Use>
  void Receive(const Use& use) {
    if (comm == MPI_COMM_NULL) return;
    for (;;) {
      int waiting = 0;
      MPI_Status status;
      MPI_Iprobe(MPI_ANY_SOURCE, kBeatTag, comm, &waiting, &status);
      if (waiting == 0) return;
      Beat beat;
      MPI_Recv(&beat, sizeof beat, MPI_BYTE, status.MPI_SOURCE, kBeatTag, comm, MPI_STATUS_IGNORE);
      use(status.MPI_SOURCE, beat);
    }
  }

  void Loop() {
    using Clock = StallJudge::Clock;
    StallJudge judge(rank, size, limit, Clock::now());
    std::unique_lock lock(mutex);
    while (!changed.wait_for(lock, every, [&] { return stop; })) {
      lock.unlock();
      if (comm != MPI_COMM_NULL && ::getppid() != launcher) on_stall("");
      const Liveness alive = ReadLiveness();
      judge.Hear(rank, alive, Clock::now());
      Send(Pack(alive));
      Receive([&](int from, const Beat& beat) { judge.Hear(from, Unpack(beat), Clock::now()); });
      const std::string message = judge.Check(Clock::now());
      if (!message.empty()) on_stall(message);
      lock.lock();
    }
  }

  void Join() {
    {
      const std::lock_guard lock(mutex);
      stop = true;
    }
    changed.notify_all();
    if (thread.joinable()) thread.join();
  }
};

Watchdog::Watchdog(MPI_Comm comm, std::chrono::milliseconds limit,
                   std::function<void(const std::string&)> on_stall)
    : state_(std::make_unique<State>()) {
  State& state = *state_;
  state.limit = limit;
  state.every =
      std::clamp(limit / 10, std::chrono::milliseconds(20), std::chrono::milliseconds(1000));
  state.on_stall = std::move(on_stall);
  if (comm != MPI_COMM_NULL) {
    MPI_Comm_dup(comm, &state.comm);
    MPI_Comm_set_errhandler(state.comm, MPI_ERRORS_RETURN);
    MPI_Comm_rank(state.comm, &state.rank);
    MPI_Comm_size(state.comm, &state.size);
    for (int to = 0; to < state.size; ++to) {
      if (to != state.rank && (to == 0 || state.rank == 0)) state.sendings.push_back({to, {}});
    }
  }
  state.thread = std::thread([&state] { state.Loop(); });
}

Watchdog::~Watchdog() { state_->Join(); }

void Watchdog::Stop() {
  State& state = *state_;
  state.Join();
  if (state.comm == MPI_COMM_NULL) return;
  for (State::Sending& sending : state.sendings) MPI_Wait(&sending.request, MPI_STATUS_IGNORE);
  MPI_Barrier(state.comm);
  state.Receive([](int, const Beat&) {});
  MPI_Comm_free(&state.comm);
}

void KillLauncherAfter(std::chrono::seconds grace) {
  const pid_t launcher = ::getppid();
  std::string name;
  std::getline(std::ifstream(fmt::format("/proc/{}/comm", launcher)), name);
  const auto ours = {"mpirun", "orterun", "orted", "prte", "prted"};
  if (std::find(ours.begin(), ours.end(), name) == ours.end()) return;
  const auto handle = static_cast<int>(::syscall(SYS_pidfd_open, launcher, 0));
  if (handle < 0) return;
  const pid_t child = ::fork();
  if (child > 0) ::waitpid(child, nullptr, 0);
  if (child != 0) {
    ::close(handle);
    return;
  }
  // Only calls that are safe in the child of a process with threads.
  if (::fork() != 0) ::_exit(0);
  ::setsid();
  for (int fd = 0; fd < 1024; ++fd) {
    if (fd != handle) ::close(fd);  // the launcher reads our output to its end
  }
  pollfd ended{handle, POLLIN, 0};
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(grace).count();
  if (::poll(&ended, 1, static_cast<int>(milliseconds)) == 0) {
    ::syscall(SYS_pidfd_send_signal, handle, SIGKILL, nullptr, 0);
  }
  ::_exit(0);
}

}  // namespace clipsweep
