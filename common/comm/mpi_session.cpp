#include "common/comm/mpi_session.h"

#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "common/process/error.h"
#include "common/process/launcher.h"
#include "common/process/liveness.h"

namespace clipsweep {
namespace {

// MPI counts are ints: longer buffers travel in pieces of this many elements.
constexpr std::size_t kMaxCount = std::size_t{1} << 28;
constexpr int kGatherTag = 0, kPostTag = 1;

void Check(int code, const char* what) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw InternalError(std::string(what) + " failed: " + std::string(text, length) +
                      "; look for a lost rank or network above");
}

}  // namespace

MpiSession::MpiSession(int* argc, char*** argv) : launched_(UnderMpiLauncher()) {
  if (!launched_) {
    world_ = std::make_unique<SelfComm>();
    return;
  }
  // A file's structure is looked at in a child process: InfiniBand's library must know of forks.
  ::setenv("RDMAV_FORK_SAFE", "1", /*overwrite=*/0);
  int provided = 0;
  Check(MPI_Init_thread(argc, argv, MPI_THREAD_MULTIPLE, &provided), "MPI_Init_thread");
  threads_allowed_ = provided == MPI_THREAD_MULTIPLE;
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm node = MPI_COMM_NULL;
  Check(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node),
        "MPI_Comm_split_type");
  MPI_Comm_rank(node, &local_rank_);
  MPI_Comm_size(node, &local_size_);
  cpu_set_t mine;
  CPU_ZERO(&mine);
  sched_getaffinity(0, sizeof mine, &mine);
  std::vector<cpu_set_t> masks(static_cast<std::size_t>(local_size_));
  Check(MPI_Allgather(&mine, sizeof mine, MPI_BYTE, masks.data(), sizeof mine, MPI_BYTE, node),
        "MPI_Allgather");
  core_sharers_ =
      static_cast<int>(std::count_if(masks.begin(), masks.end(), [&](const cpu_set_t& other) {
        return CPU_EQUAL(&mine, &other);
      }));
  MPI_Comm_free(&node);
  world_ = std::make_unique<MpiComm>(MPI_COMM_WORLD);
}

void MpiSession::Finalize() {
  if (!launched_) return;
  static_cast<MpiComm&>(*world_).Free();
  MPI_Finalize();
}

void MpiSession::Abort(int exit_code) {
  if (launched_) MPI_Abort(MPI_COMM_WORLD, exit_code);
  std::_Exit(exit_code);
}

MpiComm::MpiComm(MPI_Comm parent) {
  Check(MPI_Comm_dup(parent, &comm_), "MPI_Comm_dup");
  MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN);
  MPI_Comm_rank(comm_, &rank_);
  MPI_Comm_size(comm_, &size_);
}

void MpiComm::Free() {
  if (comm_ != MPI_COMM_NULL) MPI_Comm_free(&comm_);
}

void MpiComm::AllReduce(void* data, std::size_t count, MPI_Datatype type, std::size_t width,
                        MPI_Op op) {
  const WaitingForRanks waiting;
  bytes_sent_ += static_cast<std::int64_t>(count * width);
  for (std::size_t at = 0; at < count; at += kMaxCount) {
    const int part = static_cast<int>(std::min(kMaxCount, count - at));
    void* start = static_cast<char*>(data) + at * width;
    Check(MPI_Allreduce(MPI_IN_PLACE, start, part, type, op, comm_), "MPI_Allreduce");
  }
}

void MpiComm::SumInt64(std::span<std::int64_t> values) {
  AllReduce(values.data(), values.size(), MPI_INT64_T, sizeof(std::int64_t), MPI_SUM);
}

void MpiComm::MaxInt64(std::span<std::int64_t> values) {
  AllReduce(values.data(), values.size(), MPI_INT64_T, sizeof(std::int64_t), MPI_MAX);
}

void MpiComm::MaxFloat(std::span<float> values) {
  AllReduce(values.data(), values.size(), MPI_FLOAT, sizeof(float), MPI_MAX);
}

void MpiComm::AllGather(std::span<const float> mine, std::span<float> all) {
  const WaitingForRanks waiting;
  if (mine.size() > kMaxCount) {
    throw InternalError("AllGather: more than 2^28 values from one rank; gather in pieces");
  }
  bytes_sent_ += static_cast<std::int64_t>(mine.size_bytes());
  const int count = static_cast<int>(mine.size());
  Check(MPI_Allgather(mine.data(), count, MPI_FLOAT, all.data(), count, MPI_FLOAT, comm_),
        "MPI_Allgather");
}

std::vector<std::vector<std::int64_t>> MpiComm::Gather(std::span<const std::int64_t> mine) {
  const WaitingForRanks waiting;
  bytes_sent_ += static_cast<std::int64_t>(mine.size_bytes());
  const auto length = static_cast<std::int64_t>(mine.size());
  std::vector<std::int64_t> lengths(is_root() ? static_cast<std::size_t>(size_) : 0);
  Check(MPI_Gather(&length, 1, MPI_INT64_T, lengths.data(), 1, MPI_INT64_T, 0, comm_),
        "MPI_Gather");
  const auto pieces = [&](std::int64_t* data, std::int64_t count, const auto& move) {
    for (std::int64_t at = 0; at < count; at += static_cast<std::int64_t>(kMaxCount)) {
      move(data + at, static_cast<int>(std::min(static_cast<std::int64_t>(kMaxCount), count - at)));
    }
  };
  if (!is_root()) {
    pieces(const_cast<std::int64_t*>(mine.data()), length, [&](std::int64_t* data, int count) {
      Check(MPI_Send(data, count, MPI_INT64_T, 0, kGatherTag, comm_), "MPI_Send");
    });
    return {};
  }
  std::vector<std::vector<std::int64_t>> all{{mine.begin(), mine.end()}};
  for (int rank = 1; rank < size_; ++rank) {
    auto& theirs =
        all.emplace_back(static_cast<std::size_t>(lengths[static_cast<std::size_t>(rank)]));
    pieces(theirs.data(), static_cast<std::int64_t>(theirs.size()),
           [&](std::int64_t* data, int count) {
             Check(MPI_Recv(data, count, MPI_INT64_T, rank, kGatherTag, comm_, MPI_STATUS_IGNORE),
                   "MPI_Recv");
           });
  }
  return all;
}

void MpiComm::Broadcast(std::span<std::byte> bytes, int root) {
  const WaitingForRanks waiting;
  if (rank_ == root) bytes_sent_ += static_cast<std::int64_t>(bytes.size());
  for (std::size_t at = 0; at < bytes.size(); at += kMaxCount) {
    const int part = static_cast<int>(std::min(kMaxCount, bytes.size() - at));
    Check(MPI_Bcast(bytes.data() + at, part, MPI_BYTE, root, comm_), "MPI_Bcast");
  }
}

// Eight bytes travel eagerly: the send ends before anybody receives.
void MpiComm::Post(int to, std::int64_t value) {
  Check(MPI_Send(&value, 1, MPI_INT64_T, to, kPostTag, comm_), "MPI_Send");
}

bool MpiComm::Poll(int& from, std::int64_t& value) {
  int waiting = 0;
  MPI_Status status;
  Check(MPI_Iprobe(MPI_ANY_SOURCE, kPostTag, comm_, &waiting, &status), "MPI_Iprobe");
  if (waiting == 0) return false;
  from = status.MPI_SOURCE;
  Check(MPI_Recv(&value, 1, MPI_INT64_T, from, kPostTag, comm_, MPI_STATUS_IGNORE), "MPI_Recv");
  return true;
}

void MpiComm::Barrier() {
  const WaitingForRanks waiting;
  Check(MPI_Barrier(comm_), "MPI_Barrier");
}

}  // namespace clipsweep
