#include "launch/commands/all_commands.h"

namespace clipsweep {

std::vector<std::unique_ptr<Command>> AllCommands() {
  std::vector<std::unique_ptr<Command>> commands;
  for (const auto make :
       {MakeExtractCommand, MakeTextCommand, MakeZeroshotCommand, MakeTipCommand, MakeSweepCommand,
        MakeFinetuneCommand, MakeMethodsCommand, MakeFitCommand, MakeEvaluateCommand,
        MakePredictCommand, MakeSimilarityCommand, MakeExperimentCommand, MakeReportCommand,
        MakeNightlyCommand, MakeImportCommand, MakeExportCommand, MakeVerifyCommand,
        MakeInspectCommand, MakeTokenizeCommand}) {
    commands.push_back(make());
  }
  return commands;
}

}  // namespace clipsweep
