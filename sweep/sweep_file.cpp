#include "sweep/sweep_file.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "common/process/error.h"

namespace clipsweep {

void WriteSweepFile(const std::filesystem::path& path, const SweepData& data) {
  const auto s = static_cast<hsize_t>(data.shots.size()),
             r = static_cast<hsize_t>(data.seeds.size());
  const auto b = static_cast<hsize_t>(data.beta.size()),
             a = static_cast<hsize_t>(data.alpha.size());
  std::vector<double> best_alpha, best_beta;
  std::vector<std::int64_t> tuned1, tuned5, test1, test5;
  for (const SweepCell& cell : data.result.cells) {
    best_alpha.push_back(cell.alpha);
    best_beta.push_back(cell.beta);
    tuned1.push_back(cell.tuned.top1);
    tuned5.push_back(cell.tuned.top5);
    test1.push_back(cell.test.top1);
    test5.push_back(cell.test.top5);
  }
  H5Writer file(path);
  WriteHeader(file, kSweepFormat, data.result.made_from);
  WriteTunedOn(file, data.result.tuned_on);
  file.Attribute("samples", data.result.tune_samples);
  file.Attribute("test_samples", data.result.test_samples);
  file.Attribute("most_keys", data.result.most_keys);
  file.Attribute("zero_shot_top1", data.result.zero_shot.top1);
  file.Attribute("zero_shot_top5", data.result.zero_shot.top5);
  file.Attribute("tune_zero_shot_top1", data.result.tune_zero_shot.top1);
  file.Attribute("tune_zero_shot_top5", data.result.tune_zero_shot.top5);
  file.Write("alpha", {a}, data.alpha);
  file.Write("beta", {b}, data.beta);
  file.Write("shots", {s}, data.shots);
  file.Write("seeds", {r}, data.seeds);
  file.Write("top1", {s, r, b, a}, data.top1);
  file.Write("top5", {s, r, b, a}, data.top5);
  if (!data.exact.empty()) {
    std::vector<std::int64_t> top1;
    std::vector<double> low, high;
    for (const ExactAlpha& exact : data.exact) {
      top1.push_back(exact.top1);
      low.push_back(exact.low);
      high.push_back(exact.high);
    }
    file.Write("exact_top1", {s, r, b}, top1);
    file.Write("exact_alpha_low", {s, r, b}, low);
    file.Write("exact_alpha_high", {s, r, b}, high);
  }
  file.Write("best_alpha", {s, r}, best_alpha);
  file.Write("best_beta", {s, r}, best_beta);
  file.Write("tuned_top1", {s, r}, tuned1);
  file.Write("tuned_top5", {s, r}, tuned5);
  file.Write("test_top1", {s, r}, test1);
  file.Write("test_top5", {s, r}, test5);
  file.Commit();
}

void TakeExact(const SweepData& data, std::size_t s, std::size_t r, SweepCell& cell) {
  if (data.exact.empty()) return;
  const std::size_t betas = data.beta.size();
  const auto first =
      data.exact.begin() + static_cast<std::ptrdiff_t>((s * data.seeds.size() + r) * betas);
  const auto best =
      std::max_element(first, first + static_cast<std::ptrdiff_t>(betas),
                       [](const ExactAlpha& a, const ExactAlpha& b) { return a.top1 < b.top1; });
  cell.exact = *best;
  cell.exact_beta = data.beta[static_cast<std::size_t>(best - first)];
}

namespace {

// 0 <= top1 <= top5 <= samples, everywhere.
void CheckCounts(const H5Reader& file, const std::vector<std::int64_t>& top1,
                 const std::vector<std::int64_t>& top5, std::int64_t samples, const char* name) {
  for (std::size_t i = 0; i < top1.size(); ++i) {
    if (top1[i] < 0 || top1[i] > top5[i] || top5[i] > samples) {
      file.Fail(fmt::format("'{}' has {} of top-5 {} right at {}, of {} samples", name, top1[i],
                            top5[i], i, samples));
    }
  }
}

using Shape = std::vector<hsize_t>;

// The data set `name`, which must have this shape.
template <typename T>
std::vector<T> Table(const H5Reader& file, const std::string& name,
                     std::vector<T> (H5Reader::*read)(const std::string&) const,
                     const Shape& shape) {
  if (file.Shape(name) != shape) {
    file.Fail(fmt::format("'{}' does not fit its shots, seeds and grid", name));
  }
  return (file.*read)(name);
}

// All but the counts of the grid's points, which are most of the file.
SweepData ReadCells(const H5Reader& file) {
  CheckHeader(file, kSweepFormat);
  SweepData data;
  SweepResult& result = data.result;
  result.tuned_on = ReadTunedOn(file);
  result.tune_samples = file.IntAttribute("samples");
  result.test_samples = file.IntAttribute("test_samples");
  result.zero_shot = {file.IntAttribute("zero_shot_top1"), file.IntAttribute("zero_shot_top5")};
  result.tune_zero_shot = {file.IntAttribute("tune_zero_shot_top1"),
                           file.IntAttribute("tune_zero_shot_top5")};
  result.most_keys = file.IntAttribute("most_keys");
  result.made_from = ReadProvenance(file);
  for (const char* name : {"cache_sha256", "text_sha256", "classes_sha256", "tune_sha256"}) {
    if (result.made_from.count(name) == 0) file.Fail(fmt::format("has no made_from.{}", name));
  }
  result.sha256 = file.seal();
  data.alpha = file.Doubles("alpha");
  data.beta = file.Doubles("beta");
  data.shots = file.Int64s("shots");
  data.seeds = file.Int64s("seeds");
  const std::size_t seeds = data.seeds.size(), cells = data.shots.size() * seeds;
  const Shape by_cell{data.shots.size(), seeds},
      by_beta{data.shots.size(), seeds, data.beta.size()};
  const auto table = [&](const std::string& name, const auto& read, const Shape& shape) {
    return Table(file, name, read, shape);
  };
  if (file.Has("exact_top1")) {
    const auto top1 = table("exact_top1", &H5Reader::Int64s, by_beta);
    const auto low = table("exact_alpha_low", &H5Reader::Doubles, by_beta);
    const auto high = table("exact_alpha_high", &H5Reader::Doubles, by_beta);
    for (std::size_t i = 0; i < top1.size(); ++i) data.exact.push_back({top1[i], low[i], high[i]});
  }
  const auto alpha = table("best_alpha", &H5Reader::Doubles, by_cell);
  const auto beta = table("best_beta", &H5Reader::Doubles, by_cell);
  const auto tuned1 = table("tuned_top1", &H5Reader::Int64s, by_cell);
  const auto tuned5 = table("tuned_top5", &H5Reader::Int64s, by_cell);
  const auto test1 = table("test_top1", &H5Reader::Int64s, by_cell);
  const auto test5 = table("test_top5", &H5Reader::Int64s, by_cell);
  result.points = static_cast<std::int64_t>(data.alpha.size() * data.beta.size());
  CheckCounts(file, tuned1, tuned5, result.tune_samples, "tuned_top1");
  CheckCounts(file, test1, test5, result.test_samples, "test_top1");
  for (const std::vector<double>* numbers :
       std::initializer_list<const std::vector<double>*>{&data.alpha, &data.beta, &alpha, &beta}) {
    if (numbers->empty() ||
        !std::all_of(numbers->begin(), numbers->end(), [](double v) { return std::isfinite(v); })) {
      file.Fail("its grid is empty or not finite");
    }
  }
  for (std::size_t i = 0; i < cells; ++i) {
    SweepCell& cell = result.cells.emplace_back();
    cell.shots = data.shots[i / seeds];
    cell.seed = data.seeds[i % seeds];
    cell.alpha = alpha[i];
    cell.beta = beta[i];
    cell.tuned = {tuned1[i], tuned5[i]};
    cell.test = {test1[i], test5[i]};
    TakeExact(data, i / seeds, i % seeds, cell);
  }
  return data;
}

}  // namespace

SweepData ReadSweepData(const std::filesystem::path& path) {
  const H5Reader file(path);
  SweepData data = ReadCells(file);
  const Shape by_point{data.shots.size(), data.seeds.size(), data.beta.size(), data.alpha.size()};
  data.top1 = Table(file, "top1", &H5Reader::Int64s, by_point);
  data.top5 = Table(file, "top5", &H5Reader::Int64s, by_point);
  CheckCounts(file, data.top1, data.top5, data.result.tune_samples, "top1");
  return data;
}

SweepResult ReadSweepFile(const std::filesystem::path& path) {
  return ReadCells(H5Reader(path)).result;
}

}  // namespace clipsweep
