// Where the pipeline's shards come from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace clipsweep {

struct ShardRange {
  std::int64_t shard;  // its number, for the receiver
  std::int64_t first, count;
};

// Where shards come from while the pipeline runs. All calls are on its calling thread.
class ShardSource {
 public:
  virtual ~ShardSource() = default;
  // Every few milliseconds. `wanted`: the pipeline has none left to start; the next one where it is
  // known already. Does not wait.
  virtual std::optional<ShardRange> Poll(bool wanted) = 0;
  // Whether there will be no more.
  virtual bool is_over() const = 0;
};

// All that are known from the start.
class ListSource final : public ShardSource {
 public:
  explicit ListSource(const std::vector<ShardRange>& shards) : shards_(shards) {}
  std::optional<ShardRange> Poll(bool) override {
    return is_over() ? std::nullopt : std::optional(shards_[next_++]);
  }
  bool is_over() const override { return next_ == shards_.size(); }

 private:
  const std::vector<ShardRange>& shards_;
  std::size_t next_ = 0;
};

}  // namespace clipsweep
