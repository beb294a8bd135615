// The CUDA side, built into libclipsweep_cuda.so where nvcc and NCCL are there; loaded by
// cuda_plugin.cpp.
#include <cuda_runtime_api.h>
#include <nccl.h>

#include <chrono>
#include <cstring>
#include <thread>

#include "common/comm/nccl_comm.h"
#include "common/process/error.h"

namespace clipsweep {
namespace {

constexpr std::chrono::seconds kFinalizeWithin{10};

void Check(cudaError_t code, const char* what) {
  if (code != cudaSuccess) {
    throw InternalError(std::string("CUDA ") + what + " failed: " + cudaGetErrorString(code));
  }
}

void Check(ncclResult_t code, const char* what) {
  if (code != ncclSuccess && code != ncclInProgress) {
    throw InternalError(std::string("NCCL ") + what + " failed: " + ncclGetErrorString(code));
  }
}

class DeviceBuffer {
 public:
  ~DeviceBuffer() { cudaFree(data_); }
  void* Reserve(std::size_t bytes) {
    if (bytes > size_) {
      cudaFree(data_);
      data_ = nullptr;
      Check(cudaMalloc(&data_, bytes), "malloc");
      size_ = bytes;
    }
    return data_;
  }
  void* data() const { return data_; }

 private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

class RealNccl final : public NcclBackend {
 public:
  explicit RealNccl(int device) : device_(device) {
    Use();
    Check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "stream");
  }
  ~RealNccl() override { cudaStreamDestroy(stream_); }

  std::string NewUniqueId() override {
    ncclUniqueId id;
    Check(ncclGetUniqueId(&id), "unique id");
    return std::string(id.internal, sizeof id.internal);
  }

  void Join(const std::string& bytes, int size, int rank) override {
    Use();
    ncclUniqueId id;
    if (bytes.size() != sizeof id.internal) throw InternalError("NCCL unique id of a wrong length");
    std::memcpy(id.internal, bytes.data(), sizeof id.internal);
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    Check(ncclCommInitRankConfig(&comm_, size, id, rank, &config), "join");
  }

  void StartAllReduce(const void* data, std::size_t count, Type type, Op op) override {
    Use();
    const std::size_t bytes = count * (type == Type::kInt64 ? sizeof(std::int64_t) : sizeof(float));
    Send(data, bytes);
    out_.Reserve(bytes);
    Check(
        ncclAllReduce(in_.data(), out_.data(), count, type == Type::kInt64 ? ncclInt64 : ncclFloat,
                      op == Op::kSum ? ncclSum : ncclMax, comm_, stream_),
        "allreduce");
  }

  void StartAllGather(const float* data, std::size_t count, int size) override {
    Use();
    Send(data, count * sizeof(float));
    out_.Reserve(count * sizeof(float) * static_cast<std::size_t>(size));
    Check(ncclAllGather(in_.data(), out_.data(), count, ncclFloat, comm_, stream_), "allgather");
  }

  State Poll(std::string& why) override {
    ncclResult_t state = ncclSuccess;
    const ncclResult_t asked = ncclCommGetAsyncError(comm_, &state);
    if (asked != ncclSuccess || (state != ncclSuccess && state != ncclInProgress)) {
      why = ncclGetErrorString(asked != ncclSuccess ? asked : state);
      return State::kFailed;
    }
    if (state == ncclInProgress) return State::kWorking;
    const cudaError_t stream = cudaStreamQuery(stream_);
    if (stream == cudaSuccess) return State::kDone;
    if (stream == cudaErrorNotReady) return State::kWorking;
    why = cudaGetErrorString(stream);
    return State::kFailed;
  }

  void TakeResult(void* data, std::size_t bytes) override {
    Check(cudaMemcpyAsync(data, out_.data(), bytes, cudaMemcpyDeviceToHost, stream_), "copy");
    Check(cudaStreamSynchronize(stream_), "copy");
  }

  void Abort() override { ncclCommAbort(comm_); }
  void Destroy() override {
    // Finalizing a non-blocking communicator goes on in the background; it may only be destroyed
    // after.
    ncclResult_t state = ncclCommFinalize(comm_);
    const auto until = std::chrono::steady_clock::now() + kFinalizeWithin;
    while (state == ncclInProgress && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      if (ncclCommGetAsyncError(comm_, &state) != ncclSuccess) break;
    }
    if (state == ncclSuccess) {
      ncclCommDestroy(comm_);
    } else {
      ncclCommAbort(comm_);
    }
  }

 private:
  void Use() { Check(cudaSetDevice(device_), "set device"); }
  void Send(const void* data, std::size_t bytes) {
    Check(cudaMemcpyAsync(in_.Reserve(bytes), data, bytes, cudaMemcpyHostToDevice, stream_),
          "copy");
  }

  int device_;
  cudaStream_t stream_ = nullptr;
  ncclComm_t comm_ = nullptr;
  DeviceBuffer in_, out_;
};

}  // namespace
}  // namespace clipsweep

extern "C" {

const char* clipsweep_cuda_version() { return CLIPSWEEP_VERSION; }

int clipsweep_cuda_device_count() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}

clipsweep::NcclBackend* clipsweep_cuda_nccl(int device) { return new clipsweep::RealNccl(device); }

}  // extern "C"
