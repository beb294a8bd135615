#include "launch/report/data.h"

#include <fmt/core.h>

#include "common/data/class_names.h"
#include "common/files/feature_file.h"
#include "common/files/prediction_file.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "launch/experiment/results.h"
#include "launch/records/json_file.h"
#include "launch/report/check_results.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kGalleryItems = 8;  // of each kind

class Reader {
 public:
  explicit Reader(ReportData& data) : data_(data) {}

  // Calls `read` with the file's path when it is there and the one results.json names. A stored
  // file may be another by now: nobody keeps it for this run.
  template <typename Read>
  void With(const std::string& name, const Read& read) {
    const Json& files = data_.results.at("files");
    if (!files.contains(name)) return;
    if (fs::path(name).filename() != name) {
      throw InputError(fmt::format("{}: names a file outside the run folder: {}",
                                   (data_.folder / "results.json").string(), Printable(name)));
    }
    const bool stored = IsStored(files.at(name));
    const fs::path folder =
        stored ? StoredFolder(data_.folder / "run.json", data_.run) : data_.folder;
    const fs::path path = folder / name;
    if (folder.empty() || !fs::exists(path)) {
      data_.absent.push_back(name);
      return;
    }
    if (SealOf(path) != files.at(name).at("sha256").get<std::string>()) {
      if (stored) {
        LogWarning("{}: is not the file that results.json was made from; it is not shown",
                   path.string());
        data_.absent.push_back(name);
        return;
      }
      throw InputError(fmt::format(
          "{}: is not the file that results.json was made from; run the experiment again",
          path.string()));
    }
    read(path);
  }

 private:
  ReportData& data_;
};

fs::path TestImages(const fs::path& path, const Json& run) {
  return ReadingJson(path, [&] {
    const bool none = run.empty() || run.contains("features_from");
    return none ? "" : run.at("test_images").get<std::string>();
  });
}

void ReadCurves(ReportData& data, Reader& reader) {
  const Json& config = data.results.at("config");
  const auto seed = config.at("subset_seeds").at(0).get<std::int64_t>();
  for (const auto shots : config.at("shots").get<std::vector<std::int64_t>>()) {
    reader.With(fmt::format("adapter-{}shot-seed{}.h5", shots, seed), [&](const fs::path& path) {
      const AdapterData adapter = ReadAdapterFile(path);
      data.curves.push_back({shots, seed, adapter.selected_epoch, adapter.select_samples,
                             TunedOnName(adapter.tuned_on), adapter.history});
    });
  }
}

void ReadGallery(ReportData& data, Reader& reader, const FeatureSet& test, const fs::path& images) {
  const Json* before = LastEvaluation(data.results, "zero-shot");
  const Json* after = LastEvaluation(data.results, "Tip-Adapter");
  if (before == nullptr || after == nullptr) return;
  const auto read = [&](const fs::path& path) {
    PredictionData predictions = ReadPredictionFile(path);
    if (predictions.labels != test.labels || predictions.classes.size() != test.classes.size()) {
      throw InputError(fmt::format("{}: is not of the images and classes of {}", path.string(),
                                   test.path.string()));
    }
    return predictions;
  };
  reader.With(before->at("file").get<std::string>(), [&](const fs::path& zero_shot) {
    reader.With(after->at("file").get<std::string>(), [&](const fs::path& tip) {
      data.gallery = MakeGallery(read(zero_shot), read(tip), test.paths, images, kGalleryItems);
    });
  });
}

}  // namespace

const Json* LastEvaluation(const Json& results, const std::string& method) {
  const Json* last = nullptr;
  const std::string templates = results.at("config").at("templates").get<std::string>();
  for (const Json& done : results.at("evaluations")) {
    if (done.at("method") != method || done.at("templates") != templates) continue;
    if (last == nullptr || done.at("shots") >= last->at("shots")) last = &done;
  }
  return last;
}

namespace {

// Names of classes; with its folder where several have one name.
std::vector<std::string> Labels(const ClassNames& names) {
  std::vector<std::string> labels = names.names;
  const auto shared = names.Shared();
  for (std::size_t c = 0; c < labels.size(); ++c) {
    if (shared.contains(labels[c])) labels[c] += " (" + names.classes[c] + ")";
  }
  return labels;
}

}  // namespace

ReportData ReadReportData(const fs::path& folder, const fs::path& images) {
  ReportData data;
  data.folder = folder;
  if (!fs::is_directory(folder)) {
    throw InputError(fmt::format("{}: is not a folder; give --run the folder of an experiment",
                                 folder.string()));
  }
  const fs::path results = folder / "results.json";
  if (!fs::exists(results)) {
    throw InputError(fmt::format("{}: is not there; run an experiment into this folder first",
                                 results.string()));
  }
  data.results = ReadResults(results);
  CheckResultsAgree(results, data.results);
  try {
    data.run = ReadRunFile(folder / "run.json");
  } catch (const Error& error) {  // times, and where pictures were: no number stands on it
    LogWarning("{}; its times are left out, and pictures are looked for in --images", error.what());
    data.run = Json::object();
  }
  ReadingJson(results, [&] {
    data.classes = Labels({data.results.at("class_folders").get<std::vector<std::string>>(),
                           data.results.at("class_names").get<std::vector<std::string>>()});
    Reader reader(data);
    reader.With("sweep.h5", [&](const fs::path& path) { data.sweep = ReadSweepData(path); });
    ReadCurves(data, reader);
    const fs::path found = images.empty() ? TestImages(folder / "run.json", data.run) : images;
    reader.With("test.h5", [&](const fs::path& path) {
      const FeatureReader test(path);
      if (test.about().classes.size() != data.classes.size()) {
        throw InputError(
            fmt::format("{}: has other classes than {}", path.string(), results.string()));
      }
      ReadGallery(data, reader, test.about(), found);
      data.map = MapFeatures(test);
    });
    return 0;
  });
  return data;
}

}  // namespace clipsweep
