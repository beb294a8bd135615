// One function of fixed shape, run again and again on a GPU as a CUDA graph, with the copies in and
// out beside the computing. Implemented in the CUDA plugin.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

namespace clipsweep {

class GraphRunner {
 public:
  static constexpr int kSlots = 2;  // inputs that may be under way at once

  using Function = std::function<at::Tensor(const at::Tensor&)>;

  virtual ~GraphRunner() = default;
  // Begins: copy `input` (page-locked, unchanged until Wait) to the GPU, run, copy the result back.
  // The slot's previous result must have been waited for.
  virtual void Submit(int slot, const at::Tensor& input) = 0;
  // The result of what was submitted in this slot, on the CPU; valid until the next Submit(slot).
  virtual at::Tensor Wait(int slot) = 0;
};

}  // namespace clipsweep
