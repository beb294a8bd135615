#include "common/compute/graph_runner.h"
#include "common/compute/tensors.h"

#include <ATen/cuda/CUDAEvent.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <array>

namespace clipsweep {
namespace {

using c10::cuda::CUDAStream;
using c10::cuda::CUDAStreamGuard;

class CudaGraphRunner final : public GraphRunner {
 public:
  CudaGraphRunner(int device, const Function& function, const at::Tensor& example)
      : guard_(static_cast<c10::DeviceIndex>(device)),
        copy_in_(c10::cuda::getStreamFromPool(false, static_cast<c10::DeviceIndex>(device))),
        compute_(c10::cuda::getStreamFromPool(false, static_cast<c10::DeviceIndex>(device))),
        copy_out_(c10::cuda::getStreamFromPool(false, static_cast<c10::DeviceIndex>(device))) {
    const CUDAStreamGuard on_compute(compute_);
    input_ = example.to(at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(device)));
    // Libraries choose their algorithms and reserve memory in the first calls, which a capture must
    // not see.
    for (int i = 0; i < 3; ++i) function(input_);
    compute_.synchronize();
    graph_.capture_begin();
    output_ = function(input_);
    graph_.capture_end();
    for (Slot& slot : slots_) {
      slot.input = at::empty_like(input_);
      slot.output = at::empty_like(output_);
      slot.result =
          at::empty(output_.sizes(), output_.options().device(at::kCPU).pinned_memory(true));
    }
    compute_.synchronize();
  }

  void Submit(int index, const at::Tensor& input) override {
    Slot& slot = slots_.at(static_cast<std::size_t>(index));
    {
      const CUDAStreamGuard on(copy_in_);
      slot.input.copy_(input, /*non_blocking=*/true);
      slot.copied.record(copy_in_);
    }
    {
      const CUDAStreamGuard on(compute_);
      slot.copied.block(compute_);
      input_.copy_(slot.input, /*non_blocking=*/true);
      graph_.replay();
      slot.output.copy_(output_, /*non_blocking=*/true);
      slot.computed.record(compute_);
    }
    const CUDAStreamGuard on(copy_out_);
    slot.computed.block(copy_out_);
    slot.result.copy_(slot.output, /*non_blocking=*/true);
    slot.done.record(copy_out_);
  }

  at::Tensor Wait(int index) override {
    Slot& slot = slots_.at(static_cast<std::size_t>(index));
    slot.done.synchronize();
    return slot.result;
  }

 private:
  struct Slot {
    at::Tensor input, output;  // on the GPU
    at::Tensor result;         // page-locked
    at::cuda::CUDAEvent copied, computed, done;
  };

  c10::cuda::CUDAGuard guard_;
  CUDAStream copy_in_, compute_, copy_out_;
  at::cuda::CUDAGraph graph_;
  at::Tensor input_, output_;  // what the graph reads and writes
  std::array<Slot, kSlots> slots_;
};

}  // namespace
}  // namespace clipsweep

extern "C" clipsweep::GraphRunner* clipsweep_cuda_graph(
    int device, const clipsweep::GraphRunner::Function& function, const at::Tensor& example) {
  return new clipsweep::CudaGraphRunner(device, function, example);
}
