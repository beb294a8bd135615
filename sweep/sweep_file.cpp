#include "sweep/sweep_file.h"

#include <fmt/core.h>

#include <algorithm>

#include "common/error.h"

namespace clipsweep {

void WriteSweepFile(const std::filesystem::path& path, const SweepData& data) {
  const auto s = static_cast<hsize_t>(data.shots.size()),
             r = static_cast<hsize_t>(data.seeds.size());
  const auto b = static_cast<hsize_t>(data.beta.count), a = static_cast<hsize_t>(data.alpha.count);
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
  WriteHeader(file, kSweepFormat, data.made_from);
  file.Attribute("tuned_on", data.result.tuned_on);
  file.Attribute("samples", data.result.tune_samples);
  file.Attribute("test_samples", data.result.test_samples);
  file.Attribute("most_keys", data.result.most_keys);
  file.Attribute("zero_shot_top1", data.result.zero_shot.top1);
  file.Attribute("zero_shot_top5", data.result.zero_shot.top5);
  const std::vector<double> alphas = data.alpha.Values(), betas = data.beta.Values();
  file.Write("alpha", {a}, alphas);
  file.Write("beta", {b}, betas);
  file.Write("shots", {s}, data.shots);
  file.Write("seeds", {r}, data.seeds);
  file.Write("top1", {s, r, b, a}, data.top1);
  file.Write("top5", {s, r, b, a}, data.top5);
  file.Write("best_alpha", {s, r}, best_alpha);
  file.Write("best_beta", {s, r}, best_beta);
  file.Write("tuned_top1", {s, r}, tuned1);
  file.Write("tuned_top5", {s, r}, tuned5);
  file.Write("test_top1", {s, r}, test1);
  file.Write("test_top5", {s, r}, test5);
  file.Commit();
}

SweepResult ReadSweepFile(const std::filesystem::path& path) {
  const H5Reader file(path);
  CheckHeader(file, kSweepFormat);
  SweepResult result;
  result.tuned_on = file.TextAttribute("tuned_on");
  result.tune_samples = file.IntAttribute("samples");
  result.test_samples = file.IntAttribute("test_samples");
  result.zero_shot = {file.IntAttribute("zero_shot_top1"), file.IntAttribute("zero_shot_top5")};
  result.most_keys = file.IntAttribute("most_keys");
  result.made_from = ReadProvenance(file);
  for (const char* name : {"cache_sha256", "text_sha256", "classes_sha256", "tune_sha256"}) {
    if (result.made_from.count(name) == 0) file.Fail(fmt::format("has no made_from.{}", name));
  }
  result.sha256 = file.seal();
  const auto shots = file.Int64s("shots"), seeds = file.Int64s("seeds");
  const auto alpha = file.Doubles("best_alpha"), beta = file.Doubles("best_beta");
  const auto tuned1 = file.Int64s("tuned_top1"), tuned5 = file.Int64s("tuned_top5");
  const auto test1 = file.Int64s("test_top1"), test5 = file.Int64s("test_top5");
  const std::size_t cells = shots.size() * seeds.size();
  const auto counts = file.Shape("top1");
  if (counts.size() != 4 || counts != file.Shape("top5") || counts[0] != shots.size() ||
      counts[1] != seeds.size()) {
    file.Fail("'top1' and 'top5' must be [shots, seeds, beta, alpha]");
  }
  for (const std::size_t size :
       {alpha.size(), beta.size(), tuned1.size(), tuned5.size(), test1.size(), test5.size()}) {
    if (size != cells) file.Fail("its tables of best cells do not fit its shots and seeds");
  }
  result.points = static_cast<std::int64_t>(counts[2] * counts[3]);
  for (std::size_t i = 0; i < cells; ++i) {
    result.cells.push_back({shots[i / seeds.size()],
                            seeds[i % seeds.size()],
                            alpha[i],
                            beta[i],
                            {tuned1[i], tuned5[i]},
                            {test1[i], test5[i]}});
  }
  return result;
}

}  // namespace clipsweep
