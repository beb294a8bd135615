// results.json as a file: sealed, and checked when it is read.
#include <fmt/core.h>

#include "common/disk/atomic_file.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "launch/experiment/results.h"
#include "launch/records/json_file.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMostImages = std::int64_t{1} << 50;

// From the first schema to the present one.
void Upgrade(Json& json) {
  if (json.at("schema") != kFirstResultsSchema) return;
  json["schema"] = kResultsSchema;
  for (Json& row : json.at("rows")) {
    if (row.at("top1_accuracy").size() > 1) continue;
    row["top1_half_width_95"] = row["top5_half_width_95"] = nullptr;
  }
  for (Json& done : json.at("evaluations")) {
    for (Json& bin : done.at("calibration_bins")) {
      if (bin.at(0) == 0) bin = {0, nullptr, nullptr};
    }
  }
}

// What schemas cannot say: that sizes and numbers fit one another.
void CheckResults(const fs::path& path, const Json& json) {
  const auto fail = [&](const std::string& what) {
    throw InputError(fmt::format("{}: {}; run the experiment again", path.string(), what));
  };
  const std::size_t classes = json.at("class_names").size();
  if (classes == 0 || json.at("classes") != classes) fail("'classes' does not fit 'class_names'");
  const auto check_counts = [&](const char* name, const Json& counts) {
    if (counts.size() != classes) fail(fmt::format("'{}' has not one number a class", name));
    for (const Json& count : counts) {
      const auto value = count.get<std::int64_t>();
      if (value < 0 || value > kMostImages) fail(fmt::format("'{}' has {}, no count", name, value));
    }
  };
  const auto fraction = [&](const Json& value) {
    if (!(value.get<double>() >= 0 && value.get<double>() <= 1)) {
      fail(fmt::format("{} is no fraction of 1", value.dump()));
    }
  };
  if (json.at("class_folders").size() != classes)
    fail("'class_folders' does not fit 'class_names'");
  check_counts("class_samples", json.at("class_samples"));
  for (const Json& shots : json.at("config").at("shots")) {
    if (shots.get<std::int64_t>() < 1) fail(fmt::format("{} shots are too few", shots.dump()));
  }
  for (const Json& row : json.at("rows")) {
    if (row.at("shots").get<std::int64_t>() < 0) fail("a row has less than 0 shots");
    for (const std::string top : {"top1", "top5"}) {
      fraction(row.at(top + "_mean"));
      const Json& half = row.at(top + "_half_width_95");
      const bool one = row.at(top + "_accuracy").size() < 2;
      // Of few subsets it may be above 1.
      if (one ? !half.is_null() : !(half.get<double>() >= 0)) {
        fail(fmt::format("{} is no half-width of {}", half.dump(),
                         one ? "one subset" : "an interval"));
      }
    }
  }
  for (const Json& done : json.at("evaluations")) {
    check_counts("class_top1", done.at("class_top1"));
    if (!done.at("ece").is_null()) fraction(done.at("ece"));
    for (const Json& bin : done.at("calibration_bins")) {
      if (bin.at(0) == 0) continue;
      fraction(bin.at(1));
      fraction(bin.at(2));
    }
    for (const Json& pair : done.at("confusions")) {
      if (pair.at(0).get<std::uint64_t>() >= classes ||
          pair.at(1).get<std::uint64_t>() >= classes) {
        fail("'confusions' names a class that is not there");
      }
    }
  }
}

}  // namespace

void CheckSchema(const fs::path& path, const Json& json, const std::string& schema,
                 const std::string& earlier) {
  const auto found = json.find("schema");
  if (found != json.end() && (*found == schema || (!earlier.empty() && *found == earlier))) return;
  throw InputError(
      fmt::format("{}: is of schema {}, this program knows '{}'; {}", path.string(),
                  found == json.end() ? "none" : Printable(found->dump()).substr(0, 80), schema,
                  "use the program that wrote it, or run the experiment again"));
}

void WriteResults(const fs::path& path, const Json& results) {
  WriteFileAtomically(path, SealedJson(results));
}

Json ReadResults(const fs::path& path) {
  const std::string text = ReadFile(path, std::size_t{1} << 28);
  Json json = ParseJsonObject(path, text);
  CheckSchema(path, json, kResultsSchema, kFirstResultsSchema);
  CheckJsonSeal(path, text, json, "run the experiment again");
  ReadingJson(path, [&] {
    Upgrade(json);
    CheckResults(path, json);
    return 0;
  });
  return json;
}

}  // namespace clipsweep
