#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "common/disk/atomic_file.h"
#include "common/disk/file_system.h"
#include "common/disk/sha256.h"
#include "common/hdf5/hdf5_driver.h"
#include "common/hdf5/hdf5_file.h"
#include "common/hdf5/hdf5_internal.h"
#include "common/process/error.h"

namespace clipsweep {
namespace {

// What one checksum covers, and so what a repair has to compute again.
constexpr hsize_t kChunkBytes = hsize_t{1} << 17;

H5Id HalfType() {
  // IEEE binary16, the layout h5py gives numpy.float16.
  H5Id type(H5Tcopy(H5T_IEEE_F32LE), H5Tclose);
  H5Tset_fields(type.get(), 15, 10, 5, 0, 10);
  H5Tset_size(type.get(), 2);
  H5Tset_ebias(type.get(), 15);
  return type;
}

H5Id TextType(std::size_t width) {
  H5Id type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type.get(), std::max<std::size_t>(width, 1));
  H5Tset_strpad(type.get(), H5T_STR_NULLPAD);
  H5Tset_cset(type.get(), H5T_CSET_UTF8);
  return type;
}

H5Id Space(const std::vector<hsize_t>& shape) {
  return {H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr), H5Sclose};
}

}  // namespace

H5Writer::H5Writer(const std::filesystem::path& path)
    : path_(path), temporary_(TemporaryFor(path)), state_(std::make_unique<hdf5::WriteState>()) {
  hdf5::Quiet();
  H5Id create(H5Pcreate(H5P_FILE_CREATE), H5Pclose);
  H5Pset_userblock(create.get(), kUserBlock);
  H5Pset_obj_track_times(create.get(), false);
  const H5Id access(hdf5::MakeWriteAccess(state_.get()), H5Pclose);
  file_ = H5Id(H5Fcreate(temporary_.c_str(), H5F_ACC_TRUNC, create.get(), access.get()), H5Fclose);
  Check(file_.ok(), "cannot be created; check that the folder is writable");
}

H5Writer::~H5Writer() {
  if (!file_.ok()) return;
  state_->failure = "given up";  // nothing more is written
  file_.Close();
  RemoveTemporary(temporary_);
}

// After every step: HDF5 itself takes no notice of a write that failed.
void H5Writer::Check(bool ok, const std::string& what) {
  if (ok && state_->failure.empty()) return;
  const std::string why =
      state_->failure.empty() ? what : state_->failure + "; free space or choose another place";
  state_->failure = why;
  file_.Close();
  RemoveTemporary(temporary_);
  throw InputError(fmt::format("{}: {}", path_.string(), why));
}

H5Id H5Writer::Create(const std::string& name, const Shape& shape, hid_t file_type) {
  H5Id plan(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  H5Pset_obj_track_times(plan.get(), false);
  if (!shape.empty() && hdf5::Elements(shape) > 0) {
    Shape chunk = shape;
    const hsize_t row_bytes =
        std::max<hsize_t>(1, hdf5::Elements(shape) / shape[0] * H5Tget_size(file_type));
    chunk[0] = std::clamp<hsize_t>(kChunkBytes / row_bytes, 1, shape[0]);
    H5Pset_chunk(plan.get(), static_cast<int>(chunk.size()), chunk.data());
    H5Pset_fletcher32(plan.get());
  }
  H5Id dataset(H5Dcreate2(file_.get(), name.c_str(), file_type, Space(shape).get(), H5P_DEFAULT,
                          plan.get(), H5P_DEFAULT),
               H5Dclose);
  Check(dataset.ok(), fmt::format("data set '{}' could not be created", name));
  return dataset;
}

void H5Writer::WriteRaw(const std::string& name, const Shape& shape, hid_t file_type,
                        hid_t memory_type, const void* data) {
  H5Id dataset = Create(name, shape, file_type);
  const bool written = hdf5::Elements(shape) == 0 || H5Dwrite(dataset.get(), memory_type, H5S_ALL,
                                                              H5S_ALL, H5P_DEFAULT, data) >= 0;
  Check(dataset.Close() && written, fmt::format("'{}' could not be written", name));
}

void H5Writer::Write(const std::string& name, const Shape& shape, std::span<const float> values,
                     FloatKind kind) {
  const H5Id half = HalfType();
  WriteRaw(name, shape, kind == FloatKind::kF16 ? half.get() : H5T_IEEE_F32LE, H5T_NATIVE_FLOAT,
           values.data());
}

void H5Writer::Write(const std::string& name, const Shape& shape, std::span<const double> values) {
  WriteRaw(name, shape, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, values.data());
}

void H5Writer::Write(const std::string& name, const Shape& shape,
                     std::span<const std::int32_t> values) {
  WriteRaw(name, shape, H5T_STD_I32LE, H5T_NATIVE_INT32, values.data());
}

void H5Writer::Write(const std::string& name, const Shape& shape,
                     std::span<const std::int64_t> values) {
  WriteRaw(name, shape, H5T_STD_I64LE, H5T_NATIVE_INT64, values.data());
}

void H5Writer::Write(const std::string& name, const std::vector<std::string>& texts) {
  std::size_t width = 1;
  for (const std::string& text : texts) width = std::max(width, text.size());
  std::string packed(width * texts.size(), '\0');
  for (std::size_t i = 0; i < texts.size(); ++i) texts[i].copy(packed.data() + i * width, width);
  const H5Id type = TextType(width);
  WriteRaw(name, {texts.size()}, type.get(), type.get(), packed.data());
}

void H5Writer::CreateRows(const std::string& name, hsize_t rows, hsize_t width, FloatKind kind) {
  const H5Id half = HalfType();
  Create(name, {rows, width}, kind == FloatKind::kF16 ? half.get() : H5T_IEEE_F32LE);
}

void H5Writer::AppendRows(const std::string& name, hsize_t first_row, hsize_t width,
                          std::span<const float> values) {
  const hsize_t rows = values.size() / width;
  if (rows == 0) return;
  H5Id dataset(H5Dopen2(file_.get(), name.c_str(), H5P_DEFAULT), H5Dclose);
  H5Id space(H5Dget_space(dataset.get()), H5Sclose);
  const std::array<hsize_t, 2> start{first_row, 0}, count{rows, width};
  H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr);
  const H5Id memory = Space({rows, width});
  const bool written = H5Dwrite(dataset.get(), H5T_NATIVE_FLOAT, memory.get(), space.get(),
                                H5P_DEFAULT, values.data()) >= 0;
  Check(dataset.Close() && written, fmt::format("'{}' could not be written", name));
}

void H5Writer::WriteScalar(const std::string& name, hid_t file_type, hid_t memory_type,
                           const void* value) {
  const H5Id scalar(H5Screate(H5S_SCALAR), H5Sclose);
  H5Id attribute(
      H5Acreate2(file_.get(), name.c_str(), file_type, scalar.get(), H5P_DEFAULT, H5P_DEFAULT),
      H5Aclose);
  Check(attribute.ok() && H5Awrite(attribute.get(), memory_type, value) >= 0,
        fmt::format("attribute '{}' could not be written", name));
}

void H5Writer::Attribute(const std::string& name, const std::string& text) {
  const H5Id type = TextType(text.size());
  WriteScalar(name, type.get(), type.get(), text.c_str());  // at least the terminating zero
}

void H5Writer::Attribute(const std::string& name, std::int64_t value) {
  WriteScalar(name, H5T_STD_I64LE, H5T_NATIVE_INT64, &value);
}

void H5Writer::Attribute(const std::string& name, double value) {
  WriteScalar(name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &value);
}

void H5Writer::Commit() {
  Check(file_.Close(), "closing failed");
  try {
    std::string block = std::string(kSealWord) + FileSha256(temporary_, kUserBlock) + "\n";
    block.resize(kUserBlock, '\0');
    OutputFile sealed(temporary_, OutputFile::Start::kAsItIs);
    sealed.Write(block, 0);
    sealed.SyncAndClose();
    CommitFile(temporary_, path_);
  } catch (...) {
    RemoveTemporary(temporary_);
    throw;
  }
}

}  // namespace clipsweep
