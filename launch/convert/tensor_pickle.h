// The pickle in a file of torch.save. It is read, never run: of its operations only those are known
// that a tensor of numbers needs, and of what it could call only the three functions that make one.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "launch/convert/array.h"

namespace clipsweep {

// What is wrong with the file, or what else it holds; the caller knows its path.
class TorchError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Where a tensor's elements lie. Nothing is checked against the numbers that are there.
struct PickledTensor {
  ElementType type = ElementType::kF32;
  std::string key;                           // of its numbers among the archive's data/
  std::int64_t offset = 0;                   // in elements; may be negative
  std::vector<std::int64_t> sizes, strides;  // none below 0
};

// Throws TorchError.
PickledTensor ReadTensorPickle(std::string_view pickle);

}  // namespace clipsweep
