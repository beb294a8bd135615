// Published figures to stand beside one's own, where the data set is ImageNet and the model RN50.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace clipsweep {

struct Published {
  const char* method;  // as in results.json
  std::int64_t shots;
  double top1;         // percent
  const char* source;  // of whom, with what
};

// All of `method` at `shots`: "Tip-Adapter", 16.
std::vector<Published> PublishedFor(const std::string& method, std::int64_t shots);

}  // namespace clipsweep
