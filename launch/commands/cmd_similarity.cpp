#include <fmt/core.h>

#include <algorithm>

#include "common/disk/text_output.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "extract/similarity.h"
#include "launch/commands/all_commands.h"
#include "launch/options/path_options.h"
#include "launch/pages/similarity_page.h"

namespace clipsweep {
namespace {

class SimilarityCommand final : public Command {
 public:
  std::string name() const override { return "similarity"; }
  std::string summary() const override {
    return "a few pictures x a few texts -> their cosines as a page";
  }
  std::string example() const override {
    return "clipsweep similarity --model RN50 --images pictures --texts texts.txt --out "
           "similarity.html";
  }

  void AddOptions(boost::program_options::options_description& options) override {
    AddModelOptions(options, &config_.model);
    AddPictureOptions(options, &config_.model);
    // clang-format off
    options.add_options()
        ("images", InputPath(&images_)->required()->multitoken(), "picture files, or folders of them; at most 64")
        ("texts", InputPath(&texts_)->required(), "file with one text a line; at most 64")
        ("template", Default(&config_.text_template), "put around each text, as 'a photo of a {}.'")
        ("out", OutputPath(&out_, PageOutput())->required(), "HTML page to write")
        ("csv", OutputPath(&csv_, TextOutputOf("table of similarities", "\"text\"")), "also write the matrix as comma-separated values");
    // clang-format on
  }

  void Prepare(const CommonOptions&) override {
    if (config_.text_template.find("{}") == std::string::npos) {
      throw UsageError("--template: has no {} for the text; try 'a photo of a {}.'");
    }
    config_.images.assign(images_.begin(), images_.end());
    config_.texts = texts_;
  }

  CommandOutput Run(const CommandContext& context) override {
    CommandOutput output;
    Agree(context.comm, [&] {
      if (context.comm.is_root()) output = Compute(context);
    });
    return output;
  }

 private:
  CommandOutput Compute(const CommandContext& context) const {
    const Similarity similarity = ComputeSimilarity(config_, context.compute);
    WriteTextOutput(out_, SimilarityPage(similarity));
    if (!csv_.empty()) WriteTextOutput(csv_, SimilarityCsv(similarity));
    CommandOutput output;
    output.json = {{"out", out_},
                   {"model", similarity.model},
                   {"image_warnings", NotesJson(similarity.image_warnings)}};
    output.json["images"] = Json::array();
    for (std::size_t i = 0; i < similarity.images.size(); ++i) {
      std::size_t best = 0;
      for (std::size_t t = 1; t < similarity.texts.size(); ++t) {
        if (similarity.cosines[t][i] > similarity.cosines[best][i]) best = t;
      }
      const std::string image = similarity.images[i].string();
      output.text += fmt::format("{}: {} ({:.4f})\n", Printable(image),
                                 Printable(similarity.texts[best]), similarity.cosines[best][i]);
      output.json["images"].push_back({{"image", image}, {"best_text", similarity.texts[best]}});
    }
    NoteLeftOut(similarity.left_out, output);
    output.text += fmt::format("page: {}\n", out_);
    output.json["texts"] = similarity.texts;
    output.json["cosines"] = similarity.cosines;
    output.json["probabilities"] = similarity.probabilities;
    return output;
  }

  SimilarityConfig config_;
  std::vector<std::string> images_;
  std::string texts_, out_, csv_;
};

}  // namespace

std::unique_ptr<Command> MakeSimilarityCommand() { return std::make_unique<SimilarityCommand>(); }

}  // namespace clipsweep
