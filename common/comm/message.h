// What a rank tells rank 0, value by value: put in on one side, taken out in the same order on the
// other. Ranks of a job have one byte order and one program.
#pragma once

#include <concepts>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "common/comm/comm.h"
#include "common/process/error.h"

namespace clipsweep {

template <typename T>
concept PlainValue = std::is_trivially_copyable_v<T>;

class Message {
 public:
  template <PlainValue T>
  void Put(const T& value) {
    Append(&value, sizeof value);
  }
  // With its length.
  template <PlainValue T>
  void PutAll(std::span<const T> values) {
    Put(static_cast<std::int64_t>(values.size()));
    Append(values.data(), values.size_bytes());
  }
  void PutText(std::string_view text) { PutAll(std::span<const char>(text)); }

  const std::string& bytes() const { return bytes_; }

 private:
  void Append(const void* data, std::size_t bytes) {
    bytes_.append(static_cast<const char*>(data), bytes);
  }
  std::string bytes_;
};

class MessageReader {
 public:
  explicit MessageReader(std::string_view bytes) : left_(bytes) {}
  bool done() const { return left_.empty(); }

  template <PlainValue T>
  T Take() {
    T value;
    std::memcpy(&value, Next(sizeof value), sizeof value);
    return value;
  }
  template <PlainValue T>
  std::vector<T> TakeAll() {
    std::vector<T> values(static_cast<std::size_t>(Take<std::int64_t>()));
    if (values.empty()) return values;
    std::memcpy(values.data(), Next(values.size() * sizeof(T)), values.size() * sizeof(T));
    return values;
  }
  std::string TakeText() {
    const std::vector<char> text = TakeAll<char>();
    return {text.begin(), text.end()};
  }

 private:
  const char* Next(std::size_t bytes) {
    if (bytes > left_.size()) throw InternalError("a rank's message is shorter than it should be");
    const char* at = left_.data();
    left_.remove_prefix(bytes);
    return at;
  }
  std::string_view left_;
};

// On rank 0 the bytes of every rank's message, rank by rank; empty elsewhere. Collective.
std::vector<std::string> GatherMessages(Comm& comm, const Message& mine);

}  // namespace clipsweep
