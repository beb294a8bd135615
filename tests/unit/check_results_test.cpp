#include "launch/report/check_results.h"

#include <gtest/gtest.h>

#include "common/data/statistics.h"
#include "common/process/error.h"

namespace clipsweep {
namespace {

constexpr std::int64_t kSamples = 20;

Json Row(const std::string& method, const std::string& templates, std::int64_t shots,
         const std::vector<double>& top1, const std::vector<double>& top5) {
  const MeanInterval first = Summarize(top1), second = Summarize(top5);
  const auto half = [](const MeanInterval& m) {
    return m.half_width ? Json(*m.half_width) : Json();
  };
  return {{"method", method},
          {"templates", templates},
          {"shots", shots},
          {"top1_accuracy", top1},
          {"top5_accuracy", top5},
          {"top1_mean", first.mean},
          {"top5_mean", second.mean},
          {"top1_half_width_95", half(first)},
          {"top5_half_width_95", half(second)}};
}

// 12 of the 20 images are right: 7 of 10 and 5 of 10.
Json EvaluationOf(const std::string& method, const std::string& templates, std::int64_t shots) {
  Json bins = Json::array();
  for (int b = 0; b < 15; ++b) bins.push_back({0, nullptr, nullptr});
  bins[4] = {8, 0.3, 0.25};
  bins[14] = {12, 0.95, 10.0 / 12};
  return {{"method", method},
          {"templates", templates},
          {"shots", shots},
          {"file", "predictions.h5"},
          {"counts", CountsJson(kSamples, 12, 20)},
          {"class_top1", {7, 5}},
          {"ece", (8 * 0.05 + 12 * (0.95 - 10.0 / 12)) / 20},
          {"calibration_bins", bins},
          {"confusions", {{1, 0, 5}, {0, 1, 3}}},
          {"confusions_left_out", 0}};
}

// Two shot counts, three subset seeds; four shots are all keys.
Json Possible() {
  Json cells = Json::array(), rows = Json::array(), evaluations = Json::array();
  rows.push_back(Row("zero-shot", "t", 0, {0.6}, {1.0}));
  rows.push_back(Row("Tip-Adapter", "t", 1, {0.5, 0.55, 0.6}, {1, 1, 1}));
  rows.push_back(Row("Tip-Adapter", "t", 4, {0.65}, {1.0}));
  rows.push_back(Row("Tip-Adapter-F", "t", 1, {0.75, 0.75, 0.75}, {1, 1, 1}));
  rows.push_back(Row("Tip-Adapter-F", "t", 4, {0.75}, {1.0}));
  for (const std::int64_t shots : {1, 4}) {
    for (const std::int64_t seed : {1, 2, 3}) {
      cells.push_back({{"shots", shots},
                       {"subset_seed", seed},
                       {"alpha", 1.0 + 0.1 * 7},
                       {"beta", 5.0},
                       {"tip_adapter", CountsJson(kSamples, shots == 1 ? 9 + seed : 13, 20)},
                       {"tip_adapter_f", CountsJson(kSamples, 15, 20)},
                       {"tip_adapter_f_epoch", 3}});
    }
  }
  evaluations.push_back(EvaluationOf("zero-shot", "t", 0));
  for (const std::int64_t shots : {1, 4}) {
    evaluations.push_back(EvaluationOf("Tip-Adapter", "t", shots));
    evaluations.push_back(EvaluationOf("Tip-Adapter-F", "t", shots));
  }
  const std::string hash(64, 'a');
  return {{"schema", "clipsweep-results-2"},
          {"sha256", hash},
          {"program_version", "0.1.0"},
          {"title", ""},
          {"tuned_on", "val"},
          {"config",
           {{"templates", "t"},
            {"shots", {1, 4}},
            {"subset_seeds", {1, 2, 3}},
            {"alpha", "1:3:0.1"},
            {"beta", "5"},
            {"views", 1},
            {"epochs", 3},
            {"batch", 256},
            {"lr", 0.001},
            {"seed", 1}}},
          {"classes", 2},
          {"class_names", {"cat", "dog"}},
          {"class_folders", {"a", "b"}},
          {"class_samples", {10, 10}},
          {"most_keys", 4},
          {"test", CountsJson(kSamples, 12, 20)},
          {"rows", rows},
          {"cells", cells},
          {"evaluations", evaluations},
          {"skipped_images", {{"test.h5", 2}}},
          {"duplicate_pictures", {{"test.h5", {{"pictures", 2}, {"across_classes", 1}}}}},
          {"inputs", {{"shared_pictures", {"one"}}}},
          {"files",
           {{"sweep.h5",
             {{"format", "clipsweep-sweep"}, {"sha256", hash}, {"made_from", {{"seed", "1"}}}}}}}};
}

std::string Complaint(const Json& results) {
  try {
    CheckResultsAgree("run/results.json", results);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kBadInput);
    return error.what();
  }
  return "";
}

TEST(CheckResults, WhatCanBeIsTaken) { EXPECT_EQ(Complaint(Possible()), ""); }

TEST(CheckResults, WhatCannotBeIsRefusedByItsPlace) {
  const double huge = 1e300;
  const std::vector<std::pair<std::string, Json>> changes = {
      {"/tuned_on", "train"},
      {"/title", 7},
      {"/program_version", ""},
      {"/config/shots", {1, 1}},
      {"/config/shots", {-1, 4}},
      {"/config/shots", Json::array()},
      {"/config/subset_seeds", {1, 2}},
      {"/config/subset_seeds", Json::array()},
      {"/config/alpha", "none"},
      {"/config/beta", "7"},
      {"/config/epochs", 2},
      {"/config/epochs", 0},
      {"/config/views", -1},
      {"/config/batch", huge},
      {"/config/lr", "fast"},
      {"/config/lr", -0.1},
      {"/classes", 3},
      {"/class_names/0", ""},
      {"/class_folders/1", 5},
      {"/class_samples/0", -10},
      {"/class_samples/0", 11},
      {"/class_samples/0", 10.5},
      {"/class_samples", {10, 10, 0}},
      {"/most_keys", -1},
      {"/most_keys", 1},
      {"/test/top1", 11},
      {"/test/top5_accuracy", 0.5},
      {"/cells", Json::array()},
      {"/cells/0/shots", 4},
      {"/cells/1/subset_seed", 1},
      {"/cells/2/alpha", 3.0},
      {"/cells/2/alpha", 1.75},
      {"/cells/2/alpha", nullptr},
      {"/cells/2/beta", -5},
      {"/cells/3/tip_adapter/top1", 21},
      {"/cells/3/tip_adapter/top1", -1},
      {"/cells/3/tip_adapter/top1", true},
      {"/cells/3/tip_adapter/top5", 12},
      {"/cells/3/tip_adapter/samples", 21},
      {"/cells/3/tip_adapter_f/top1_accuracy", 1.5},
      {"/cells/3/tip_adapter_f/top1_accuracy", nullptr},
      {"/cells/4/tip_adapter_f_epoch", 4},
      {"/cells/4/tip_adapter_f_epoch", 0},
      {"/rows/1/method", "magic"},
      {"/rows/1/templates", "u"},
      {"/rows/1/shots", 2},
      {"/rows/1/top1_accuracy/0", 0.51},
      {"/rows/1/top1_accuracy", {0.5}},
      {"/rows/1/top1_mean", 0.9},
      {"/rows/1/top1_half_width_95", 0.0},
      {"/rows/1/top1_half_width_95", -0.12},
      {"/rows/1/top1_half_width_95", huge},
      {"/rows/1/top1_half_width_95", nullptr},
      {"/rows/2/top5_half_width_95", 0.1},
      {"/rows", Json::array()},
      {"/evaluations", Json::array()},
      {"/evaluations/0/method", "Tip-Adapter"},
      {"/evaluations/0/shots", 1},
      {"/evaluations/0/file", "../x.h5"},
      {"/evaluations/1/shots", 4},
      {"/evaluations/1/shots", 2},
      {"/evaluations/1/templates", "u"},
      {"/evaluations/2/counts/top1", 13},
      {"/evaluations/2/class_top1", {12, 0}},
      {"/evaluations/2/class_top1", {7, 4}},
      {"/evaluations/2/class_top1", {7, 5, 0}},
      {"/evaluations/2/ece", 0.5},
      {"/evaluations/2/ece", nullptr},
      {"/evaluations/2/calibration_bins", Json::array()},
      {"/evaluations/2/calibration_bins/4", {9, 0.3, 0.25}},
      {"/evaluations/2/calibration_bins/4", {8, 0.3, 0.3}},
      {"/evaluations/2/calibration_bins/4", {8, 0.9, 0.25}},
      {"/evaluations/2/calibration_bins/4", {8, 0.3}},
      {"/evaluations/2/calibration_bins/5", {0, 0.4, 0.1}},
      {"/evaluations/2/confusions/0", {1, 0, 6}},
      {"/evaluations/2/confusions/0", {1, 1, 5}},
      {"/evaluations/2/confusions/0", {1, 2, 5}},
      {"/evaluations/2/confusions/0", {1, 0, 2}},
      {"/evaluations/2/confusions/1", {1, 0, 3}},
      {"/evaluations/2/confusions", Json::array()},
      {"/evaluations/2/confusions_left_out", 3},
      {"/skipped_images/test.h5", 0},
      {"/skipped_images", {{"../test.h5", 1}}},
      {"/duplicate_pictures/test.h5/across_classes", 3},
      {"/inputs", {{"more", {"x"}}}},
      {"/inputs/shared_pictures", "one"},
      {"/files/sweep.h5/sha256", "none"},
      {"/files/sweep.h5/sha256", std::string(64, 'G')},
      {"/files/sweep.h5/made_from/seed", 1},
      {"/files", {{"../sweep.h5", {}}}},
      {"/files", Json::array()},
  };
  for (const auto& [place, value] : changes) {
    Json results = Possible();
    results[Json::json_pointer(place)] = value;
    const std::string complaint = Complaint(results);
    EXPECT_TRUE(complaint.starts_with("run/results.json: '"))
        << place << " = " << value << complaint;
    EXPECT_EQ(complaint.find('\n'), std::string::npos);
  }
  const Json whole = Possible();
  for (const auto& [key, value] : whole.items()) {
    if (key == "schema" || key == "sha256") continue;
    Json results = Possible();
    results.erase(key);
    const bool optional = key == "inputs" || key == "duplicate_pictures";
    EXPECT_EQ(Complaint(results).empty(), optional) << key;
  }
}

}  // namespace
}  // namespace clipsweep
