#include "extract/pipeline/image_pipeline.h"

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <list>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "common/compute/tensors.h"
#include "common/process/error.h"
#include "common/process/liveness.h"
#include "common/process/signals.h"

namespace clipsweep {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kMostWaitingShards = 8;  // finished but not received

// How often the calling thread looks for shards and results, and how often it tells of progress.
constexpr auto kPoll = std::chrono::milliseconds(5), kTickEvery = std::chrono::milliseconds(100);

struct ShardState {
  ShardRange range;
  std::vector<float> features;
  std::vector<std::string> reasons;
  std::int64_t batches_left = 0;
};

struct Buffer {
  at::Tensor pixels;  // [B, n, n, 3] uint8
  ShardState* shard = nullptr;
  std::int64_t at = 0, count = 0;  // images [at, at + count) of the shard
  std::int64_t claimed = 0;        // by decode threads
  std::atomic<std::int64_t> undecoded{0};
};

class Job {
 public:
  Job(const PipelineShape& shape, const ImagePipeline::Decode& decode,
      const ImagePipeline::MakeEncoder& make_encoder, ShardSource& source)
      : shape_(shape), decode_(decode), make_encoder_(make_encoder), source_(source) {
    const int buffers = 2 * shape.encoders + 2;
    const auto options = at::TensorOptions().dtype(at::kByte).pinned_memory(shape.pinned);
    for (int i = 0; i < buffers; ++i) {
      buffers_.push_back(std::make_unique<Buffer>());
      buffers_.back()->pixels =
          at::zeros({shape.batch, shape.image_size, shape.image_size, 3}, options);
      free_.push_back(buffers_.back().get());
    }
  }

  PipelineTimes Run(const ImagePipeline::Receive& receive, const ImagePipeline::Tick& tick) {
    std::vector<std::jthread> threads;
    try {
      StartThreads(threads);
      ReceiveAll(receive, tick);
    } catch (...) {
      Stop(std::current_exception());
    }
    threads.clear();  // joins
    if (failure_) std::rethrow_exception(failure_);
    return {static_cast<double>(decode_ns_) * 1e-9, static_cast<double>(encode_ns_) * 1e-9};
  }

 private:
  void StartThreads(std::vector<std::jthread>& threads) {
    try {
      for (int i = 0; i < shape_.decoders; ++i) threads.emplace_back([&] { Guard(&Job::Decode); });
      for (int i = 0; i < shape_.encoders; ++i) threads.emplace_back([&] { Guard(&Job::Encode); });
    } catch (const std::system_error&) {
      throw UsageError("--threads, --workers: the system allows no " +
                       std::to_string(shape_.decoders + shape_.encoders) + " threads; give fewer");
    }
  }

  std::int64_t Batches(const ShardRange& range) const {
    return (range.count + shape_.batch - 1) / shape_.batch;
  }

  void Stop(std::exception_ptr failure) {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::move(failure);
    stop_ = true;
    free_changed_.notify_all();
    ready_changed_.notify_all();
    finished_changed_.notify_all();
  }

  void Guard(void (Job::*loop)()) {
    try {
      at::set_num_threads(1);
      const c10::InferenceMode inference;
      (this->*loop)();
    } catch (...) {
      Stop(std::current_exception());
    }
  }

  // The next undecoded image's buffer and place in it; null when there is none any more.
  Buffer* Claim(std::int64_t* place) {
    std::unique_lock lock(mutex_);
    while (!stop_) {
      if (filling_ != nullptr && filling_->claimed < filling_->count) {
        *place = filling_->claimed++;
        return filling_;
      }
      if (waiting_.empty() && over_) return nullptr;
      if (!waiting_.empty() && !free_.empty() && finished_.size() < kMostWaitingShards) {
        StartBatch();
      } else {
        free_changed_.wait(lock);
      }
    }
    return nullptr;
  }

  void StartBatch() {
    ShardState& state = *waiting_.front();
    const ShardRange& range = state.range;
    if (next_image_ == 0) {
      state.features.resize(static_cast<std::size_t>(range.count * shape_.width));
      state.reasons.resize(static_cast<std::size_t>(range.count));
      state.batches_left = Batches(range);
    }
    filling_ = free_.front();
    free_.pop_front();
    filling_->shard = &state;
    filling_->at = next_image_;
    filling_->count = std::min(shape_.batch, range.count - next_image_);
    filling_->claimed = 0;
    filling_->undecoded = filling_->count;
    // The encoder always gets a full batch.
    filling_->pixels.narrow(0, filling_->count, shape_.batch - filling_->count).zero_();
    next_image_ += filling_->count;
    if (next_image_ == range.count) {
      waiting_.pop_front();
      next_image_ = 0;
    }
    free_changed_.notify_all();  // the others take images of this batch
  }

  void Decode() {
    const std::int64_t bytes = shape_.image_size * shape_.image_size * 3;
    std::int64_t place = 0;
    while (Buffer* buffer = Claim(&place)) {
      const auto begin = Clock::now();
      std::uint8_t* pixels = buffer->pixels.data_ptr<std::uint8_t>() + place * bytes;
      const std::int64_t in_shard = buffer->at + place;
      std::string reason = decode_(buffer->shard->range.first + in_shard, pixels);
      if (!reason.empty()) std::memset(pixels, 0, static_cast<std::size_t>(bytes));
      buffer->shard->reasons[static_cast<std::size_t>(in_shard)] = std::move(reason);
      MadeProgress();
      decode_ns_ += (Clock::now() - begin).count();
      if (--buffer->undecoded > 0) continue;
      const std::lock_guard lock(mutex_);
      ready_.push_back(buffer);
      ready_changed_.notify_one();
    }
  }

  void Encode() {
    const auto encoder = make_encoder_();
    std::deque<std::pair<int, Buffer*>> flying;
    int slot = 0;
    for (;;) {
      Buffer* buffer = nullptr;
      {
        std::unique_lock lock(mutex_);
        const auto has_work = [&] {
          return stop_ || !ready_.empty() || !flying.empty() || IsAllEncoded();
        };
        ready_changed_.wait(lock, has_work);
        if (stop_) return;
        if (!ready_.empty() && static_cast<int>(flying.size()) < encoder->in_flight()) {
          buffer = ready_.front();
          ready_.pop_front();
          --batches_to_encode_;
          if (IsAllEncoded()) ready_changed_.notify_all();
        } else if (flying.empty()) {
          if (IsAllEncoded()) return;
          continue;
        }
      }
      const auto begin = Clock::now();
      if (buffer != nullptr) {
        encoder->Submit(slot, buffer->pixels);
        flying.emplace_back(slot, buffer);
        slot = (slot + 1) % encoder->in_flight();
      } else {
        const auto [waited, done] = flying.front();
        flying.pop_front();
        Store(*done, encoder->Wait(waited));
      }
      encode_ns_ += (Clock::now() - begin).count();
    }
  }

  void Store(Buffer& buffer, const at::Tensor& features) {
    MadeProgress();
    ShardState& state = *buffer.shard;
    std::copy_n(features.const_data_ptr<float>(), buffer.count * shape_.width,
                state.features.data() + buffer.at * shape_.width);
    const std::lock_guard lock(mutex_);
    images_done_ += buffer.count;
    if (--state.batches_left == 0) {
      finished_.push_back(&state);
      finished_changed_.notify_one();
    }
    free_.push_back(&buffer);
    free_changed_.notify_all();
  }

  void ReceiveAll(const ImagePipeline::Receive& receive, const ImagePipeline::Tick& tick) {
    auto ticked = Clock::now();
    for (;;) {
      Feed();
      std::unique_lock lock(mutex_);
      if (over_ && shards_.empty()) return;
      finished_changed_.wait_for(lock, kPoll, [&] { return stop_ || !finished_.empty(); });
      const bool stopped = stop_;
      const std::int64_t done = images_done_;
      std::deque<ShardState*> finished;
      finished.swap(finished_);
      free_changed_.notify_all();
      lock.unlock();
      for (ShardState* shard : finished) {
        receive(shard->range, std::move(shard->features), std::move(shard->reasons));
        shards_.remove_if([&](const ShardState& one) { return &one == shard; });
      }
      if (stopped) return;  // what was finished is received all the same
      ThrowIfInterrupted();
      if (Clock::now() - ticked < kTickEvery && finished.empty()) continue;
      ticked = Clock::now();
      tick(done);
    }
  }

  // Takes shards from the source: not before the last one is begun, so that no rank holds what
  // another could do.
  void Feed() {
    for (;;) {
      std::unique_lock lock(mutex_);
      const bool wanted = waiting_.empty() && !over_;
      lock.unlock();
      const std::optional<ShardRange> range = source_.Poll(wanted);
      lock.lock();
      if (range) {
        waiting_.push_back(&shards_.emplace_back(ShardState{*range, {}, {}, 0}));
        batches_to_encode_ += Batches(*range);
      }
      const bool was_over = std::exchange(over_, source_.is_over());
      if (range || over_ != was_over) {
        free_changed_.notify_all();
        ready_changed_.notify_all();
      }
      if (!range) return;
    }
  }

  bool IsAllEncoded() const { return over_ && batches_to_encode_ == 0; }

  const PipelineShape& shape_;
  const ImagePipeline::Decode& decode_;
  const ImagePipeline::MakeEncoder& make_encoder_;
  ShardSource& source_;
  std::vector<std::unique_ptr<Buffer>> buffers_;

  std::mutex mutex_;
  std::condition_variable free_changed_, ready_changed_, finished_changed_;
  bool stop_ = false;
  std::exception_ptr failure_;
  std::deque<Buffer*> free_, ready_;
  Buffer* filling_ = nullptr;
  std::list<ShardState> shards_;     // taken from the source and not yet received
  std::deque<ShardState*> waiting_;  // not yet begun, but for the first
  bool over_ = false;                // no more will come
  std::int64_t next_image_ = 0;      // of the first that waits
  std::int64_t batches_to_encode_ = 0, images_done_ = 0;
  std::deque<ShardState*> finished_;
  std::atomic<std::int64_t> decode_ns_{0}, encode_ns_{0};
};

}  // namespace

PipelineTimes ImagePipeline::Run(ShardSource& source, const Receive& receive,
                                 const Tick& tick) const {
  return Job(shape_, decode_, make_encoder_, source).Run(receive, tick);
}

PipelineTimes ImagePipeline::Run(const std::vector<ShardRange>& shards, const Receive& receive,
                                 const Tick& tick) const {
  ListSource source(shards);
  return Run(source, receive, tick);
}

}  // namespace clipsweep
