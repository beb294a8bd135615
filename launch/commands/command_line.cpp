#include "launch/commands/command_line.h"

#include <fmt/core.h>

#include <algorithm>
#include <sstream>
#include <utility>

#include "common/files/provenance.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "launch/commands/all_commands.h"
#include "launch/options/config_file.h"
#include "launch/options/home_folder.h"

namespace clipsweep {
namespace {

namespace po = boost::program_options;

std::string Overview() {
  std::string text =
      "clipsweep: CLIP features at scale, Tip-Adapter sweeps and fine-tuning over MPI ranks\n\n"
      "usage: clipsweep COMMAND [options]        clipsweep COMMAND --help\n\n";
  for (const auto& command : AllCommands()) {
    text += fmt::format("  {:<12} {}\n", command->name(), command->summary());
  }
  return text + "\nEach command also runs under mpirun -np N.\n";
}

void AddCommon(po::options_description& options, CommonOptions& common) {
  // clang-format off
  options.add_options()
      ("config", InputPath(&common.config), "read options from this file, as lines of name = value")
      ("json", OutputPath(&common.json, JsonOutput()), "write the result to this file as JSON; - for standard output")
      ("device", Default(&common.device), "auto, cpu or cuda")
      ("comm", Default(&common.comm), "collectives: auto, mpi or nccl (one GPU per rank)")
      ("threads", Default(&common.threads), "CPU worker threads of each rank; 0: its share of the cores")
      ("seed", Default(&common.seed), "of the order of samples in training")
      ("stall-timeout", Default(&common.stall_timeout), "end the job when a rank is silent or does not get on for so many seconds; 0: never")
      ("log-level", Default(&common.log_level), "debug, info, warning, error or off")
      ("quiet", Switch(&common.quiet), "no progress, only warnings and errors")
      ("help,h", "print this");
  // clang-format on
}

// Boost's wording, made to name the option and say what to do.
std::string OptionProblem(const std::string& command, const std::exception& error,
                          const po::options_description& options) {
  if (const auto* unknown = dynamic_cast<const po::unknown_option*>(&error)) {
    // "--shost" on a command line, "shost" in a file.
    const std::string given = unknown->get_option_name();
    const std::size_t dashes = std::min(given.find_first_not_of('-'), given.size());
    const std::string name = given.substr(dashes);
    return fmt::format("{}: '{}' is not an option; did you mean '{}{}'? See clipsweep {} --help",
                       command, Printable(given), given.substr(0, dashes),
                       NearestOption(name, options), command);
  }
  return fmt::format("{}: {}; see clipsweep {} --help", command, error.what(), command);
}

}  // namespace

CommandLine ParseCommandLine(int argc, char** argv) {
  CommandLine parsed;
  const std::string name = argc > 1 ? argv[1] : "";
  if (name.empty() || name == "--help" || name == "-h" || name == "help") {
    if (name.empty()) throw UsageError("no command; see clipsweep --help");
    parsed.help = Overview();
    return parsed;
  }
  if (name == "--version") {
    parsed.help = fmt::format("clipsweep {}\n", kVersion);
    return parsed;
  }
  for (auto& command : AllCommands()) {
    if (command->name() == name) parsed.command = std::move(command);
  }
  if (!parsed.command) {
    throw UsageError(fmt::format("'{}' is not a command; see clipsweep --help", Printable(name)));
  }
  po::options_description own("options", 100), common("common options", 100), all;
  parsed.command->AddOptions(own);
  AddCommon(common, parsed.common);
  all.add(own).add(common);
  po::positional_options_description words;
  const std::string positional = parsed.command->positional();
  if (!positional.empty()) words.add(positional.c_str(), -1);
  try {
    po::variables_map values;
    auto on_line = po::command_line_parser(argc - 1, argv + 1).options(all).positional(words).run();
    ExpandHome(on_line, parsed.given);
    po::store(on_line, values);
    if (values.count("help") > 0) {
      std::ostringstream text;
      text << "clipsweep " << name << ": " << parsed.command->summary() << "\n\n"
           << own << "\n"
           << common << "\nPaths start from the current folder, also those in a configuration; "
           << "~/ is the home folder.\n\nexample:\n  " << parsed.command->example() << "\n";
      parsed.help = text.str();
      return parsed;
    }
    if (values.count("config") > 0) {
      const std::string path = values["config"].as<std::string>();
      try {
        ReadConfig(path, all, values, parsed.given);
      } catch (const po::error& error) {
        throw UsageError(Printable(path) + ": " + OptionProblem(name, error, all));
      }
    }
    po::notify(values);
    for (const auto& [option, value] : values) {
      if (!value.defaulted()) parsed.common.given.insert(option);
    }
    parsed.paths = PathsOf(all, values);
    for (PathUse& use : parsed.command->MoreOutputs()) parsed.paths.push_back(std::move(use));
  } catch (const po::error& error) {
    throw UsageError(OptionProblem(name, error, all));
  }
  return parsed;
}

}  // namespace clipsweep
