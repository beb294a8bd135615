#include "sweep/adapter_inputs.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "common/data/subsets.h"
#include "common/files/adapter_file.h"
#include "common/process/error.h"

namespace clipsweep {
namespace {

double LongestRow(const std::vector<float>& rows, std::int64_t width) {
  double longest = 0;
  for (std::size_t at = 0; at < rows.size(); at += static_cast<std::size_t>(width)) {
    double sum = 0;
    for (std::int64_t d = 0; d < width; ++d) {
      const double value = rows[at + static_cast<std::size_t>(d)];
      sum += value * value;
    }
    longest = std::max(longest, std::sqrt(sum));
  }
  return longest;
}

const std::string& Need(const AdapterData& adapter, const std::filesystem::path& path,
                        const std::string& name) {
  const auto found = adapter.made_from.find(name);
  if (found == adapter.made_from.end()) {
    throw InputError(fmt::format("{}: does not say its {}; train again", path.string(), name));
  }
  return found->second;
}

}  // namespace

AdapterInputs LoadAdapterInputs(const std::filesystem::path& path,
                                const std::filesystem::path& text_path, const Allowed& allowed) {
  AdapterData adapter = ReadAdapterFile(path);
  FeatureSet like;  // classes and width, for the text file to be held against
  like.path = path;
  like.width = adapter.width;
  like.classes = adapter.classes;
  like.made_from = adapter.made_from;
  AdapterInputs out;
  out.inputs = LoadInputs(text_path, like, "adapter", allowed);
  for (const char* name : {"text_sha256", "classes_sha256"}) {
    if (out.inputs.made_from.at(name) != Need(adapter, path, name)) {
      throw InputError(fmt::format("{}: was trained with another text file than {}", path.string(),
                                   text_path.string()));
    }
  }
  CacheModel& cache_model = out.inputs.cache_model;
  if (cache_model.text != adapter.text) {
    out.zero_shot_text = std::move(cache_model.text);
    cache_model.text = std::move(adapter.text);
  }
  out.inputs.rows_by_class = RowsByClass(adapter.class_index, adapter.classes, path.string());
  cache_model.keys = std::move(adapter.keys);
  cache_model.key_labels = std::move(adapter.class_index);
  cache_model.longest_key = LongestRow(cache_model.keys, cache_model.width);
  out.inputs.made_from["cache_sha256"] = Need(adapter, path, "cache_sha256");
  out.inputs.made_from["adapter_sha256"] = adapter.seal;
  out.tuned_on = adapter.tuned_on;
  for (const char* name : {"select_sha256", "tune_sha256"}) {
    const auto found = adapter.made_from.find(name);
    if (found != adapter.made_from.end()) out.chosen_on.insert(found->second);
  }
  out.subset_seed = ParseIntegers(Need(adapter, path, "subset_seed"), path.string(), 0).front();
  return out;
}

}  // namespace clipsweep
