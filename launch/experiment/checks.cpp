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
    if (config.tune != "val" && config.tune != "test") {
      throw UsageError(
          fmt::format("--tune: '{}' is none; use val or test", Printable(config.tune)));
    }
    ParseAxis(config.alpha, "--alpha");
    ParseAxis(config.beta, "--beta");
    FinetuneConfig training;
    training.epochs = config.epochs;
    training.batch = config.batch;
    training.lr = config.lr;
    CheckFinetuneNumbers(training);
    if (config.views < 1 || config.views > kMostViews) {
      throw UsageError(fmt::format("--views: {} is not in 1..{}", config.views, kMostViews));
    }
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

void CheckModel(const ExperimentConfig& config, const Compute& compute) {
  const auto checkpoint = OpenCheckpoint(config.model);
  const EncoderOptions options = MakeEncoderOptions(config.model, compute);
  MakeImageEncoder(*checkpoint, options);
  const ClipText text(*checkpoint, options);
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
    if (config.skip_bad_images && (config.max_bad < 0 || bad <= config.max_bad)) continue;
    throw InputError(fmt::format("{}: cannot be read: {}; {}", Printable(path.string()), wrong,
                                 config.skip_bad_images
                                     ? "raise --max-bad, or mend the images"
                                     : "mend or remove it, or give --on-bad-image skip"));
  }
}

}  // namespace clipsweep
