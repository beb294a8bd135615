// What counts as a regression; the history file; text of others made inert; ticks of axes.
#include <gtest/gtest.h>

#include <cmath>

#include "common/data/statistics.h"
#include "common/files/prediction_file.h"
#include "common/files/text_file.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "finetune/evaluate_job.h"
#include "launch/experiment/results.h"
#include "launch/nightly/compare.h"
#include "launch/nightly/history.h"
#include "launch/options/config_file.h"
#include "launch/pages/charts.h"
#include "launch/pages/markup.h"
#include "tests/support/problems.h"

namespace clipsweep {
namespace {

Figure Seconds(double value) { return {"sweep seconds", "seconds", "s", value, 0}; }
Figure Count(const std::string& name, double value) { return {name, "count", "images", value, 0}; }

std::vector<std::vector<Figure>> NightsOf(const std::vector<double>& seconds) {
  std::vector<std::vector<Figure>> nights;
  for (const double value : seconds) nights.push_back({Seconds(value)});
  return nights;
}

TEST(CompareCounts, AnyDifferenceIsOne) {
  const std::vector<Figure> before = {Count("a", 10), Count("b", 20), Count("c", 30), Seconds(1)};
  EXPECT_TRUE(CompareCounts({Count("a", 10), Count("b", 20), Count("c", 30)}, before).empty());
  const auto found = CompareCounts({Count("a", 11), Count("b", 19), Count("new", 1)}, before);
  ASSERT_EQ(found.size(), 3u);  // better, worse, gone
  EXPECT_EQ(found[0].text, "a: 11 right, was 10");
  EXPECT_EQ(found[1].reference, 20);
  EXPECT_EQ(found[2].text, "c: is gone, was 30 right");
  EXPECT_TRUE(CompareCounts({Count("a", 1)}, {}).empty());
}

TEST(CompareTimes, TheBandIsTheWidestOfThree) {
  const TimeBand band{0.25, 5, 1};
  EXPECT_TRUE(CompareTimes({Seconds(100)}, {}, band).empty());
  // Steady nights of ten seconds: a quarter more is right, a little more than that is not.
  EXPECT_TRUE(CompareTimes({Seconds(12.5)}, NightsOf({10, 10, 10}), band).empty());
  const auto slow = CompareTimes({Seconds(12.6)}, NightsOf({10, 10, 10}), band);
  ASSERT_EQ(slow.size(), 1u);
  EXPECT_DOUBLE_EQ(slow[0].limit, 12.5);
  // One wild night moves neither the median nor the spread much.
  EXPECT_EQ(CompareTimes({Seconds(13)}, NightsOf({10, 10, 10, 100, 10}), band).size(), 1u);
  // Nights that differ widely allow for it: median 10, deviations 2, 5 x 1.4826 x 2.
  EXPECT_TRUE(CompareTimes({Seconds(24.8)}, NightsOf({6, 8, 10, 12, 14}), band).empty());
  EXPECT_EQ(CompareTimes({Seconds(24.9)}, NightsOf({6, 8, 10, 12, 14}), band).size(), 1u);
  // Short stages: less than the floor is noise.
  EXPECT_TRUE(CompareTimes({Seconds(1.05)}, NightsOf({0.1, 0.1}), band).empty());
  EXPECT_EQ(CompareTimes({Seconds(1.2)}, NightsOf({0.1, 0.1}), band).size(), 1u);
  // Faster is no regression.
  EXPECT_TRUE(CompareTimes({Seconds(1)}, NightsOf({10, 10}), band).empty());
}

TEST(CompareTimes, ThroughputCountsWhenItCostsTime) {
  const TimeBand band{0.25, 5, 1};
  const auto rate = [](double value, double seconds) {
    return Figure{"sweep throughput", "throughput", "samples/s", value, seconds};
  };
  EXPECT_TRUE(CompareTimes({rate(76, 100)}, {{rate(100, 76)}}, band).empty());
  EXPECT_EQ(CompareTimes({rate(70, 100)}, {{rate(100, 70)}}, band).size(), 1u);
  EXPECT_TRUE(CompareTimes({rate(50, 0.1)}, {{rate(100, 0.05)}}, band).empty());
}

TEST(Median, OfOddAndEven) {
  EXPECT_EQ(Median({3, 1, 2}), 2);
  EXPECT_EQ(Median({4, 1, 2, 3}), 2.5);
}

Night NightOf(const std::string& started, const std::string& status) {
  Night night;
  night.started = started;
  night.status = status;
  night.key = {"m", "cpu", "c", "i", 2, 1};
  night.answers_right = status == "ok";
  return night;
}

TEST(History, KeepsComparesAndForgets) {
  const testing::TempFolder folder;
  {
    History history(folder / "h.sqlite");
    const auto one = history.Add(NightOf("2026-01-01T00:00:00Z", "ok"));
    history.AddFigures(one, {Count("a", 3), Seconds(1.5)});
    history.Add(NightOf("2026-01-02T00:00:00Z", "failed"));
    history.Add(NightOf("2026-01-03T00:00:00Z", "running"));
  }
  History history(folder / "h.sqlite");
  EXPECT_EQ(history.CloseAbandoned("2026-01-04T00:00:00Z"), 1);
  EXPECT_EQ(history.CloseAbandoned("2026-01-04T00:00:00Z"), 0);
  const auto nights = history.Nights(10);
  ASSERT_EQ(nights.size(), 3u);
  EXPECT_EQ(nights[2].status, "failed");
  EXPECT_EQ(nights[2].ended, "2026-01-04T00:00:00Z");
  const auto figures = history.Figures(nights[0].id);
  ASSERT_EQ(figures.size(), 2u);
  EXPECT_EQ(figures[0].name, "a");
  EXPECT_EQ(figures[1].value, 1.5);
  NightKey key{"m", "cpu", "c", "i", 2, 1};
  EXPECT_EQ(history.Comparable(key, true, 10).size(), 1u);
  key.ranks = 3;
  EXPECT_EQ(history.Comparable(key, false, 10).size(), 1u);  // answers do not depend on ranks
  EXPECT_EQ(history.Comparable(key, true, 10).size(), 0u);   // times do
  key.inputs_sha256 = "j";
  EXPECT_EQ(history.Comparable(key, false, 10).size(), 0u);
  history.Forget(1);  // the reference stays
  ASSERT_EQ(history.Nights(10).size(), 2u);
  EXPECT_EQ(history.Nights(10)[0].status, "ok");
  history.Add(NightOf("2026-01-05T00:00:00Z", "ok"));
  history.Forget(1);
  EXPECT_EQ(history.Nights(10).size(), 1u);
  EXPECT_TRUE(history.Figures(nights[0].id).empty());
}

TEST(Markup, ForeignTextIsInert) {
  EXPECT_EQ(EscapeHtml("<a href='x'>&\""), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;");
  EXPECT_EQ(EscapeHtml("a\xe2\x80\xae"
                       "b\xd8\x9c"
                       "c\x01"),
            "a\xef\xbf\xbd"
            "b\xef\xbf\xbd"
            "c\xef\xbf\xbd");
  EXPECT_EQ(CsvCell("=1+1"), "\"'=1+1\"");
  EXPECT_EQ(CsvCell("a\"b,c"), "\"a\"\"b,c\"");
  EXPECT_EQ(CsvCell("\xe2\x80\x8f"), "\"\xef\xbf\xbd\"");
  EXPECT_EQ(Printable("a\x1b[31m\xc2\x9b\xe2\x81\xa6z\xc3\xa9"),
            "a\\x1b[31m\\xc2\\x9b\\xe2\\x81\\xa6z\xc3\xa9");
  EXPECT_EQ(CsvCell("a\xff\x1b[2J\nb"), "\"a\xef\xbf\xbd\xef\xbf\xbd[2J\nb\"");
  EXPECT_EQ(EscapeHtml("\xff<\xc2\x9b"), "\xef\xbf\xbd&lt;\xef\xbf\xbd");
  EXPECT_EQ(Shorten("abcd", 4), "abcd");
  EXPECT_EQ(Shorten("ab\xc3\xa9"
                    "d",
                    3),
            "ab\xe2\x80\xa6");  // no half characters
}

TEST(Charts, RoundTicksCoverTheirRange) {
  EXPECT_EQ(RoundTicks(0, 10, 5), (std::vector<double>{0, 2, 4, 6, 8, 10}));
  for (const auto& [low, high] : std::vector<std::pair<double, double>>{
           {80.56, 91.24}, {0, 0}, {5, 5}, {-3, 1e6}, {1e-9, 2e-9}, {99.99, 100}}) {
    const auto ticks = RoundTicks(low, high, 5);
    ASSERT_GE(ticks.size(), 2u);
    EXPECT_LE(ticks.size(), 12u);
    const double rounding = 1e-12 * std::max(std::abs(low), std::abs(high));
    EXPECT_LE(ticks.front(), low + rounding);
    EXPECT_GE(ticks.back(), high - rounding);
  }
  for (const auto& [low, high] : std::vector<std::pair<double, double>>{
           {1e17, 1e17 + 32}, {0, HUGE_VAL}, {NAN, 1}, {-1.7e308, 1.7e308}}) {
    EXPECT_TRUE(RoundTicks(low, high, 5).empty()) << low << " " << high;
  }
  EXPECT_EQ(LineChart({}, {}), "");
  EXPECT_EQ(LineChart({}, {{"a", {1, 2}, {1, NAN}, {}, true, 0}}), "");
  const std::string chart = LineChart({"<t>", "x", "y", {}, false, false, 720, 340},
                                      {{"<script>", {1, 2}, {3, 4}, {0.5, 0}, true, 1}});
  EXPECT_EQ(chart.find("<script>"), std::string::npos);
  EXPECT_NE(chart.find("&lt;script&gt;"), std::string::npos);
}

TEST(Options, TheNearestIsNamed) {
  boost::program_options::options_description options;
  options.add_options()("shots", "")("epochs", "")("classnames", "");
  EXPECT_EQ(NearestOption("epoch", options), "epochs");
  EXPECT_EQ(NearestOption("class-names", options), "classnames");
  EXPECT_EQ(NearestOption("shost", options), "shots");
}

PredictionData Predictions() {
  PredictionData data;
  data.top = 2;
  data.classes = {"a", "b"};
  data.labels = {0, 0, 1, 1};
  data.predicted = {0, 1, 1, 0, 1, 0, 1, 0};
  data.probability = {0.9f, 0.1f, 0.6f, 0.4f, 1.0f, 0.0f, 0.6f, 0.4f};
  return data;
}

TEST(Predictions, AreSummedUp) {
  const PredictionSummary summary = SummarizePredictions(Predictions());
  EXPECT_EQ(summary.top1, 3);
  EXPECT_EQ(summary.top5, 4);
  EXPECT_EQ(summary.class_top1, (std::vector<std::int64_t>{1, 2}));
  ASSERT_EQ(summary.confusions.size(), 1u);
  EXPECT_EQ(summary.confusions[0].predicted, 1);
  // Bins: 0.9 (right), 0.6 twice (one right), 1.0 (right): (0.1 + 2 * 0.1 + 0) / 4.
  EXPECT_NEAR(summary.ece.value(), 0.075, 1e-6);
}

TEST(Predictions, WithoutImagesTellNothing) {
  PredictionData data;
  data.top = 2;
  data.classes = {"a", "b"};
  const PredictionSummary summary = SummarizePredictions(data);
  EXPECT_EQ(summary.samples, 0);
  EXPECT_FALSE(summary.ece.has_value());
}

TEST(Summarize, OneValueHasNoInterval) {
  EXPECT_EQ(Summarize({0.5}).mean, 0.5);
  EXPECT_FALSE(Summarize({0.5}).half_width.has_value());
  EXPECT_NEAR(Summarize({0.2, 0.9}).half_width.value(), 12.7062 * 0.35, 1e-4);  // above 1
  EXPECT_EQ(Summarize({0.5, 0.5, 0.5}).half_width.value(), 0);
}

// Evaluations are computed on the CPU, whatever the ranks of an experiment have.
TEST(RecordedDevice, IsTheOneThatComputed) {
  const testing::TempFolder folder;
  FeatureSet images;
  images.count = 2;
  images.width = 2;
  images.features = {1, 0, 0, 1};
  images.labels = {0, 1};
  images.paths = {"a/1.png", "b/1.png"};
  images.classes = {"a", "b"};
  WriteFeatureFile(folder / "test.h5", images, FloatKind::kF32);
  TextSet text;
  text.count = text.width = 2;
  text.text = {1, 0, 0, 1};
  text.classes = text.classnames = {"a", "b"};
  text.templates = {"{}"};
  WriteTextFile(folder / "text.h5", text);
  EvaluateConfig config;
  config.features = folder / "test.h5";
  config.text = folder / "text.h5";
  config.out = folder / "predictions.h5";
  SelfComm comm;
  RunEvaluate(config, {"cuda:0", 1}, comm);
  EXPECT_EQ(ReadPredictionFile(config.out).made_from.at("device_kind"), "cpu");
  EXPECT_EQ(EvaluateProvenance(config).at("device_kind"), "cpu");

  PredictionData on_gpu = Predictions();
  on_gpu.made_from["device_kind"] = "cuda";
  WritePredictionFile(folder / "gpu.h5", on_gpu);
  ExperimentResult result;
  for (const char* name : {"evaluate zero-shot", "sweep"}) {
    StageTime& stage = result.stages.emplace_back();
    stage.name = name;
    stage.ranks = {{1, 1, 1}};
  }
  result.files = {config.out, folder / "gpu.h5"};
  ExperimentConfig experiment;
  experiment.run = folder.path();
  experiment.test = folder.path();
  UpdateRunFile(experiment, "cuda:0", result, /*finished=*/true);
  const Json stages = ReadRunFile(folder / "run.json").at("stages");
  EXPECT_EQ(stages.at("evaluate zero-shot").at("device"), "cpu");
  EXPECT_EQ(stages.at("sweep").at("device"), "cuda:0");
}

TEST(Predictions, ReadBackAndRefusedWhenTheyDoNotFit) {
  const testing::TempFolder folder;
  WritePredictionFile(folder / "p.h5", Predictions());
  EXPECT_EQ(ReadPredictionFile(folder / "p.h5").predicted, Predictions().predicted);
  const auto refused = [&](const auto& change) {
    PredictionData data = Predictions();
    change(data);
    WritePredictionFile(folder / "bad.h5", data);
    EXPECT_THROW(ReadPredictionFile(folder / "bad.h5"), Error);
  };
  refused([](PredictionData& data) { data.labels[3] = 2; });
  refused([](PredictionData& data) { data.predicted[0] = -1; });
  refused([](PredictionData& data) { data.probability[1] = 0.95f; });  // more than the first
  refused([](PredictionData& data) { data.probability[0] = NAN; });
  refused([](PredictionData& data) { data.classes.push_back("c"); });  // then three would be kept
}

}  // namespace
}  // namespace clipsweep
