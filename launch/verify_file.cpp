#include "launch/verify_file.h"

#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <map>

#include "common/adapter_file.h"
#include "common/damage.h"
#include "common/error.h"
#include "common/feature_file.h"
#include "common/log.h"
#include "common/prediction_file.h"
#include "common/text_file.h"
#include "extract/shard_store.h"
#include "finetune/train_state.h"
#include "sweep/block_store.h"
#include "sweep/sweep_job.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;

void VerifyFeatures(const fs::path& path) {
  const FeatureReader reader(path);
  reader.ForEachRow([](std::int64_t, std::span<const float>) {});
  const auto& skipped = reader.about().skipped;
  const auto total = reader.about().count + static_cast<std::int64_t>(skipped.size());
  std::int64_t last = -1;
  for (const SkippedImage& image : skipped) {
    if (image.index <= last || image.index >= total || image.reason.empty()) {
      throw InputError(fmt::format("{}: 'skipped_index' {} does not fit its {} images",
                                   path.string(), image.index, total));
    }
    last = image.index;
  }
}

// Files of a job under way: they are written and read by this program alone, under one seal.
void VerifyPart(const fs::path& path) {
  const H5Reader file(path);
  CheckHeader(file, FormatOf(file));
  for (const std::string& name : file.DatasetNames()) file.Shape(name);
}

// Every kind of sealed file and the reader that checks all of it.
const std::map<std::string, std::function<void(const fs::path&)>>& Readers() {
  static const std::map<std::string, std::function<void(const fs::path&)>> readers = {
      {kFeatureFormat, VerifyFeatures},
      {kTextFormat, [](const fs::path& path) { ReadTextFile(path); }},
      {kSweepFormat, [](const fs::path& path) { ReadSweepFile(path); }},
      {kAdapterFormat, [](const fs::path& path) { ReadAdapterFile(path); }},
      {kPredictionFormat, [](const fs::path& path) { ReadPredictionFile(path); }},
      {kShardFormat, VerifyPart},
      {kPartFormat, VerifyPart},
      {kTrainStateFormat, VerifyPart},
      {kTrainPartFormat, VerifyPart}};
  return readers;
}

// A hash of another length, or none at all where a file of ours must name one, is no provenance.
void VerifyProvenance(const H5Reader& file) {
  if (!file.HasAttribute("program_version")) file.Fail("has no attribute 'program_version'");
  for (const auto& [name, value] : ReadProvenance(file)) {
    std::string digits = value;  // several hashes are parted by commas or spaces
    std::erase_if(digits, [](char c) { return c == ',' || c == ' '; });
    const bool hex = !digits.empty() && digits.size() % 64 == 0 &&
                     digits.find_first_not_of("0123456789abcdef") == std::string::npos;
    if (name.ends_with("_sha256") && !hex)
      file.Fail(fmt::format("made_from.{} is not a SHA-256", Printable(name)));
  }
}

void CheckSealOrLocate(const fs::path& path) {
  try {
    CheckSeal(path);
  } catch (const Error& error) {
    const std::string message = error.what();
    if (message.find(": damaged: ") == std::string::npos) throw;
    throw InputError(
        fmt::format("{}: damaged in {}: its bytes do not match the SHA-256 it was "
                    "sealed with; make it again, or verify --repair an extraction",
                    path.string(), LocateDamage(path).Describe()));
  }
}

}  // namespace

std::string VerifyFile(const fs::path& path) {
  CheckSealOrLocate(path);
  std::string format;
  {
    const H5Reader file(path, Seal::kCheckedBefore);
    format = FormatOf(file);
    VerifyProvenance(file);
  }
  const auto reader = Readers().find(format);
  if (reader == Readers().end()) {
    throw InputError(fmt::format("{}: is of no format clipsweep knows ('{}')", path.string(),
                                 Printable(format)));
  }
  reader->second(path);
  return format;
}

std::vector<std::string> FilesToVerify(const std::vector<std::string>& given) {
  std::vector<std::string> files;
  for (const std::string& path : given) {
    if (!fs::is_directory(path)) {
      files.push_back(path);
      continue;
    }
    std::vector<std::string> inside;
    for (const auto& entry : fs::recursive_directory_iterator(path)) {
      if (entry.path().extension() == ".h5") inside.push_back(entry.path().string());
    }
    if (inside.empty()) throw InputError(fmt::format("{}: holds no .h5 file", path));
    std::sort(inside.begin(), inside.end());
    files.insert(files.end(), inside.begin(), inside.end());
  }
  return files;
}

}  // namespace clipsweep
