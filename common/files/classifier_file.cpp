#include "common/files/classifier_file.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "common/files/feature_file.h"
#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep {
namespace {

constexpr const char* kArrayPrefix = "array_";
constexpr const char* kIndexPrefix = "index_";
constexpr const char* kNumberPrefix = "number.";
constexpr const char* kSettingPrefix = "setting.";

// `name` without `prefix`, which it starts with; else nothing.
std::optional<std::string> After(const std::string& prefix, const std::string& name) {
  if (!name.starts_with(prefix)) return std::nullopt;
  return name.substr(prefix.size());
}

ClassifierArray ReadArray(const H5Reader& file, const std::string& name) {
  ClassifierArray array;
  std::size_t count = 1;
  for (const auto extent : file.Shape(name)) {
    array.shape.push_back(static_cast<std::int64_t>(extent));
    count *= extent;
  }
  array.values = file.Floats(name);
  if (array.values.size() != count || array.shape.empty()) {
    file.Fail(fmt::format("'{}' does not fill its shape", name));
  }
  const auto finite = [](float v) { return std::isfinite(v); };
  if (!std::all_of(array.values.begin(), array.values.end(), finite)) {
    file.Fail(fmt::format("'{}' has values that are not finite; fit again", name));
  }
  return array;
}

}  // namespace

void WriteClassifierFile(const std::filesystem::path& path, const ClassifierData& data) {
  H5Writer file(path);
  WriteHeader(file, kClassifierFormat, data.made_from);
  file.Attribute("method", data.method);
  file.Attribute("form", data.form);
  file.Attribute("width", data.width);
  WriteTunedOn(file, data.tuned_on);
  file.Attribute("selected_epoch", data.selected_epoch);
  file.Attribute("select_samples", data.select_samples);
  for (const auto& [name, value] : data.numbers) file.Attribute(kNumberPrefix + name, value);
  for (const auto& [name, value] : data.settings) file.Attribute(kSettingPrefix + name, value);
  for (const auto& [name, array] : data.arrays) {
    const std::vector<hsize_t> shape(array.shape.begin(), array.shape.end());
    file.Write(kArrayPrefix + name, shape, array.values);
  }
  for (const auto& [name, index] : data.indices) {
    file.Write(kIndexPrefix + name, {index.size()}, index);
  }
  file.Write("classes", data.classes);
  if (!data.tuned.empty()) file.Write("tuned", data.tuned);
  if (!data.notes.empty()) file.Write("notes", data.notes);
  if (!data.image_sha256.empty()) file.Write(kImageHashes, data.image_sha256);
  WriteHistory(file, data.history);
  file.Commit();
}

ClassifierData ReadClassifierFile(const std::filesystem::path& path) {
  const H5Reader file(path);
  CheckHeader(file, kClassifierFormat);
  ClassifierData data;
  data.method = file.TextAttribute("method");
  data.form = file.TextAttribute("form");
  data.width = file.IntAttribute("width");
  data.tuned_on = ReadTunedOn(file);
  data.selected_epoch = file.IntAttribute("selected_epoch");
  data.select_samples = file.IntAttribute("select_samples");
  for (const std::string& name : file.AttributeNames()) {
    if (const auto number = After(kNumberPrefix, name)) {
      const double value = file.DoubleAttribute(name);
      if (!std::isfinite(value)) file.Fail(fmt::format("'{}' is not finite", Printable(name)));
      data.numbers[*number] = value;
    } else if (const auto setting = After(kSettingPrefix, name)) {
      data.settings[*setting] = file.TextAttribute(name);
    }
  }
  for (const std::string& name : file.DatasetNames()) {
    if (const auto array = After(kArrayPrefix, name)) {
      data.arrays[*array] = ReadArray(file, name);
    } else if (const auto index = After(kIndexPrefix, name)) {
      data.indices[*index] = file.Int32s(name);
    }
  }
  data.classes = file.Texts("classes");
  if (file.Has("tuned")) data.tuned = file.Texts("tuned");
  if (file.Has("notes")) data.notes = file.Texts("notes");
  if (file.Has(kImageHashes)) data.image_sha256 = file.Texts(kImageHashes);
  data.history = ReadHistory(file);
  data.made_from = ReadProvenance(file);
  data.seal = file.seal();
  if (data.classes.empty() || data.width < 1) file.Fail("has no classes or no width; fit again");
  if (data.selected_epoch < 0 || data.select_samples < 0) file.Fail("has a count below 0");
  return data;
}

}  // namespace clipsweep
