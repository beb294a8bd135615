#include "launch/commands/verify_file.h"

#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <map>

#include "common/disk/plain_file.h"
#include "common/files/adapter_file.h"
#include "common/files/classifier_file.h"
#include "common/files/feature_file.h"
#include "common/files/prediction_file.h"
#include "common/files/text_file.h"
#include "common/hdf5/damage.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "extract/pipeline/picture_content.h"
#include "extract/pipeline/shard_store.h"
#include "finetune/methods/classifier.h"
#include "finetune/training/train_state.h"
#include "launch/experiment/hold_out.h"
#include "launch/experiment/results.h"
#include "launch/nightly/history_file.h"
#include "launch/records/json_file.h"
#include "launch/report/check_results.h"
#include "sweep/engine/block_store.h"
#include "sweep/sweep_file.h"

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
      {kSweepFormat, [](const fs::path& path) { ReadSweepData(path); }},
      {kAdapterFormat, [](const fs::path& path) { ReadAdapterFile(path); }},
      {kClassifierFormat,
       [](const fs::path& path) { MakeClassifier(path, ReadClassifierFile(path)); }},
      {kPredictionFormat, [](const fs::path& path) { ReadPredictionFile(path); }},
      {kShardFormat, VerifyPart},
      {kPartFormat, VerifyPart},
      {kTimesFormat, VerifyPart},
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

namespace {

// As it is written in the file; VerifySealed checks it.
std::string SealOf(const fs::path& path) {
  std::string start(kSealWord.size() + 64, '\0');
  start.resize(PlainFile(path).ReadAt(0, start.data(), start.size()));
  return start.starts_with(kSealWord) ? start.substr(kSealWord.size()) : "";
}

std::string VerifySealed(const fs::path& path) {
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

// Holds a stored file against results.json. One that is not where run.json says it was is nobody's
// fault: the run does not keep it.
void VerifyStored(const fs::path& results, const std::string& name, const std::string& sha256) {
  const fs::path run_file = results.parent_path() / "run.json";
  const fs::path folder = StoredFolder(run_file, ReadRunFile(run_file));
  const fs::path file = folder / name;
  if (folder.empty() || !fs::exists(file)) {
    LogWarning(
        "{}: was made from '{}' of {}, which is not there to be compared", results.string(),
        Printable(name),
        folder.empty() ? "a folder that run.json does not name" : Printable(folder.string()));
  } else if (SealOf(file) != sha256) {
    throw InputError(
        fmt::format("{}: was made from another '{}' than is in {} now; run the experiment again",
                    results.string(), Printable(name), Printable(folder.string())));
  }
}

void VerifyBeside(const fs::path& results, const std::string& name, const std::string& sha256) {
  const fs::path file = results.parent_path() / name;
  if (!fs::exists(file)) {
    throw InputError(fmt::format("{}: names '{}', which is not beside it; run the experiment again",
                                 results.string(), Printable(name)));
  }
  if (SealOf(file) != sha256) {
    throw InputError(
        fmt::format("{}: was made from another '{}' than is beside it; run the experiment again",
                    results.string(), Printable(name)));
  }
}

// The files it names must be those it was made from: sealed, each may still be another run's.
std::string VerifyResults(const fs::path& path) {
  const Json results = ReadResults(path);
  CheckResultsAgree(path, results);
  ReadingJson(path, [&] {
    std::string held_out_of;
    for (const auto& [name, about] : results.at("files").items()) {
      (IsStored(about) ? VerifyStored : VerifyBeside)(path, name,
                                                      about.at("sha256").get<std::string>());
      held_out_of = about.at("made_from").value(kHeldOutOf, held_out_of);
    }
    if (!held_out_of.empty()) VerifyStored(path, "train.h5", held_out_of);
    return 0;
  });
  return "clipsweep-results";
}

std::string VerifyRunFile(const fs::path& path) {
  if (!ReadRunFile(path).contains("sha256")) {
    throw InputError(
        fmt::format("{}: has no seal: an earlier version wrote it, or it was changed; "
                    "run the experiment again",
                    path.string()));
  }
  return "clipsweep-run";
}

std::string VerifyHistory(const fs::path& path) {
  CheckHistory(Database(path, Database::Open::kToRead));
  return "clipsweep-history";
}

// What clipsweep keeps, told by how it begins; of files that a run calls by name, by that too, so
// that one that is damaged in its first bytes is looked at.
struct Kind {
  std::string_view start, name;
  std::string (*verify)(const fs::path&);
};
constexpr Kind kKinds[] = {
    {kSealWord, "", VerifySealed},
    {"{\n \"schema\": \"clipsweep-results", "results.json", VerifyResults},
    {"{\n \"schema\": \"clipsweep-run", "run.json", VerifyRunFile},
    {"SQLite format 3", "history.sqlite", VerifyHistory},
};

const Kind* KindOf(const fs::path& path) {
  std::string start(64, '\0');
  start.resize(PlainFile(path).ReadAt(0, start.data(), start.size()));
  for (const Kind& kind : kKinds) {
    if (start.starts_with(kind.start)) return &kind;
  }
  for (const Kind& kind : kKinds) {
    if (!kind.name.empty() && path.filename() == kind.name) return &kind;
  }
  return path.extension() == ".h5" ? &kKinds[0] : nullptr;
}

// In a folder: what cannot be read is kept where its name says that it is ours, to be told by
// VerifyFile.
bool IsOurs(const fs::path& path) {
  try {
    return KindOf(path) != nullptr;
  } catch (const Error& error) {
    const bool named =
        path.extension() == ".h5" || std::ranges::any_of(kKinds, [&](const Kind& kind) {
          return !kind.name.empty() && path.filename() == kind.name;
        });
    if (!named) LogWarning("{}", error.what());
    return named;
  }
}

}  // namespace

std::string VerifyFile(const fs::path& path) {
  const Kind* kind = KindOf(path);
  if (kind == nullptr) {
    throw InputError(
        fmt::format("{}: is no file that clipsweep keeps; give a sealed file, "
                    "results.json, run.json or a history",
                    path.string()));
  }
  return kind->verify(path);
}

std::vector<std::string> FilesToVerify(const std::vector<std::string>& given) {
  std::vector<std::string> files;
  for (const std::string& path : given) {
    if (!fs::is_directory(path)) {
      files.push_back(path);
      continue;
    }
    std::vector<std::string> inside;
    for (const auto& entry :
         fs::recursive_directory_iterator(path, fs::directory_options::skip_permission_denied)) {
      std::error_code none;
      if (entry.is_symlink(none) || !entry.is_regular_file(none)) continue;
      if (IsOurs(entry.path())) inside.push_back(entry.path().string());
    }
    if (inside.empty()) throw InputError(fmt::format("{}: holds no file of clipsweep", path));
    std::sort(inside.begin(), inside.end());
    files.insert(files.end(), inside.begin(), inside.end());
  }
  return files;
}

}  // namespace clipsweep
