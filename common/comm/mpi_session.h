// MPI for the life of the process: started only under a launcher (mpirun, srun), so that a command
// run alone needs no working MPI.
#pragma once

#include <mpi.h>

#include <memory>

#include "common/comm/comm.h"

namespace clipsweep {

class MpiSession {
 public:
  // Starts MPI if a launcher started this process. Throws InternalError if MPI does not come up.
  MpiSession(int* argc, char*** argv);
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;
  // Silent: never calls MPI_Finalize, which can hang the other ranks during unwinding.
  ~MpiSession() = default;

  // The world: MpiComm under a launcher, SelfComm otherwise.
  Comm& world() { return *world_; }
  // Rank among the ranks of this machine, and how many there are: picks the GPU, divides the cores.
  int local_rank() const { return local_rank_; }
  int local_size() const { return local_size_; }
  // Ranks of this machine, this one included, that may run on exactly the same cores.
  int core_sharers() const { return core_sharers_; }

  bool launched() const { return launched_; }
  // Whether a second thread may call MPI; true without MPI.
  bool threads_allowed() const { return threads_allowed_; }
  // Of all ranks; MPI_COMM_NULL without a launcher.
  MPI_Comm communicator() const { return launched_ ? MPI_COMM_WORLD : MPI_COMM_NULL; }

  // Ends MPI in step with the other ranks. Call once, at a point every rank reaches.
  void Finalize();
  // Ends every rank at once with this exit code.
  [[noreturn]] void Abort(int exit_code);

 private:
  bool launched_ = false;
  bool threads_allowed_ = true;
  int local_rank_ = 0;
  int local_size_ = 1;
  int core_sharers_ = 1;
  std::unique_ptr<Comm> world_;
};

class MpiComm final : public Comm {
 public:
  // Duplicates `parent`, so that nobody else's messages mix with ours.
  explicit MpiComm(MPI_Comm parent);

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  std::string name() const override { return "mpi"; }
  void SumInt64(std::span<std::int64_t> values) override;
  void MaxInt64(std::span<std::int64_t> values) override;
  void MaxFloat(std::span<float> values) override;
  void AllGather(std::span<const float> mine, std::span<float> all) override;
  std::vector<std::vector<std::int64_t>> Gather(std::span<const std::int64_t> mine) override;
  void Broadcast(std::span<std::byte> bytes, int root) override;
  void Barrier() override;
  void Post(int to, std::int64_t value) override;
  bool Poll(int& from, std::int64_t& value) override;
  void Free();

 private:
  void AllReduce(void* data, std::size_t count, MPI_Datatype type, std::size_t width, MPI_Op op);

  MPI_Comm comm_ = MPI_COMM_NULL;
  int rank_ = 0;
  int size_ = 1;
};

}  // namespace clipsweep
