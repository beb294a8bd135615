// classifier.h5: a classifier of any method, what it was fitted with and what that was chosen on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "common/files/adapter_file.h"
#include "common/files/provenance.h"
#include "common/files/tuned_on.h"

namespace clipsweep {

inline constexpr const char* kClassifierFormat = "clipsweep-classifier";

// A tensor on disk.
struct ClassifierArray {
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};

struct ClassifierData {
  std::string method;  // by name in the table of methods: a label, on which nothing depends
  std::string form;  // how logits are made of the numbers and arrays: finetune/methods/classifier.h
  std::map<std::string, double> numbers;
  std::map<std::string, ClassifierArray> arrays;
  std::map<std::string, std::vector<std::int32_t>> indices;  // of classes, channels
  std::int64_t width = 0;                                    // D
  std::vector<std::string> classes;                          // [C]
  std::map<std::string, std::string> settings;               // as it was fitted: "beta" -> "5.5"
  std::vector<std::string> tuned;  // names of the settings that were tuned
  std::vector<std::string> notes;  // what a user should know of this fit
  TunedOn tuned_on = TunedOn::kNone;
  std::vector<std::string> image_sha256;  // of the keys' pictures; empty when the cache has none
  std::vector<EpochRecord> history;       // of a training
  std::int64_t selected_epoch = 0;
  std::int64_t select_samples = 0;  // of what chose settings or epoch; 0 without
  Provenance made_from;
  std::string seal;  // identity of the file
};

void WriteClassifierFile(const std::filesystem::path& path, const ClassifierData& data);
// Reads and checks shapes against one another, finiteness and class numbers; whether the arrays are
// those of its form is checked by whoever makes a classifier of them. Throws InputError naming the
// file.
ClassifierData ReadClassifierFile(const std::filesystem::path& path);

}  // namespace clipsweep
