#include "common/files/adapter_file.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "common/files/feature_file.h"
#include "common/process/error.h"

namespace clipsweep {
namespace {

constexpr double kUsualLogitScale = 100;  // of OpenAI's models; files do not say it

}  // namespace

void WriteHistory(H5Writer& file, const std::vector<EpochRecord>& history) {
  const auto epochs = static_cast<hsize_t>(history.size());
  std::vector<double> loss;
  std::vector<std::int64_t> top1, top5;
  for (const EpochRecord& epoch : history) {
    loss.push_back(epoch.loss);
    top1.push_back(epoch.select_top1);
    top5.push_back(epoch.select_top5);
  }
  file.Write("history_loss", {epochs}, loss);
  file.Write("history_select_top1", {epochs}, top1);
  file.Write("history_select_top5", {epochs}, top5);
}

std::vector<EpochRecord> ReadHistory(const H5Reader& file) {
  const auto loss = file.Doubles("history_loss");
  const auto top1 = file.Int64s("history_select_top1"), top5 = file.Int64s("history_select_top5");
  if (top1.size() != loss.size() || top5.size() != loss.size()) {
    file.Fail("its histories differ in length");
  }
  std::vector<EpochRecord> history;
  for (std::size_t e = 0; e < loss.size(); ++e) history.push_back({loss[e], top1[e], top5[e]});
  return history;
}

void WriteAdapterFile(const std::filesystem::path& path, const AdapterData& data) {
  const auto k = static_cast<hsize_t>(data.class_index.size());
  H5Writer file(path);
  WriteHeader(file, kAdapterFormat, data.made_from);
  file.Attribute("alpha", data.alpha);
  file.Attribute("beta", data.beta);
  if (data.logit_scale != kUsualLogitScale) file.Attribute("logit_scale", data.logit_scale);
  file.Attribute("selected_epoch", data.selected_epoch);
  WriteTunedOn(file, data.tuned_on);
  file.Attribute("select_samples", data.select_samples);
  file.Attribute("test_samples", data.test_samples);
  file.Attribute("test_top1", data.test_top1);
  file.Attribute("test_top5", data.test_top5);
  file.Attribute("before_top1", data.before_top1);
  file.Attribute("before_top5", data.before_top5);
  file.Write("keys", {k, static_cast<hsize_t>(data.width)}, data.keys);
  file.Write("class_index", {k}, data.class_index);
  file.Write("cache_row", {k}, data.cache_row);
  if (!data.image_sha256.empty()) file.Write(kImageHashes, data.image_sha256);
  file.Write("text", {data.classes.size(), static_cast<hsize_t>(data.width)}, data.text);
  file.Write("classes", data.classes);
  WriteHistory(file, data.history);
  file.Commit();
}

AdapterData ReadAdapterFile(const std::filesystem::path& path) {
  const H5Reader file(path);
  CheckHeader(file, kAdapterFormat);
  AdapterData data;
  data.alpha = file.DoubleAttribute("alpha");
  data.beta = file.DoubleAttribute("beta");
  if (file.HasAttribute("logit_scale")) data.logit_scale = file.DoubleAttribute("logit_scale");
  data.selected_epoch = file.IntAttribute("selected_epoch");
  data.tuned_on = ReadTunedOn(file);
  data.select_samples = file.IntAttribute("select_samples");
  data.test_samples = file.IntAttribute("test_samples");
  data.test_top1 = file.IntAttribute("test_top1");
  data.test_top5 = file.IntAttribute("test_top5");
  data.before_top1 = file.IntAttribute("before_top1");
  data.before_top5 = file.IntAttribute("before_top5");
  const auto shape = file.Shape("keys");
  data.keys = file.Floats("keys");
  data.class_index = file.Int32s("class_index");
  data.cache_row = file.Int64s("cache_row");
  if (file.Has(kImageHashes)) data.image_sha256 = file.Texts(kImageHashes);
  data.text = file.Floats("text");
  data.classes = file.Texts("classes");
  data.made_from = ReadProvenance(file);
  data.seal = file.seal();
  if (shape.size() != 2 || data.class_index.size() != shape[0] ||
      data.cache_row.size() != shape[0]) {
    file.Fail("'keys', 'class_index' and 'cache_row' differ in length; train again");
  }
  if (!data.image_sha256.empty() && data.image_sha256.size() != shape[0]) {
    file.Fail("its hashes of pictures are not one a key; train again");
  }
  data.width = static_cast<std::int64_t>(shape[1]);
  if (const auto text = file.Shape("text");
      text.size() != 2 || text[0] != data.classes.size() || text[1] != shape[1]) {
    file.Fail("'text' does not fit its classes and keys; train again");
  }
  for (const std::int32_t c : data.class_index) {
    if (c < 0 || static_cast<std::size_t>(c) >= data.classes.size()) {
      file.Fail(fmt::format("class_index {} is outside its {} classes", c, data.classes.size()));
    }
  }
  for (const auto* values : {&data.keys, &data.text}) {
    if (!std::all_of(values->begin(), values->end(), [](float v) { return std::isfinite(v); })) {
      file.Fail("'keys' or 'text' has values that are not finite; train again");
    }
  }
  const auto fits = [](std::int64_t top1, std::int64_t top5, std::int64_t samples) {
    return top1 >= 0 && top1 <= top5 && top5 <= samples;
  };
  if (!fits(data.test_top1, data.test_top5, data.test_samples) ||
      !fits(data.before_top1, data.before_top5, data.test_samples)) {
    file.Fail(fmt::format("its counts do not fit its {} test samples", data.test_samples));
  }
  if (!std::isfinite(data.alpha) || !std::isfinite(data.beta) ||
      !(data.logit_scale > 0 && std::isfinite(data.logit_scale))) {
    file.Fail("alpha, beta or logit_scale is not a number that it can be");
  }
  data.history = ReadHistory(file);
  if (data.history.empty()) file.Fail("has no epochs; train again");
  if (data.selected_epoch < 1 ||
      data.selected_epoch > static_cast<std::int64_t>(data.history.size())) {
    file.Fail(fmt::format("selected_epoch {} is not one of its {} epochs", data.selected_epoch,
                          data.history.size()));
  }
  return data;
}

}  // namespace clipsweep
