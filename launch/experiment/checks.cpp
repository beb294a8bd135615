#include "launch/experiment/checks.h"

#include <fmt/core.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/data/class_names.h"
#include "common/data/image_list.h"
#include "common/disk/descriptor.h"
#include "common/process/error.h"
#include "common/process/liveness.h"
#include "common/process/log.h"
#include "extract/images/augment.h"
#include "extract/images/image_decode.h"
#include "extract/models/clip_text.h"
#include "extract/models/encoder_models.h"
#include "finetune/finetune_plan.h"
#include "sweep/sweep_plan.h"

namespace clipsweep {

namespace fs = std::filesystem;

void CheckExperiment(const ExperimentConfig& config, Comm& comm) {
  Agree(comm, [&] {
    ReadGrid(config.sweep);
    CheckTrainSettings(config.training);
    const Select of_tune = config.tune_on_test() ? Select::kTest : Select::kVal;
    if (config.training.select != Select::kLast && config.training.select != of_tune) {
      throw UsageError(
          fmt::format("--select {0}: chooses the epoch on other images than --tune "
                      "does; give --tune {0} too",
                      SelectName(config.training.select)));
    }
    if (config.has_features()) return;
    CheckExtractSettings(config.extract);
    ReadTemplates(config.templates);
    for (const std::string& spec : config.compare_templates) {
      try {
        ReadTemplates(spec);
      } catch (const Error& error) {
        throw Error(error.code(), std::string("--compare-templates: ") + error.what());
      }
    }
    if (config.classnames.empty()) return;
    const ClassNames names = ReadClassNames(config.classnames);
    if (comm.is_root()) WarnOfSharedNames(config.classnames, names);
  });
}

std::shared_ptr<const Checkpoint> CheckModel(const ExperimentConfig& config,
                                             const Compute& compute) {
  std::shared_ptr<const Checkpoint> checkpoint = OpenCheckpoint(config.model);
  const EncoderOptions options = MakeEncoderOptions(config.model, compute);
  const auto is_there = [&](const char* name) { return fs::exists(config.run / name); };
  const bool encoded = is_there("train.h5") && is_there("test.h5") && is_there("text.h5");
  if (config.fresh.everything || !config.fresh.names.empty() || !encoded) {
    MakeImageEncoder(*checkpoint, options);
    const ClipText text(*checkpoint, options);
  }
  return checkpoint;
}

void CheckPictures(const ExperimentConfig& config, const fs::path& images, const fs::path& list) {
  const ImageList pictures = ReadImageList(images, list, {});
  std::int64_t bad = 0;
  for (const std::string& name : pictures.paths) {
    MadeProgress();
    const fs::path path = pictures.root / name;
    std::error_code code;
    std::string wrong;
    if (!fs::is_regular_file(path, code)) {
      wrong = code ? code.message() : "is no plain file";
    } else if (::access(path.c_str(), R_OK) != 0) {
      wrong = std::strerror(errno);
    } else if (const auto size = fs::file_size(path, code); size == 0) {
      wrong = "is empty";
    } else if (size > kMaxImageBytes) {
      wrong = fmt::format("has {} bytes, more than the {} allowed", size, kMaxImageBytes);
    }
    if (wrong.empty()) continue;
    ++bad;
    if (config.extract.skip_bad_images &&
        (config.extract.max_bad < 0 || bad <= config.extract.max_bad))
      continue;
    throw InputError(fmt::format("{}: cannot be read: {}; {}", Printable(path.string()), wrong,
                                 config.extract.skip_bad_images
                                     ? "raise --max-bad, or mend the images"
                                     : "mend or remove it, or give --on-bad-image skip"));
  }
}

}  // namespace clipsweep
