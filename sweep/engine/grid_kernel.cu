// The grid kernel's phases as CUDA runs them; see grid_kernel.h.
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime.h>

#include "sweep/engine/grid_kernel.h"

namespace clipsweep {
namespace {

constexpr int kThreads = 256;

__global__ void __launch_bounds__(kThreads) CountCells(const GridKernelArgs args) {
  extern __shared__ std::int64_t memory[];
  const GridShared shared = SharedAt(memory, args.chunk);
  // Samples come first: a launch's grid may be 2^31 - 1 wide but 65,535 high and deep.
  const auto place =
      grid_kernel::PlaceOf(args, static_cast<int>(blockIdx.x), static_cast<int>(blockIdx.y),
                           static_cast<int>(blockIdx.z));
  if (place.betas <= 0) return;
#pragma unroll
  for (int phase = 0; phase < kGridPhases; ++phase) {
    GridPhase(phase, args, place, shared, static_cast<int>(threadIdx.x), kThreads);
    __syncthreads();
  }
}

}  // namespace
}  // namespace clipsweep

extern "C" const char* clipsweep_cuda_grid(const clipsweep::GridKernelArgs& args, int device) {
  using namespace clipsweep;
  const auto bytes = static_cast<int>(SharedBytes(args.chunk, args.alpha_count));
  cudaError_t status = cudaSetDevice(device);
  if (status == cudaSuccess) {
    status = cudaFuncSetAttribute(CountCells, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  }
  if (status == cudaSuccess) {
    const dim3 grid(static_cast<unsigned>(args.samples), static_cast<unsigned>(args.shot_counts),
                    static_cast<unsigned>(args.runs * (kRunBetas / args.chunk)));
    const auto stream = c10::cuda::getCurrentCUDAStream(static_cast<c10::DeviceIndex>(device));
    CountCells<<<grid, kThreads, static_cast<std::size_t>(bytes), stream.stream()>>>(args);
    status = cudaGetLastError();
  }
  return status == cudaSuccess ? nullptr : cudaGetErrorString(status);
}
