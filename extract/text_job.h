// The text stage: class names and templates -> text.h5 (unit rows: per template encoded and normed,
// mean, normed again, as the CLIP authors' zeroshot_classifier does).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "common/comm/comm.h"
#include "common/compute/device.h"
#include "common/files/provenance.h"
#include "extract/models/model_options.h"

namespace clipsweep {

struct TextConfig {
  ModelOptions model;
  std::filesystem::path classnames;
  std::string templates = "imagenet-1";
  std::filesystem::path out;
  IfPresent if_present = IfPresent::kReuse;
};

struct TextResult {
  std::int64_t classes = 0;
  std::int64_t templates = 0;
  std::int64_t width = 0;
  bool reused_output = false;
  std::string sha256;
  std::map<std::string, std::vector<std::string>> shared_names;  // name -> the classes that have it
  std::vector<std::string> model_remarks;                        // what is odd about the checkpoint
};

// What the file would be made from. Throws InputError.
Provenance TextProvenance(const TextConfig& config, const Compute& compute);

TextResult RunText(const TextConfig& config, const Compute& compute, Comm& comm);

}  // namespace clipsweep
