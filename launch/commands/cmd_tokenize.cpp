#include <fmt/core.h>
#include <fmt/ranges.h>

#include "common/disk/text_input.h"
#include "common/process/error.h"
#include "extract/text/tokenizer.h"
#include "launch/commands/all_commands.h"
#include "launch/options/path_options.h"

namespace clipsweep {
namespace {

class TokenizeCommand final : public Command {
 public:
  std::string name() const override { return "tokenize"; }
  std::string summary() const override { return "text -> CLIP token numbers"; }
  std::string example() const override { return "clipsweep tokenize 'Hello World!'"; }
  std::string positional() const override { return "words"; }
  bool shares_work() const override { return false; }

  void AddOptions(boost::program_options::options_description& options) override {
    // clang-format off
    options.add_options()
        ("words", Optional(&texts_), "texts, one argument each")
        ("file", InputPath(&file_), "texts, one a line")
        ("padded", Optional(&padded_), "as an encoder with this context length gets them: padded with 0, or cut");
    // clang-format on
  }

  void Prepare(const CommonOptions&) override {
    if (texts_.empty() == file_.empty()) {
      throw UsageError("tokenize: give texts, or --file with one a line");
    }
    if (padded_ != 0 && (padded_ < 3 || padded_ > 100'000)) {
      throw UsageError(fmt::format("--padded: {} is not in 3..100000", padded_));
    }
  }

  CommandOutput Run(const CommandContext& context) override {
    CommandOutput output;
    Agree(context.comm, [&] {
      if (context.comm.is_root()) output = Tokens();
    });
    return output;
  }

 private:
  CommandOutput Tokens() {
    CommandOutput output;
    if (!file_.empty()) {
      for (TextLine& line : SplitLines(file_, ReadTextInput(file_))) {
        texts_.push_back(std::move(line.text));
      }
    }
    const Tokenizer tokenizer;
    output.json["tokens"] = Json::array();
    for (const std::string& text : texts_) {
      std::vector<std::int32_t> tokens;
      if (padded_ > 0) {
        tokens = tokenizer.EncodePadded(text, padded_);
      } else {
        tokens = tokenizer.Encode(text);
        tokens.insert(tokens.begin(), tokenizer.start_token());
        tokens.push_back(tokenizer.end_token());
      }
      output.text += fmt::format("{}\n", fmt::join(tokens, " "));
      output.json["tokens"].push_back(tokens);
    }
    return output;
  }

  std::vector<std::string> texts_;
  std::string file_;
  std::int64_t padded_ = 0;
};

}  // namespace

std::unique_ptr<Command> MakeTokenizeCommand() { return std::make_unique<TokenizeCommand>(); }

}  // namespace clipsweep
