// The table that dispatch, help and tests iterate over, in the order of a typical run. A new
// command is a file cmd_NAME.cpp and a line here and in the source file.
#pragma once

#include <memory>
#include <vector>

#include "launch/options/command.h"

namespace clipsweep {

std::vector<std::unique_ptr<Command>> AllCommands();

std::unique_ptr<Command> MakeExtractCommand();
std::unique_ptr<Command> MakeTextCommand();
std::unique_ptr<Command> MakeZeroshotCommand();
std::unique_ptr<Command> MakeTipCommand();
std::unique_ptr<Command> MakeSweepCommand();
std::unique_ptr<Command> MakeFinetuneCommand();
std::unique_ptr<Command> MakeMethodsCommand();
std::unique_ptr<Command> MakeFitCommand();
std::unique_ptr<Command> MakeEvaluateCommand();
std::unique_ptr<Command> MakePredictCommand();
std::unique_ptr<Command> MakeSimilarityCommand();
std::unique_ptr<Command> MakeExperimentCommand();
std::unique_ptr<Command> MakeReportCommand();
std::unique_ptr<Command> MakeNightlyCommand();
std::unique_ptr<Command> MakeImportCommand();
std::unique_ptr<Command> MakeExportCommand();
std::unique_ptr<Command> MakeVerifyCommand();
std::unique_ptr<Command> MakeInspectCommand();
std::unique_ptr<Command> MakeTokenizeCommand();

}  // namespace clipsweep
