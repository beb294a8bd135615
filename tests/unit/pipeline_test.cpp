// The decode/encode pipeline with decoders and encoders made up here: order, padding, bounds,
// errors.
#include "extract/pipeline/image_pipeline.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <map>
#include <thread>

#include "common/compute/tensors.h"
#include "common/process/error.h"

namespace clipsweep {
namespace {

constexpr std::int64_t kBatch = 4;

PipelineShape SmallShape(int decoders, int encoders) {
  PipelineShape shape;
  shape.decoders = decoders;
  shape.encoders = encoders;
  shape.batch = kBatch;
  shape.image_size = 2;
  shape.width = 3;
  return shape;
}

// Features of an image: its first pixel, the batch size, the sum of its pixels. Keeps `slots`
// batches under way and computes them only when waited for, as a GPU would.
class LateEncoder final : public BatchEncoder {
 public:
  explicit LateEncoder(int slots) : pixels_(static_cast<std::size_t>(slots)) {}
  int in_flight() const override { return static_cast<int>(pixels_.size()); }
  void Submit(int slot, const at::Tensor& pixels) override {
    at::Tensor& held = pixels_.at(static_cast<std::size_t>(slot));
    EXPECT_FALSE(held.defined()) << "slot reused before it was waited for";
    held = pixels;
  }
  at::Tensor Wait(int slot) override {
    at::Tensor& held = pixels_.at(static_cast<std::size_t>(slot));
    const at::Tensor flat = held.reshape({held.size(0), -1}).to(at::kFloat);
    held = at::Tensor();
    return at::stack({flat.select(1, 0), at::full({flat.size(0)}, static_cast<float>(flat.size(0))),
                      flat.sum(1)},
                     1);
  }

 private:
  std::vector<at::Tensor> pixels_;
};

std::string FillWithNumber(std::int64_t image, std::uint8_t* pixels) {
  if (image % 7 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  std::fill_n(pixels, 12, static_cast<std::uint8_t>(image));
  return image % 10 == 5 ? "bad" : "";
}

const std::vector<ShardRange> kShards = {{7, 0, 10}, {8, 10, 4}, {9, 50, 1}, {11, 100, 33}};

TEST(ImagePipeline, EveryImageOnceWhateverTheThreads) {
  for (const auto& [decoders, encoders, slots] :
       {std::tuple{1, 1, 1}, {4, 1, 2}, {1, 3, 1}, {5, 3, 2}}) {
    const ImagePipeline pipeline(SmallShape(decoders, encoders), FillWithNumber,
                                 [s = slots] { return std::make_unique<LateEncoder>(s); });
    std::map<std::int64_t, int> received;
    std::int64_t last_tick = 0;
    pipeline.Run(
        kShards,
        [&](const ShardRange& shard, std::vector<float> features,
            std::vector<std::string> reasons) {
          ++received[shard.shard];
          ASSERT_EQ(features.size(), static_cast<std::size_t>(shard.count * 3));
          for (std::int64_t i = 0; i < shard.count; ++i) {
            const auto u = static_cast<std::size_t>(i);
            const std::int64_t image = shard.first + i;
            const bool bad = image % 10 == 5;
            EXPECT_EQ(reasons[u], bad ? "bad" : "");
            EXPECT_EQ(features[3 * u], bad ? 0.0f : static_cast<float>(image));
            EXPECT_EQ(features[3 * u + 1], static_cast<float>(kBatch));  // always a full batch
            EXPECT_EQ(features[3 * u + 2], bad ? 0.0f : static_cast<float>(12 * image));
          }
        },
        [&](std::int64_t done) { last_tick = done; });
    EXPECT_EQ(received, (std::map<std::int64_t, int>{{7, 1}, {8, 1}, {9, 1}, {11, 1}}));
    EXPECT_EQ(last_tick, 48);
  }
}

TEST(ImagePipeline, NothingToDo) {
  const ImagePipeline pipeline(SmallShape(2, 2), FillWithNumber,
                               [] { return std::make_unique<LateEncoder>(1); });
  pipeline.Run(
      {}, [](const ShardRange&, auto, auto) { FAIL(); }, [](std::int64_t) {});
}

TEST(ImagePipeline, DecodersRunAheadByTheBuffersOnly) {
  std::atomic<int> decoded{0}, ahead{0}, encoded{0};
  class Slow final : public BatchEncoder {
   public:
    Slow(std::atomic<int>& decoded, std::atomic<int>& ahead, std::atomic<int>& encoded)
        : decoded_(decoded), ahead_(ahead), encoded_(encoded) {}
    int in_flight() const override { return 1; }
    void Submit(int, const at::Tensor&) override {
      std::this_thread::sleep_for(std::chrono::milliseconds(3));
      ahead_ = std::max<int>(ahead_, decoded_ - encoded_);
      encoded_ += kBatch;
    }
    at::Tensor Wait(int) override { return at::zeros({kBatch, 3}); }

   private:
    std::atomic<int>&decoded_, &ahead_, &encoded_;
  };
  const ImagePipeline pipeline(
      SmallShape(4, 1), [&](std::int64_t, std::uint8_t*) { return ++decoded, std::string(); },
      [&] { return std::make_unique<Slow>(decoded, ahead, encoded); });
  pipeline.Run(
      {{0, 0, 400}}, [](const ShardRange&, auto, auto) {}, [](std::int64_t) {});
  EXPECT_EQ(decoded, 400);
  EXPECT_LE(ahead, 4 * kBatch);  // four buffers
}

TEST(ImagePipeline, AThrowAnywhereEndsTheRun) {
  const auto fails = [](const ImagePipeline& pipeline, bool receiver) {
    EXPECT_THROW(pipeline.Run(
                     kShards,
                     [&](const ShardRange&, auto, auto) {
                       if (receiver) throw InputError("receiver");
                     },
                     [](std::int64_t) {}),
                 Error);
  };
  const auto make = [] { return std::make_unique<LateEncoder>(2); };
  const auto bad_decode = [](std::int64_t image, std::uint8_t*) -> std::string {
    if (image == 12) throw InputError("decode");
    return "";
  };
  fails(ImagePipeline(SmallShape(3, 2), bad_decode, make), false);
  fails(ImagePipeline(SmallShape(3, 2), FillWithNumber, make), true);
  fails(ImagePipeline(SmallShape(3, 2), FillWithNumber,
                      []() -> std::unique_ptr<BatchEncoder> { throw InputError("encoder"); }),
        false);
}

}  // namespace
}  // namespace clipsweep
