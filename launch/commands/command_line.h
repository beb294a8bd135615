// A command line and its configuration, as the command that is to run with its options set.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "launch/options/command.h"
#include "launch/options/path_options.h"

namespace clipsweep {

struct CommandLine {
  std::unique_ptr<Command> command;
  CommonOptions common;
  std::vector<PathUse> paths;
  std::string help;                // not empty: print and leave
  std::vector<std::string> given;  // values of options, as paths to look for when one is missing
};

// Throws UsageError, also for what Boost says, and InputError for a configuration that cannot be
// read.
CommandLine ParseCommandLine(int argc, char** argv);

}  // namespace clipsweep
