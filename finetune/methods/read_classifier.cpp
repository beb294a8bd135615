// From files to classifiers: every shape is held against the others, for a seal can be made by
// anybody.
#include <fmt/core.h>

#include <algorithm>

#include "common/compute/tensors.h"
#include "common/disk/plain_file.h"
#include "common/hdf5/hdf5_file.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "finetune/methods/classifier.h"

namespace clipsweep {
namespace {

class FormReader {
 public:
  FormReader(const std::filesystem::path& path, const ClassifierData& data)
      : path_(path), data_(data) {}

  std::unique_ptr<Classifier> Make() const {
    const auto classes = static_cast<std::int64_t>(data_.classes.size());
    if (data_.form == "linear") {
      return std::make_unique<LinearClassifier>(
          Array("weight", {classes, data_.width}),
          data_.arrays.contains("bias") ? Array("bias", {classes}) : at::Tensor());
    }
    if (data_.form == "kernel") return MakeKernel(classes);
    if (data_.form == "residual") {
      const std::int64_t hidden = Extent("down", 0);
      return std::make_unique<ResidualClassifier>(
          Array("down", {hidden, data_.width}), Array("up", {data_.width, hidden}),
          Array("text", {classes, data_.width}), Number("scale"), Number("ratio"));
    }
    Fail(
        fmt::format("its form '{}' is not one that this program knows; use the program that "
                    "wrote it",
                    Printable(data_.form)));
  }

 private:
  [[noreturn]] void Fail(const std::string& what) const {
    throw InputError(fmt::format("{}: {}", path_.string(), what));
  }

  std::unique_ptr<Classifier> MakeKernel(std::int64_t classes) const {
    KernelParts parts;
    parts.text = Array("text", {classes, data_.width});
    parts.scale = Number("scale");
    parts.alpha = Number("alpha");
    parts.beta = Number("beta");
    if (data_.indices.contains("channels")) {
      parts.channels = data_.indices.at("channels");
      for (const std::int32_t channel : parts.channels) {
        if (channel < 0 || channel >= data_.width) {
          Fail(fmt::format("channel {} is not one of its {}", channel, data_.width));
        }
      }
      if (parts.channels.empty()) Fail("keeps no channel; fit again");
    }
    const std::int64_t keys = Extent("keys", 0);
    const auto kept = static_cast<std::int64_t>(parts.channels.size());
    parts.keys = Array("keys", {keys, parts.channels.empty() ? data_.width : kept});
    const auto index = data_.indices.find("class");
    if (index == data_.indices.end()) {
      parts.values = Array("values", {keys, classes});
      return std::make_unique<KernelClassifier>(std::move(parts));
    }
    if (data_.arrays.contains("values")) parts.values = Array("values", {keys});
    if (static_cast<std::int64_t>(index->second.size()) != keys) {
      Fail("has not one class a key; fit again");
    }
    parts.class_index = index->second;
    for (const std::int32_t c : parts.class_index) {
      if (c < 0 || c >= classes) Fail(fmt::format("class {} is not one of its {}", c, classes));
    }
    return std::make_unique<KernelClassifier>(std::move(parts));
  }

  const ClassifierArray& Found(const std::string& name) const {
    const auto found = data_.arrays.find(name);
    if (found == data_.arrays.end()) Fail(fmt::format("lacks '{}'; fit again", name));
    return found->second;
  }
  std::int64_t Extent(const std::string& name, std::size_t axis) const {
    const auto& shape = Found(name).shape;
    if (axis >= shape.size()) Fail(fmt::format("'{}' has no axis {}; fit again", name, axis));
    return shape[axis];
  }
  at::Tensor Array(const std::string& name, const std::vector<std::int64_t>& shape) const {
    const ClassifierArray& array = Found(name);
    if (array.shape != shape) {
      Fail(fmt::format("'{}' does not fit its {} classes and width {}; fit again", name,
                       data_.classes.size(), data_.width));
    }
    return at::from_blob(const_cast<float*>(array.values.data()), shape, at::kFloat).clone();
  }
  double Number(const std::string& name) const {
    const auto found = data_.numbers.find(name);
    if (found == data_.numbers.end()) Fail(fmt::format("lacks the number '{}'; fit again", name));
    return found->second;
  }

  const std::filesystem::path& path_;
  const ClassifierData& data_;
};

// Trained keys are a kernel classifier whose values are all alpha.
ClassifierData FromAdapter(AdapterData adapter) {
  ClassifierData data;
  data.form = "kernel";
  data.width = adapter.width;
  data.classes = std::move(adapter.classes);
  data.numbers = {{"scale", adapter.logit_scale}, {"alpha", adapter.alpha}, {"beta", adapter.beta}};
  const auto classes = static_cast<std::int64_t>(data.classes.size());
  const auto keys = static_cast<std::int64_t>(adapter.class_index.size());
  data.arrays["text"] = {{classes, data.width}, std::move(adapter.text)};
  data.arrays["keys"] = {{keys, data.width}, std::move(adapter.keys)};
  data.indices["class"] = std::move(adapter.class_index);
  data.tuned_on = adapter.tuned_on;
  data.image_sha256 = std::move(adapter.image_sha256);
  data.history = std::move(adapter.history);
  data.selected_epoch = adapter.selected_epoch;
  data.select_samples = adapter.select_samples;
  data.made_from = std::move(adapter.made_from);
  data.seal = std::move(adapter.seal);
  return data;
}

}  // namespace

std::unique_ptr<Classifier> MakeClassifier(const std::filesystem::path& path,
                                           const ClassifierData& data) {
  return FormReader(path, data).Make();
}

ClassifierData ReadClassifier(const std::filesystem::path& path) {
  const std::string format = FormatOf(H5Reader(path));
  if (format == kAdapterFormat) return FromAdapter(ReadAdapterFile(path));
  return ReadClassifierFile(path);
}

}  // namespace clipsweep
