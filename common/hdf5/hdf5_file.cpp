#include "common/hdf5/hdf5_file.h"

#include <fmt/core.h>

#include "common/process/error.h"

namespace clipsweep {

H5Id& H5Id::operator=(H5Id&& other) noexcept {
  if (this != &other) {
    Close();
    id_ = other.id_;
    closer_ = other.closer_;
    other.id_ = -1;
  }
  return *this;
}

H5Id::~H5Id() { Close(); }

bool H5Id::Close() {
  if (id_ < 0) return true;
  const hid_t id = id_;
  id_ = -1;
  return closer_(id) >= 0;
}

FloatKind ParseFloatKind(std::string_view name) {
  if (name == "f32") return FloatKind::kF32;
  if (name == "f16") return FloatKind::kF16;
  throw UsageError(fmt::format("--dtype: '{}' is not a storage type; use f32 or f16", name));
}

std::string_view FloatKindName(FloatKind kind) { return kind == FloatKind::kF16 ? "f16" : "f32"; }

}  // namespace clipsweep
