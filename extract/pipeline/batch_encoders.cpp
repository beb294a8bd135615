#include "extract/pipeline/batch_encoders.h"

#include "common/compute/cuda_plugin.h"
#include "common/compute/graph_runner.h"
#include "common/compute/tensors.h"

namespace clipsweep {
namespace {

class CpuBatchEncoder final : public BatchEncoder {
 public:
  explicit CpuBatchEncoder(const ImageEncoder& encoder) : encoder_(encoder) {}
  int in_flight() const override { return 1; }
  void Submit(int, const at::Tensor& pixels) override {
    features_ = encoder_.Encode(pixels).contiguous();
  }
  at::Tensor Wait(int) override { return features_; }

 private:
  const ImageEncoder& encoder_;
  at::Tensor features_;
};

// common/compute/graph_runner.cpp; `example` gives the input's shape and type.
std::unique_ptr<GraphRunner> MakeGraphRunner(int device, const GraphRunner::Function& function,
                                             const at::Tensor& example) {
  using Make = GraphRunner*(int, const GraphRunner::Function&, const at::Tensor&);
  return std::unique_ptr<GraphRunner>(
      CudaPlugin::Load()->Find<Make>("clipsweep_cuda_graph")(device, function, example));
}

class GraphBatchEncoder final : public BatchEncoder {
 public:
  explicit GraphBatchEncoder(std::unique_ptr<GraphRunner> runner) : runner_(std::move(runner)) {}
  int in_flight() const override { return GraphRunner::kSlots; }
  void Submit(int slot, const at::Tensor& pixels) override { runner_->Submit(slot, pixels); }
  at::Tensor Wait(int slot) override { return runner_->Wait(slot); }

 private:
  std::unique_ptr<GraphRunner> runner_;
};

}  // namespace

std::unique_ptr<BatchEncoder> MakeBatchEncoder(const ImageEncoder& encoder, const Compute& compute,
                                               const PipelineShape& shape) {
  if (!compute.on_gpu()) return std::make_unique<CpuBatchEncoder>(encoder);
  const at::Tensor example =
      at::zeros({shape.batch, shape.image_size, shape.image_size, 3}, at::kByte);
  return std::make_unique<GraphBatchEncoder>(MakeGraphRunner(
      at::Device(compute.device).index(),
      [&encoder](const at::Tensor& pixels) { return encoder.Encode(pixels).contiguous(); },
      example));
}

}  // namespace clipsweep
