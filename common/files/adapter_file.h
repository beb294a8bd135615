// adapter.h5: trained keys and how they were trained.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/files/provenance.h"
#include "common/files/tuned_on.h"

namespace clipsweep {

inline constexpr const char* kAdapterFormat = "clipsweep-adapter";

struct EpochRecord {
  double loss = 0;                                  // mean cross-entropy over the epoch's samples
  std::int64_t select_top1 = -1, select_top5 = -1;  // on the selection set; -1 without one
};

void WriteHistory(H5Writer& file, const std::vector<EpochRecord>& history);
std::vector<EpochRecord> ReadHistory(const H5Reader& file);

struct AdapterData {
  std::int64_t width = 0;   // D
  std::vector<float> keys;  // [K, D], classes in order; not unit length after training
  std::vector<std::int32_t> class_index;  // [K]
  std::vector<std::int64_t> cache_row;    // [K] row of the cache each key started from
  std::vector<std::string> image_sha256;  // [K] of the pictures; empty when the cache has none
  std::vector<float> text;                // [C, D] unit rows, or as learned
  std::vector<std::string> classes;       // [C]
  double alpha = 0, beta = 0;
  double logit_scale = 100;         // of the text's logits
  std::int64_t selected_epoch = 0;  // 1-based; keys are those after this epoch
  TunedOn tuned_on = TunedOn::kNone;
  std::vector<EpochRecord> history;  // [epochs]
  std::int64_t test_samples = 0, test_top1 = 0, test_top5 = 0;
  std::int64_t before_top1 = 0, before_top5 = 0;  // of the untrained keys on test
  std::int64_t select_samples = 0;                // of the selection set, 0 without one
  Provenance made_from;
  std::string seal;  // identity of the file
};

void WriteAdapterFile(const std::filesystem::path& path, const AdapterData& data);
// Reads and checks shapes, finiteness and class numbers. Throws InputError naming the file.
AdapterData ReadAdapterFile(const std::filesystem::path& path);

}  // namespace clipsweep
