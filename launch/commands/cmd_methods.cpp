#include <fmt/core.h>

#include "finetune/methods/all_methods.h"
#include "launch/commands/all_commands.h"

namespace clipsweep {
namespace {

Json SettingJson(const Setting& setting) {
  Json json = {{"name", setting.name}, {"default", setting.value_text}, {"help", setting.help}};
  if (setting.words.empty()) {
    json["low"] = setting.low;
    json["high"] = setting.high;
    json["whole"] = setting.whole;
  } else {
    json["words"] = setting.words;
  }
  if (!setting.grid.empty()) json["grid"] = setting.grid;
  return json;
}

class MethodsCommand final : public Command {
 public:
  std::string name() const override { return "methods"; }
  std::string summary() const override {
    return "the table of few-shot methods and their settings";
  }
  std::string example() const override { return "clipsweep methods tip-adapter"; }
  bool shares_work() const override { return false; }
  std::string positional() const override { return "method"; }

  void AddOptions(boost::program_options::options_description& options) override {
    // clang-format off
    options.add_options()
        ("method", boost::program_options::value(&names_)->multitoken(), "these alone, with every setting");
    // clang-format on
  }

  CommandOutput Run(const CommandContext&) override {
    std::vector<const Method*> shown;
    for (const std::string& name : names_) shown.push_back(&FindMethod(name, "--method"));
    if (names_.empty()) {
      for (const auto& method : AllMethods()) shown.push_back(method.get());
    }
    CommandOutput output;
    Json rows = Json::array();
    for (const Method* method : shown) {
      const MethodInfo info = method->Info();
      output.text += fmt::format("{:<15} {}\n", info.name, info.about);
      Json settings = Json::array();
      for (const Setting& setting : info.settings) {
        settings.push_back(SettingJson(setting));
        if (names_.empty()) continue;
        output.text += fmt::format("  {:<13} {} (default {})\n", setting.name, setting.help,
                                   setting.value_text);
      }
      if (!names_.empty()) {
        output.text += fmt::format("  tuned:        {}\n  source:       {}\n",
                                   info.tuned.empty() ? "nothing" : info.tuned, info.paper);
      }
      rows.push_back({{"name", info.name},
                      {"title", info.title},
                      {"about", info.about},
                      {"paper", info.paper},
                      {"tuned", info.tuned},
                      {"trains", info.trains},
                      {"settings", settings}});
    }
    if (names_.empty()) output.text += "\nSettings of one: clipsweep methods NAME\n";
    output.json["methods"] = rows;
    return output;
  }

 private:
  std::vector<std::string> names_;
};

}  // namespace

std::unique_ptr<Command> MakeMethodsCommand() { return std::make_unique<MethodsCommand>(); }

}  // namespace clipsweep
