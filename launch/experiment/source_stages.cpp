// The stages that make features and text: from images and a model, or, where they are there, none
// but the part of train that is held out.
#include <fmt/core.h>

#include "common/files/feature_file.h"
#include "common/files/shared_pictures.h"
#include "common/files/text_file.h"
#include "common/process/error.h"
#include "extract/extract_job.h"
#include "extract/output_check.h"
#include "extract/text_job.h"
#include "launch/experiment/hold_out.h"
#include "launch/experiment/stage_table.h"
#include "launch/experiment/stored_features.h"

namespace clipsweep {
namespace {

// Features that were extracted into the run folder, which cost hours, or what cannot be read.
bool HoldsExtraction(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return false;
  try {
    return !ReadProvenance(H5Reader(path)).contains(kHeldOutOf);
  } catch (const Error&) {
    return true;
  }
}

}  // namespace

void StageTable::AddSources() {
  if (!config_.has_features()) {
    AddExtract("train", data_.train);
    if (!config_.tune_on_test()) AddExtract("val", data_.val);
    AddExtract("test", data_.test);
    for (const std::string& spec : AllTemplates()) AddText(spec);
  } else if (HoldsOut(config_)) {
    AddHoldOut("train", HoldOutPart::kKeys);
    AddHoldOut("val", HoldOutPart::kVal);
  }
}

std::string StageTable::SplitStage(const std::string& split) const {
  return (config_.has_features() ? "hold out " : "extract ") + split;
}

void StageTable::AddHoldOut(const std::string& split, HoldOutPart part) {
  HoldOutJob job{config_, config_.features_from / "train.h5", File(split + ".h5"), part};
  Stage stage;
  stage.name = SplitStage(split);
  stage.unit = "images";
  stage.out = job.out;
  stage.format = kFeatureFormat;
  job.if_present = Derived(IsFresh(stage.name, stage.out, {}));
  if (job.if_present != IfPresent::kRecompute && HoldsExtraction(job.out)) {
    job.if_present = IfPresent::kReuse;
  }
  stage.if_present = job.if_present;
  stage.made_from = [job] { return HoldOutProvenance(job); };
  stage.run = [at = at_, job](Comm& comm) {
    const bool reused = RunHoldOut(job, comm);
    Agree(comm, [&] {
      at.result.duplicates[job.out.filename().string()] = FindDuplicates(H5Reader(job.out));
    });
    return reused;
  };
  stages_.push_back(std::move(stage));
}

void StageTable::AddExtract(const std::string& split, const ExperimentData::Split& source) {
  ExtractConfig job;
  job.model = config_.model;
  job.images = source.images;
  job.list = source.list;
  job.classnames = data_.classnames;
  job.out = File(split + ".h5");
  static_cast<ExtractSettings&>(job) = config_.extract;
  if (split != "train") job.views = 1;
  job.seed = static_cast<std::uint64_t>(config_.seed);
  Stage stage;
  stage.name = "extract " + split;
  stage.unit = "images";
  stage.out = job.out;
  stage.format = kFeatureFormat;
  if (IsFresh(stage.name, stage.out, {})) job.if_present = IfPresent::kRecompute;
  stage.if_present = job.if_present;
  stage.difference = [at = at_, job] { return ExtractDifference(job, at.compute); };
  stage.run = [at = at_, job, split](Comm& comm) {
    const ExtractResult done = RunExtract(job, at.compute, comm);
    at.result.classes = done.classes;
    at.result.duplicates[job.out.filename().string()] = done.duplicates;
    if (job.list.empty()) at.result.left_out[split] = done.left_out;
    return done.reused_output;
  };
  stages_.push_back(std::move(stage));
}

void StageTable::AddText(const std::string& spec) {
  TextConfig job;
  job.model = config_.model;
  job.classnames = data_.classnames;
  job.templates = spec;
  job.out = TextFile(spec);
  Stage stage;
  stage.name = TextStage(spec);
  stage.unit = "classes";
  stage.out = job.out;
  stage.format = kTextFormat;
  job.if_present = Derived(IsFresh(stage.name, stage.out, {}));
  stage.if_present = job.if_present;
  stage.made_from = [at = at_, job] { return TextProvenance(job, at.compute); };
  stage.run = [at = at_, job](Comm& comm) { return RunText(job, at.compute, comm).reused_output; };
  stages_.push_back(std::move(stage));
}

}  // namespace clipsweep
