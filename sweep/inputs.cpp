#include "sweep/inputs.h"

#include <fmt/core.h>

#include <algorithm>
#include <unordered_map>

#include "common/data/subsets.h"
#include "common/disk/sha256.h"
#include "common/files/shared_pictures.h"
#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep {

FewShotInputs LoadInputs(const std::filesystem::path& text_path, FeatureSet from,
                         const std::string& role, const Allowed& allowed) {
  const TextSet text = ReadTextFile(text_path);
  FewShotInputs inputs;
  inputs.classes = from.classes;
  inputs.cache_name = from.path.string();
  inputs.cache_model.logit_scale = static_cast<float>(text.logit_scale);
  inputs.text_norm = text.text_norm;
  inputs.cache_model.width = from.width;
  inputs.cache_model.classes = static_cast<std::int64_t>(from.classes.size());
  inputs.cache_model.text = TextRowsFor(text, from, allowed, inputs.oddities);
  inputs.files = {{role, from.path, from.made_from}, {"text", text.path, text.made_from}};
  inputs.made_from["text_sha256"] = text.seal;
  Sha256 names;
  for (const std::string& name : from.classes) names.Update(name + "\n");
  inputs.made_from["classes_sha256"] = names.Hex();
  if (role == "cache") {
    inputs.rows_by_class = RowsByClass(from.labels, from.classes, inputs.cache_name);
    inputs.cache_model.keys = std::move(from.features);
    NormalizeRows(inputs.cache_model.keys, from.width);
    inputs.cache_model.key_labels = std::move(from.labels);
    inputs.paths = std::move(from.paths);
    inputs.made_from["cache_sha256"] = from.content_sha256;
  }
  return inputs;
}

namespace {

// Labels count the classes of `inputs` instead of the set's own, which are some of those by name.
void MapLabels(const FewShotInputs& inputs, FeatureSet& set) {
  std::unordered_map<std::string, std::int32_t> place;
  for (std::size_t c = 0; c < inputs.classes.size(); ++c) {
    place.emplace(inputs.classes[c], static_cast<std::int32_t>(c));
  }
  if (place.size() < inputs.classes.size()) {
    throw InputError(
        fmt::format("{}: has a class name twice, and {} has other classes; extract both with the "
                    "same --classnames",
                    inputs.cache_name, set.path.string()));
  }
  std::vector<std::int32_t> map;
  for (const std::string& name : set.classes) {
    const auto found = place.find(name);
    if (found == place.end()) {
      throw InputError(fmt::format(
          "{}: its class '{}' is not one of the {} classes of {}; extract both with the same "
          "--classnames",
          set.path.string(), Printable(name), inputs.classes.size(), inputs.cache_name));
    }
    map.push_back(found->second);
  }
  for (std::int32_t& label : set.labels) label = map[static_cast<std::size_t>(label)];
}

}  // namespace

void NoteClasses(const FewShotInputs& inputs, const FeatureSet& set, const std::string& name,
                 Provenance& made_from) {
  if (set.classes == inputs.classes) return;
  Sha256 names;
  for (const std::string& each : set.classes) names.Update(each + "\n");
  made_from[name] = names.Hex();
}

Queries LoadQueries(FewShotInputs& inputs, FeatureSet set, const std::string& role) {
  if (set.width != inputs.cache_model.width) {
    throw InputError(fmt::format(
        "{}: features are {} wide but those of {} are {}; extract both with the same model",
        set.path.string(), set.width, inputs.cache_name, inputs.cache_model.width));
  }
  if (set.classes != inputs.classes) MapLabels(inputs, set);
  const bool is_new = std::none_of(inputs.files.begin(), inputs.files.end(),
                                   [&](const MadeFile& file) { return file.role == role; });
  if (is_new) inputs.files.push_back({role, set.path, set.made_from});
  Queries queries;
  NormalizeRows(set.features, set.width);
  queries.features = std::move(set.features);
  queries.labels = std::move(set.labels);
  return queries;
}

void LoadFeatures(const FeatureReader& file, Queries& queries) {
  const auto width = static_cast<std::size_t>(file.about().width);
  queries.features.resize(static_cast<std::size_t>(file.about().count) * width);
  file.ForEachRow([&](std::int64_t row, std::span<const float> views) {
    float* to = queries.features.data() + static_cast<std::size_t>(row) * width;
    std::copy_n(views.begin(), width, to);
    NormalizeRow({to, width});
  });
}

namespace {

// Pictures without hashes are not known to be an adapter's keys one by one: its cache as a whole
// is.
Oddities RequireOtherThanCache(const MadeFile& adapter, const Provenance& made_from,
                               const Allowed& allowed) {
  Oddities found;
  const auto cache = adapter.made_from.find("cache_sha256");
  const auto features = made_from.find("features_sha256");
  if (cache == adapter.made_from.end() || features == made_from.end() ||
      cache->second != features->second) {
    return found;
  }
  const std::string what = "features is the cache that the adapter was trained on";
  if (!allowed.overlap) {
    throw InputError(
        fmt::format("{}: {}; give images it has not seen, or --allow-overlap if this is meant",
                    adapter.path.string(), what));
  }
  found.overlap.push_back(what);
  return found;
}

}  // namespace

void RequireTogether(FewShotInputs& inputs, const Allowed& allowed, Provenance& made_from) {
  inputs.oddities.Add(RequireMadeAlike(inputs.files, allowed));
  std::vector<PictureSet> pictures;
  for (const MadeFile& file : inputs.files) {
    if (file.role != "text") pictures.emplace_back(file.role, file.path);
    inputs.oddities.Add(RecordedOddities(file.made_from));
  }
  inputs.oddities.Add(RequireDisjoint(pictures, allowed));
  for (const MadeFile& file : inputs.files) {
    if (file.role != "adapter") continue;
    inputs.oddities.Add(RequireOtherThanCache(file, made_from, allowed));
  }
  RecordOddities(inputs.oddities, made_from);
}

std::int64_t MostKeys(const FewShotInputs& inputs) {
  std::size_t most = 0;
  for (const auto& rows : inputs.rows_by_class) most = std::max(most, rows.size());
  return static_cast<std::int64_t>(most);
}

void CheckShots(std::int64_t shots) {
  if (shots < 0) throw UsageError(fmt::format("--shots: {} is not 0 or more", shots));
}

Subset MakeSubset(const FewShotInputs& inputs, std::int64_t shots, std::uint64_t seed) {
  const std::int64_t most = MostKeys(inputs);
  if (shots == 0 || shots >= most) return {most, inputs.rows_by_class};
  Subset subset{shots, ShuffleRows(inputs.rows_by_class, seed)};
  for (auto& rows : subset.rows_by_class) {
    rows.resize(std::min(rows.size(), static_cast<std::size_t>(shots)));
  }
  return subset;
}

}  // namespace clipsweep
