#include "launch/convert/safetensors_arrays.h"

#include <fmt/core.h>
#include <sys/mman.h>

#include <map>

#include "common/disk/plain_file.h"
#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep {
namespace {

const std::map<std::string, ElementType>& Types() {
  static const std::map<std::string, ElementType> kTypes = {
      {"F16", ElementType::kF16},  {"BF16", ElementType::kBF16}, {"F32", ElementType::kF32},
      {"F64", ElementType::kF64},  {"I8", ElementType::kI8},     {"I16", ElementType::kI16},
      {"I32", ElementType::kI32},  {"I64", ElementType::kI64},   {"U8", ElementType::kU8},
      {"U16", ElementType::kU16},  {"U32", ElementType::kU32},   {"U64", ElementType::kU64},
      {"BOOL", ElementType::kBool}};
  return kTypes;
}

}  // namespace

SafetensorsArrays::SafetensorsArrays(const std::filesystem::path& path) {
  const PlainFile file(path);
  map_bytes_ = file.size();
  if (map_bytes_ > 0) map_ = ::mmap(nullptr, map_bytes_, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (map_ == MAP_FAILED) {
    throw InputError(fmt::format("{}: cannot be mapped into memory; copy it to a local disk",
                                 Printable(path.string())));
  }
  try {
    header_ = ParseSafetensors({static_cast<const char*>(map_), map_bytes_});
  } catch (const SafetensorsCut& cut) {
    if (map_ != nullptr) ::munmap(map_, map_bytes_);
    throw InputError(fmt::format("{}: is cut short: it has {} of {} bytes; fetch or save it again",
                                 Printable(path.string()), cut.has, cut.whole));
  } catch (const SafetensorsError& error) {
    if (map_ != nullptr) ::munmap(map_, map_bytes_);
    throw InputError(fmt::format("{}: not a safetensors file: {}; save it again",
                                 Printable(path.string()), error.what()));
  }
}

SafetensorsArrays::~SafetensorsArrays() { ::munmap(map_, map_bytes_); }

Array SafetensorsArrays::Read(const std::string& name, const std::string& where) const {
  const SafetensorsEntry& entry = header_.entries.at(name);
  const auto type = Types().find(entry.dtype);
  if (type == Types().end()) {
    throw InputError(fmt::format("{}: is {}; floating and whole numbers are read, convert it",
                                 where, entry.dtype));
  }
  const char* data = static_cast<const char*>(map_) + header_.data_begin;
  return {type->second, entry.shape, BytesOfType(type->second),
          std::string(data + entry.begin, entry.end - entry.begin)};
}

}  // namespace clipsweep
