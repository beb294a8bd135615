#include <fmt/core.h>

#include "common/comm/message.h"
#include "common/compute/tensors.h"
#include "common/compute/workers.h"
#include "common/disk/text_output.h"
#include "common/files/feature_file.h"
#include "common/files/made_alike.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "common/process/progress.h"
#include "extract/extract_job.h"
#include "extract/pipeline/picture_files.h"
#include "finetune/methods/classifier.h"
#include "launch/commands/all_commands.h"
#include "launch/options/path_options.h"
#include "launch/pages/markup.h"

namespace clipsweep {
namespace {

// Pictures go to ranks in ranges of this many, so that products have one shape on any number of
// ranks.
constexpr std::int64_t kRange = 256;

class PredictCommand final : public Command {
 public:
  std::string name() const override { return "predict"; }
  std::string summary() const override {
    return "classify new images, or stored features, with a classifier";
  }
  std::string example() const override {
    return "clipsweep predict --classifier classifier.h5 --model RN50.pt --images new_pictures "
           "--csv "
           "predictions.csv";
  }

  void AddOptions(boost::program_options::options_description& options) override {
    AddModelOptions(options, &model_, ModelNeed::kSometimes);
    AddPictureOptions(options, &model_);
    // clang-format off
    options.add_options()
        ("classifier", InputPath(&classifier_path_), "of fit, or an adapter of finetune")
        ("adapter", InputPath(&adapter_path_), "the same under its earlier name")
        ("images", InputPath(&images_)->multitoken(), "with --model: picture files, or folders, whose sub-folders are searched too")
        ("features", InputPath(&features_), "instead of --model and --images: features that are there")
        ("reject-below", Default(&reject_below_), "a picture whose likeliest class is less probable is marked as rejected; 0: none")
        ("top", Default(&top_), "classes given for each picture")
        ("on-bad-image", Default(&on_bad_), "fail, or skip and say so")
        ("csv", OutputPath(&csv_, TextOutputOf("table of predictions", "path,rank,class,probability")), "also write path, rank, class, probability as comma-separated values");
    // clang-format on
    AddAllowOptions(options, {AllowOption::kMixed}, &allowed_);
  }

  void Prepare(const CommonOptions&) override {
    if (top_ < 1) throw UsageError(fmt::format("--top: {} is not 1 or more", top_));
    if (on_bad_ != "fail" && on_bad_ != "skip") {
      throw UsageError(
          fmt::format("--on-bad-image: '{}' is not one of fail, skip", Printable(on_bad_)));
    }
    if (classifier_path_.empty() == adapter_path_.empty()) {
      throw UsageError("--classifier: missing, or given beside --adapter; name one classifier");
    }
    if (adapter_path_.empty()) adapter_path_ = classifier_path_;
    if (!(reject_below_ >= 0 && reject_below_ <= 1)) {
      throw UsageError(fmt::format("--reject-below: {} is not in 0..1", reject_below_));
    }
    const bool pictures = !images_.empty() || !model_.model.empty();
    if (features_.empty() ? images_.empty() || model_.model.empty() : pictures) {
      throw UsageError(
          "--model, --images, --features: give a model and images, or features that are there");
    }
  }

  CommandOutput Run(const CommandContext& context) override {
    return features_.empty() ? FromImages(context) : FromFeatures(context);
  }

 private:
  CommandOutput FromFeatures(const CommandContext& context) {
    Comm& comm = context.comm;
    CommandOutput output;
    Agree(comm, [&] {
      adapter_ = ReadClassifier(adapter_path_);
      const FeatureSet set = ReadFeatureFile(features_);
      if (set.width != adapter_.width) {
        throw InputError(fmt::format("{}: features are {} wide, the classifier {} takes {}",
                                     features_, set.width, adapter_path_, adapter_.width));
      }
      oddities_ = RecordedOddities(adapter_.made_from);
      oddities_.Add(RequireMadeAlike(
          {{"adapter", adapter_path_, adapter_.made_from}, {"features", set.path, set.made_from}},
          allowed_));
      if (!comm.is_root()) return;
      std::vector<float> rows = set.features;
      NormalizeRows(rows, set.width);
      found_.paths.assign(set.paths.begin(), set.paths.end());
      answers_.resize(set.paths.size());
      reasons_.resize(set.paths.size());
      ClassifyRows(rows, context.compute);
      output = Report();
    });
    NoteOddities(context, oddities_, output);
    NoteSkipped(context, {features_}, output);
    return output;
  }

  // rows [N, D] unit.
  void ClassifyRows(const std::vector<float>& rows, const Compute& compute) {
    const std::unique_ptr<Classifier> classifier = MakeClassifier(adapter_path_, adapter_);
    const auto count = static_cast<std::int64_t>(answers_.size());
    WorkerPool(compute.workers).Run((count + kRange - 1) / kRange, [&](std::int64_t range, int) {
      const std::int64_t first = range * kRange, size = std::min(kRange, count - first);
      const at::Tensor features =
          at::from_blob(const_cast<float*>(rows.data()) + first * adapter_.width,
                        {size, adapter_.width}, at::kFloat);
      const auto found = TopClasses(classifier->Logits(features), top_);
      std::copy(found.begin(), found.end(), answers_.begin() + first);
    });
  }

  CommandOutput FromImages(const CommandContext& context) {
    Comm& comm = context.comm;
    std::vector<ShardRange> mine;
    Agree(comm, [&] {
      found_ = FindPictures({images_.begin(), images_.end()}, /*deep=*/true);
      Open(context.compute);
      const auto count = static_cast<std::int64_t>(paths_.size());
      for (const std::int64_t item : ItemsOfRank((count + kRange - 1) / kRange, comm)) {
        mine.push_back({item, item * kRange, std::min(kRange, count - item * kRange)});
      }
      answers_.resize(paths_.size());
      reasons_.resize(paths_.size());
    });
    RequireSameOnAllRanks(
        comm, {{"pictures", std::to_string(paths_.size())}, {"adapter_sha256", adapter_.seal}});
    Agree(comm, [&] { Classify(mine, context.compute, comm); });
    Collect(mine, comm);
    comm.SumInt64(image_warnings_);
    CommandOutput output;
    Agree(comm, [&] {
      if (comm.is_root()) output = Report();
    });
    NoteOddities(context, oddities_, output);
    return output;
  }

  void Open(const Compute& compute) {
    adapter_ = ReadClassifier(adapter_path_);
    const auto checkpoint = OpenCheckpoint(model_);
    config_ = checkpoint->config();
    const Provenance making = MakingOf(*checkpoint, model_);
    const auto trained = adapter_.made_from.find("model_sha256");
    const bool other =
        trained != adapter_.made_from.end() && trained->second != making.at("model_sha256");
    if (config_.embed_dim != adapter_.width || (other && !allowed_.mixed)) {
      throw InputError(
          fmt::format("{}: was trained on features of another model than {}; give that one",
                      adapter_path_, checkpoint->path().string()));
    }
    oddities_ = RecordedOddities(adapter_.made_from);
    oddities_.Add(RequireMadeAlike(
        {{"adapter", adapter_path_, adapter_.made_from}, {"model", checkpoint->path(), making}},
        allowed_));
    encoder_ = MakeImageEncoder(*checkpoint, MakeEncoderOptions(model_, compute));
  }

  void Classify(const std::vector<ShardRange>& mine, const Compute& compute, const Comm& comm) {
    const std::unique_ptr<Classifier> classifier = MakeClassifier(adapter_path_, adapter_);
    std::int64_t all = 0;
    for (const ShardRange& range : mine) all += range.count;
    Progress progress("predict", "images", all, comm.is_root());
    image_warnings_ = EncodePictures(
        *encoder_, config_, paths_, mine, on_bad_ == "skip", model_.decode, compute,
        [&](const ShardRange& range, const at::Tensor& features, const auto& reasons) {
          const auto rows = TopClasses(classifier->Logits(features), top_);
          for (std::size_t i = 0; i < rows.size(); ++i) {
            const auto at = static_cast<std::size_t>(range.first) + i;
            reasons_[at] = reasons[i];
            if (reasons[i].empty()) answers_[at] = rows[i];
          }
        },
        [&](std::int64_t done) { progress.Update(done); });
  }

  // Rank 0 gets what the others found.
  void Collect(const std::vector<ShardRange>& mine, Comm& comm) {
    Message message;
    for (const ShardRange& range : mine) {
      for (std::int64_t i = range.first; i < range.first + range.count; ++i) {
        message.Put(i);
        message.PutAll(std::span<const Prediction>(answers_[static_cast<std::size_t>(i)]));
        message.PutText(reasons_[static_cast<std::size_t>(i)]);
      }
    }
    for (const std::string& from_rank : GatherMessages(comm, message)) {
      for (MessageReader reader(from_rank); !reader.done();) {
        const auto i = static_cast<std::size_t>(reader.Take<std::int64_t>());
        answers_.at(i) = reader.TakeAll<Prediction>();
        reasons_.at(i) = reader.TakeText();
      }
    }
  }

  CommandOutput Report() const {
    CommandOutput output;
    Json predictions = Json::array(), skipped = Json::array();
    std::int64_t rejected = 0;
    std::string csv = "path,rank,class,probability\n";
    for (std::size_t i = 0; i < paths_.size(); ++i) {
      const std::string path = paths_[i].string();
      if (!reasons_[i].empty()) {
        output.text += fmt::format("{}: left out: {}\n", Printable(path), Printable(reasons_[i]));
        skipped.push_back({{"path", path}, {"reason", reasons_[i]}});
        continue;
      }
      const bool is_rejected = answers_[i].front().probability < reject_below_;
      rejected += is_rejected ? 1 : 0;
      Json top = Json::array();
      for (std::size_t r = 0; r < answers_[i].size(); ++r) {
        const Prediction& p = answers_[i][r];
        const std::string& name = adapter_.classes[static_cast<std::size_t>(p.class_index)];
        top.push_back({{"class", name}, {"probability", p.probability}});
        csv += fmt::format("{},{},{},{:.6f}\n", CsvCell(path), r + 1, CsvCell(name), p.probability);
        output.text += fmt::format("{}{} {:.2f} %", r == 0 ? Printable(path) + ": " : ", ",
                                   Printable(name), 100 * p.probability);
      }
      output.text += is_rejected ? " (rejected)\n" : "\n";
      predictions.push_back({{"path", path}, {"top", top}});
      if (reject_below_ > 0) predictions.back()["rejected"] = is_rejected;
    }
    if (!csv_.empty()) WriteTextOutput(csv_, csv);
    output.json = {{"adapter", adapter_path_},
                   {"tuned_on", TunedOnName(adapter_.tuned_on)},
                   {"predictions", predictions},
                   {"skipped", skipped},
                   {"image_warnings", NotesJson(image_warnings_)}};
    if (reject_below_ > 0) output.json["rejected"] = rejected;
    NoteLeftOut(found_.left_out, output);
    return output;
  }

  ModelOptions model_;
  std::string adapter_path_, classifier_path_, features_, on_bad_ = "fail", csv_;
  double reject_below_ = 0;
  std::vector<std::string> images_;
  std::int64_t top_ = 5;
  Allowed allowed_;
  Oddities oddities_;

  ClassifierData adapter_;
  ModelConfig config_;
  std::unique_ptr<ImageEncoder> encoder_;
  FoundPictures found_;
  const std::vector<std::filesystem::path>& paths_ = found_.paths;
  std::vector<std::vector<Prediction>> answers_;  // of each picture; empty where left out
  std::vector<std::string> reasons_;
  NoteCounts image_warnings_{};
};

}  // namespace

std::unique_ptr<Command> MakePredictCommand() { return std::make_unique<PredictCommand>(); }

}  // namespace clipsweep
