// What a command is to main.cpp: a name, options bound to a config struct, and a run.
#pragma once

#include <boost/optional.hpp>
#include <boost/program_options.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "common/comm/comm.h"
#include "common/compute/device.h"
#include "common/data/left_out.h"
#include "common/files/oddities.h"
#include "common/files/tuned_on.h"
#include "common/process/error.h"
#include "extract/models/model_options.h"
#include "extract/pipeline/image_notes.h"
#include "launch/options/path_options.h"

namespace clipsweep {

using Json = nlohmann::ordered_json;

// Options every command has.
struct CommonOptions {
  std::string device = "auto";
  std::string comm = "auto";
  int threads = 0;  // 0: the machine's cores divided by the ranks on it
  std::int64_t seed = 1;
  double stall_timeout = 1800;  // seconds; 0: ranks that hang are waited for
  std::string config;           // file of options
  std::string json;             // file for the machine-readable result
  std::string log_level = "info";
  bool quiet = false;
  std::set<std::string> given;  // options that are not left at their defaults, without dashes
};

struct CommandContext {
  const CommonOptions& common;
  Compute compute;
  Comm& comm;
};

// What rank 0 prints on stdout and writes to --json.
struct CommandOutput {
  std::string text;
  Json json = Json::object();
  ExitCode code = ExitCode::kDone;  // the same on every rank
  std::string error;                // one line for stderr that goes with it; rank 0
};

class Command {
 public:
  virtual ~Command() = default;
  virtual std::string name() const = 0;
  virtual std::string summary() const = 0;  // one line
  virtual std::string example() const = 0;  // a command line that works
  virtual void AddOptions(boost::program_options::options_description& options) = 0;
  // Whether several ranks divide its work; if not, it is rank 0's alone.
  virtual bool shares_work() const { return true; }
  // Name of an option that takes the words without an option, "" for none.
  virtual std::string positional() const { return ""; }
  // Files that are written besides those that options name, once options have their values.
  virtual std::vector<PathUse> MoreOutputs() const { return {}; }
  // Turns option texts into the stage's configuration; throws UsageError or InputError on any rank
  // alike.
  virtual void Prepare(const CommonOptions&) {}
  virtual CommandOutput Run(const CommandContext& context) = 0;
};

// A required option with its name in the error.
template <typename T>
boost::program_options::typed_value<T>* Required(T* target) {
  return boost::program_options::value<T>(target)->required();
}
template <typename T>
boost::program_options::typed_value<T>* Optional(T* target) {
  return boost::program_options::value<T>(target);
}
// With the struct's own value as the default that --help shows.
template <typename T>
boost::program_options::typed_value<T>* Default(T* target) {
  return boost::program_options::value<T>(target)->default_value(*target);
}
inline boost::program_options::typed_value<bool>* Switch(bool* target) {
  return boost::program_options::bool_switch(target);
}

// --model, --activation, --precision, --trust-checkpoint. `need`: of a command that can do without,
// which then says itself when it cannot.
enum class ModelNeed { kAlways, kSometimes };
void AddModelOptions(boost::program_options::options_description& options, ModelOptions* target,
                     ModelNeed need = ModelNeed::kAlways);

// --max-pixels, for commands that read pictures.
void AddPictureOptions(boost::program_options::options_description& options, ModelOptions* target);

// --on-bad-image and --max-bad.
struct BadImageOptions {
  std::string on_bad = "fail";
  boost::optional<std::int64_t> max_bad;

  void Add(boost::program_options::options_description& options);
  bool skip() const;          // throws UsageError for another word than fail or skip
  std::int64_t most() const;  // -1: any number; throws UsageError
};

// --allow-mixed, --allow-overlap and --match-by-position, those that a command has use for.
enum class AllowOption { kMixed, kOverlap, kByPosition };
void AddAllowOptions(boost::program_options::options_description& options,
                     const std::vector<AllowOption>& which, Allowed* target);

// To a result: what is odd about the files it stands on and was allowed. On rank 0.
void NoteOddities(const CommandContext& context, const Oddities& oddities, CommandOutput& output);
// {"mixed_inputs": [..], "shared_pictures": [..], "matched_by_position": [..],
// "provenance_unknown": [..]}: sentences.
Json OdditiesJson(const Oddities& oddities);
// A line for each kind there is.
std::string OdditiesText(const Oddities& oddities);

// To a result: which of the feature files it stands on lack images that could not be read. On rank
// 0; the files have been checked already.
void NoteSkipped(const CommandContext& context, const std::vector<std::string>& feature_files,
                 CommandOutput& output);

// To a result: what lay in the image folders and was not read, as lines and as `skipped_files`,
// `hidden_entries` and `files_beside_classes` (kind -> how many).
void NoteLeftOut(const LeftOut& left_out, CommandOutput& output);

// "817 of 1000 classes have no image"
std::string ClassesWithoutImagesText(std::int64_t without, std::int64_t classes);

// To a result: how many of the classes that are told apart have no image in each of the feature
// files, as `classes_without_images` (file -> how many). `classes_of`: the cache or adapter whose
// classes those are; "": each file's own. On rank 0; the files have been checked already.
void NoteClassesWithoutImages(const CommandContext& context, const std::string& classes_of,
                              const std::vector<std::string>& feature_files, CommandOutput& output);

// {"large": 1}: the kinds of notes that some pictures have.
Json NotesJson(const NoteCounts& counts);
// {"samples", "top1", "top5", "top1_accuracy", "top5_accuracy"}: counts, and fractions of 1.
Json CountsJson(std::int64_t samples, std::int64_t top1, std::int64_t top5);
// "top-1 801 of 854 = 93.79 %, top-5 849 = 99.41 %"
std::string CountsText(std::int64_t samples, std::int64_t top1, std::int64_t top5);
// " (tuned on test)", " (tuned on val)" or "".
std::string TunedLabel(TunedOn tuned_on);

}  // namespace clipsweep
