#include "launch/convert/export.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "common/files/adapter_file.h"
#include "common/files/classifier_file.h"
#include "common/files/feature_file.h"
#include "common/files/prediction_file.h"
#include "common/files/text_file.h"
#include "common/hdf5/hdf5_file.h"
#include "common/process/error.h"
#include "common/process/liveness.h"
#include "common/process/log.h"
#include "sweep/sweep_file.h"

namespace clipsweep {
namespace {

enum class From { kDataset, kAttribute };

// An array of an export: a data set or a number among the attributes, under its own name or another.
// One that a file lacks is left out.
struct Field {
  const char* name;
  ElementType type;
  From from = From::kDataset;
  const char* exported_as = nullptr;
};

constexpr ElementType kF32 = ElementType::kF32, kF64 = ElementType::kF64, kI32 = ElementType::kI32,
                      kI64 = ElementType::kI64;

// What of each kind of file other programs have use for; the first array is the main one. Another
// kind of file is one more row.
struct ExportRow {
  const char* format;
  std::vector<Field> fields;
};

const std::vector<ExportRow>& Rows() {
  static const std::vector<ExportRow> kRows = {
      {kFeatureFormat, {{"features", kF32}, {"labels", kI32}, {"views", kF32}}},
      {kTextFormat, {{"text", kF32}}},
      {kAdapterFormat,
       {{"keys", kF32},
        {"class_index", kI32},
        {"text", kF32},
        {"alpha", kF64, From::kAttribute},
        {"beta", kF64, From::kAttribute}}},
      {kClassifierFormat,
       {{"array_weight", kF32, From::kDataset, "weight"},
        {"array_bias", kF32, From::kDataset, "bias"},
        {"array_text", kF32, From::kDataset, "text"},
        {"array_keys", kF32, From::kDataset, "keys"},
        {"array_values", kF32, From::kDataset, "values"},
        {"array_down", kF32, From::kDataset, "down"},
        {"array_up", kF32, From::kDataset, "up"},
        {"index_class", kI32, From::kDataset, "class_index"},
        {"index_channels", kI32, From::kDataset, "channels"},
        {"number.scale", kF64, From::kAttribute, "scale"},
        {"number.alpha", kF64, From::kAttribute, "alpha"},
        {"number.beta", kF64, From::kAttribute, "beta"},
        {"number.ratio", kF64, From::kAttribute, "ratio"}}},
      {kSweepFormat,
       {{"top1", kI64},
        {"top5", kI64},
        {"alpha", kF64},
        {"beta", kF64},
        {"shots", kI64},
        {"seeds", kI64},
        {"best_alpha", kF64},
        {"best_beta", kF64},
        {"tuned_top1", kI64},
        {"tuned_top5", kI64},
        {"test_top1", kI64},
        {"test_top5", kI64}}},
      {kPredictionFormat, {{"predicted", kI32}, {"probability", kF32}, {"labels", kI32}}}};
  return kRows;
}

const ExportRow& RowOf(const H5Reader& file) {
  const std::string format = FormatOf(file);
  std::vector<std::string> known;
  for (const ExportRow& row : Rows()) {
    if (format == row.format) {
      CheckHeader(file, format);
      return row;
    }
    known.emplace_back(row.format);
  }
  file.Fail(fmt::format("is a {} file, which has no arrays to export; files that are exported: {}",
                        format.empty() ? "foreign" : Printable(format), fmt::join(known, ", ")));
}

Array ReadField(const H5Reader& file, const Field& field) {
  if (field.from == From::kAttribute) {
    return ArrayOf<double>(kF64, {}, {file.DoubleAttribute(field.name)});
  }
  std::vector<std::int64_t> shape;
  for (const hsize_t length : file.Shape(field.name)) {
    shape.push_back(static_cast<std::int64_t>(length));
  }
  switch (field.type) {
    case kF32: return ArrayOf(field.type, shape, file.Floats(field.name));
    case kF64: return ArrayOf(field.type, shape, file.Doubles(field.name));
    case kI32: return ArrayOf(field.type, shape, file.Int32s(field.name));
    default: return ArrayOf(field.type, shape, file.Int64s(field.name));
  }
}

ArraySet ReadArrays(const std::filesystem::path& source) {
  const H5Reader file(source);
  const ExportRow& row = RowOf(file);
  ArraySet set;
  set.format = row.format;
  for (const Field& field : row.fields) {
    const bool there =
        field.from == From::kAttribute ? file.HasAttribute(field.name) : file.Has(field.name);
    if (!there) continue;
    set.arrays.emplace_back(field.exported_as != nullptr ? field.exported_as : field.name,
                            ReadField(file, field));
  }
  if (set.arrays.empty()) file.Fail("has no arrays in it; make it again");
  if (file.Has("classes")) set.classes = file.Texts("classes");
  return set;
}

void WriteNpyFiles(const std::filesystem::path& out, ExportResult& result) {
  auto& arrays = result.set.arrays;
  const std::string format = result.set.format;
  if (format != kFeatureFormat && arrays.size() > 1) {
    std::vector<std::string> names;
    for (const auto& [name, array] : arrays) names.push_back(name);
    throw UsageError(fmt::format(
        "--out: an .npy holds one array, a {} file has {}; name an .npz or .safetensors", format,
        fmt::join(names, ", ")));
  }
  std::erase_if(arrays, [](const auto& entry) { return entry.first == "views"; });
  if (arrays.size() > 1) {  // labels first: who finds the features finds them too
    result.files.push_back(LabelsBeside(out).string());
    WriteNpy(result.files.back(), arrays[1].second);
  }
  WriteNpy(out, arrays[0].second);
  result.files.insert(result.files.begin(), out.string());
  if (!result.set.classes.empty()) {
    result.notes.emplace_back("names of classes are left out: .npz and .safetensors hold them");
    result.set.classes.clear();
  }
}

}  // namespace

ExportKind ExportKindOf(const std::filesystem::path& out) {
  const std::string ending = out.extension().string();
  if (ending == ".npy") return ExportKind::kNpy;
  if (ending == ".npz") return ExportKind::kNpz;
  if (ending == ".safetensors") return ExportKind::kSafetensors;
  throw UsageError(
      fmt::format("--out: {} ends in none of .npy, .npz, .safetensors, which say what is written; "
                  "name such a file",
                  Printable(out.string())));
}

std::filesystem::path LabelsBeside(const std::filesystem::path& out) {
  return out.parent_path() / (out.stem().string() + "-labels.npy");
}

ExportResult RunExport(const std::filesystem::path& source, const std::filesystem::path& out) {
  const ExportKind kind = ExportKindOf(out);
  EnterStage("export: read");
  ExportResult result;
  result.set = ReadArrays(source);
  EnterStage("export: write");
  switch (kind) {
    case ExportKind::kNpy: WriteNpyFiles(out, result); return result;
    case ExportKind::kNpz: WriteNpz(out, result.set); break;
    case ExportKind::kSafetensors: WriteSafetensors(out, result.set); break;
  }
  result.files.push_back(out.string());
  return result;
}

}  // namespace clipsweep
