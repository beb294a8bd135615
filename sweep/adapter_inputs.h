// A trained adapter's keys and text in the cache's place.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "common/files/tuned_on.h"
#include "sweep/inputs.h"

namespace clipsweep {

struct AdapterInputs {
  FewShotInputs inputs;
  std::vector<float> zero_shot_text;  // [C, D] of the text file where the adapter learned its own
  TunedOn tuned_on = TunedOn::kNone;  // the adapter's label
  std::set<std::string> chosen_on;    // contents on which its epoch, alpha or beta were chosen
  std::int64_t subset_seed = 0;
};

// Throws InputError when the text file is not the one the adapter was trained with.
AdapterInputs LoadAdapterInputs(const std::filesystem::path& adapter,
                                const std::filesystem::path& text, const Allowed& allowed);

}  // namespace clipsweep
