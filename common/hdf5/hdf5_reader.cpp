#include <fmt/core.h>

#include <algorithm>

#include "common/disk/plain_file.h"
#include "common/disk/sha256.h"
#include "common/hdf5/hdf5_file.h"
#include "common/hdf5/hdf5_internal.h"
#include "common/hdf5/open_files.h"
#include "common/process/error.h"

namespace clipsweep {
namespace {

constexpr hsize_t kMaxBytes = hsize_t{1} << 40;  // refuses absurd shapes before allocating

std::string Unpad(const char* data, std::size_t width) {
  return std::string(data, std::find(data, data + width, '\0'));
}

}  // namespace

std::string CheckSeal(const std::filesystem::path& path) {
  const PlainFile file(path);
  std::string block(kUserBlock, '\0');
  if (file.ReadAt(0, block.data(), block.size()) != kUserBlock || !block.starts_with(kSealWord)) {
    throw InputError(
        fmt::format("{}: not a clipsweep file (no seal at its start); make it with clipsweep or "
                    "its import script",
                    path.string()));
  }
  const std::string written = block.substr(kSealWord.size(), 64);
  std::string expected = std::string(kSealWord) + written + "\n";
  expected.resize(kUserBlock, '\0');
  if (block != expected || Sha256Of(file, kUserBlock) != written) {
    throw InputError(fmt::format(
        "{}: damaged: its bytes do not match the SHA-256 it was sealed with; make it again",
        path.string()));
  }
  return written;
}

std::string SealOf(const std::filesystem::path& path) {
  return hdf5::OpenOnce(path, Seal::kCheck)->seal;
}

H5Reader::H5Reader(const std::filesystem::path& path, Seal seal)
    : path_(path), file_(hdf5::OpenOnce(path, seal)) {}

const std::string& H5Reader::seal() const { return file_->seal; }
hid_t H5Reader::id() const { return file_->id.get(); }

void H5Reader::Fail(const std::string& what) const {
  throw InputError(fmt::format("{}: {}", path_.string(), what));
}

bool H5Reader::Has(const std::string& name) const {
  return H5Lexists(id(), name.c_str(), H5P_DEFAULT) > 0;
}

std::vector<hsize_t> H5Reader::Shape(const std::string& name) const {
  if (!Has(name)) Fail(fmt::format("has no '{}'; is it the kind of file this option wants?", name));
  H5Id dataset(H5Dopen2(id(), name.c_str(), H5P_DEFAULT), H5Dclose);
  H5Id space(H5Dget_space(dataset.get()), H5Sclose);
  const int rank = H5Sget_simple_extent_ndims(space.get());
  if (!dataset.ok() || rank < 0) Fail(fmt::format("'{}' cannot be read", name));
  std::vector<hsize_t> shape(static_cast<std::size_t>(rank));
  H5Sget_simple_extent_dims(space.get(), shape.data(), nullptr);
  // No data set may claim more than is stored: shapes of hostile files must not size our buffers.
  hsize_t count = H5Tget_size(H5Id(H5Dget_type(dataset.get()), H5Tclose).get());
  for (const hsize_t side : shape) {
    if (side != 0 && count > kMaxBytes / side) Fail(fmt::format("'{}' is too large", name));
    count *= side;
  }
  if (count > H5Dget_storage_size(dataset.get())) {
    Fail(fmt::format("'{}' claims more values than are stored", name));
  }
  return shape;
}

template <typename T>
std::vector<T> H5Reader::Read(const std::string& name, hid_t memory_type) const {
  const hsize_t count = hdf5::Elements(Shape(name));
  if (count > kMaxBytes / sizeof(T)) Fail(fmt::format("'{}' claims {} values", name, count));
  std::vector<T> values(count);
  H5Id dataset(H5Dopen2(id(), name.c_str(), H5P_DEFAULT), H5Dclose);
  if (count > 0 &&
      H5Dread(dataset.get(), memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) < 0) {
    Fail(fmt::format("'{}' cannot be read as numbers of the expected type", name));
  }
  return values;
}

std::vector<float> H5Reader::Floats(const std::string& name) const {
  return Read<float>(name, H5T_NATIVE_FLOAT);
}

void H5Reader::FloatRows(const std::string& name, hsize_t first, hsize_t width,
                         std::span<float> rows) const {
  H5Id dataset(H5Dopen2(id(), name.c_str(), H5P_DEFAULT), H5Dclose);
  H5Id in_file(H5Dget_space(dataset.get()), H5Sclose);
  const hsize_t start[] = {first, 0}, count[] = {rows.size() / width, width};
  H5Id in_memory(H5Screate_simple(2, count, nullptr), H5Sclose);
  if (H5Sselect_hyperslab(in_file.get(), H5S_SELECT_SET, start, nullptr, count, nullptr) < 0 ||
      H5Dread(dataset.get(), H5T_NATIVE_FLOAT, in_memory.get(), in_file.get(), H5P_DEFAULT,
              rows.data()) < 0) {
    Fail(fmt::format("'{}' cannot be read as numbers of the expected type", name));
  }
}

std::vector<double> H5Reader::Doubles(const std::string& name) const {
  return Read<double>(name, H5T_NATIVE_DOUBLE);
}
std::vector<std::int32_t> H5Reader::Int32s(const std::string& name) const {
  return Read<std::int32_t>(name, H5T_NATIVE_INT32);
}
std::vector<std::int64_t> H5Reader::Int64s(const std::string& name) const {
  return Read<std::int64_t>(name, H5T_NATIVE_INT64);
}

std::vector<std::string> H5Reader::Texts(const std::string& name) const {
  const hsize_t count = hdf5::Elements(Shape(name));
  H5Id dataset(H5Dopen2(id(), name.c_str(), H5P_DEFAULT), H5Dclose);
  H5Id type(H5Dget_type(dataset.get()), H5Tclose);
  if (H5Tget_class(type.get()) != H5T_STRING || H5Tis_variable_str(type.get()) > 0) {
    Fail(fmt::format("'{}' is not fixed-width text", name));
  }
  const std::size_t width = H5Tget_size(type.get());
  if (count > kMaxBytes / width) Fail(fmt::format("'{}' claims {} texts", name, count));
  std::string packed(width * count, '\0');
  if (count > 0 &&
      H5Dread(dataset.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, packed.data()) < 0) {
    Fail(fmt::format("'{}' cannot be read", name));
  }
  std::vector<std::string> texts;
  texts.reserve(count);
  for (hsize_t i = 0; i < count; ++i) texts.push_back(Unpad(packed.data() + i * width, width));
  return texts;
}

bool H5Reader::HasAttribute(const std::string& name) const {
  return H5Aexists(id(), name.c_str()) > 0;
}

std::string H5Reader::TextAttribute(const std::string& name) const {
  if (!HasAttribute(name)) Fail(fmt::format("has no attribute '{}'", name));
  H5Id attribute(H5Aopen(id(), name.c_str(), H5P_DEFAULT), H5Aclose);
  H5Id type(H5Aget_type(attribute.get()), H5Tclose);
  H5Id space(H5Aget_space(attribute.get()), H5Sclose);
  if (H5Sget_simple_extent_npoints(space.get()) != 1) {
    Fail(fmt::format("attribute '{}' is not one text", name));
  }
  if (H5Tget_class(type.get()) != H5T_STRING || H5Tis_variable_str(type.get()) > 0) {
    Fail(fmt::format("attribute '{}' is not fixed-width text", name));
  }
  std::string text(H5Tget_size(type.get()), '\0');
  if (H5Aread(attribute.get(), type.get(), text.data()) < 0) {
    Fail(fmt::format("attribute '{}' cannot be read", name));
  }
  return Unpad(text.data(), text.size());
}

void H5Reader::ReadScalar(const std::string& name, hid_t memory_type, void* value) const {
  if (!HasAttribute(name)) Fail(fmt::format("has no attribute '{}'", name));
  H5Id attribute(H5Aopen(id(), name.c_str(), H5P_DEFAULT), H5Aclose);
  H5Id space(H5Aget_space(attribute.get()), H5Sclose);
  if (H5Sget_simple_extent_npoints(space.get()) != 1 ||
      H5Aread(attribute.get(), memory_type, value) < 0) {
    Fail(fmt::format("attribute '{}' cannot be read", name));
  }
}

std::int64_t H5Reader::IntAttribute(const std::string& name) const {
  std::int64_t value = 0;
  ReadScalar(name, H5T_NATIVE_INT64, &value);
  return value;
}

double H5Reader::DoubleAttribute(const std::string& name) const {
  double value = 0;
  ReadScalar(name, H5T_NATIVE_DOUBLE, &value);
  return value;
}

std::vector<std::string> H5Reader::DatasetNames() const {
  std::vector<std::string> names;
  H5Literate(
      id(), H5_INDEX_NAME, H5_ITER_INC, nullptr,
      [](hid_t, const char* name, const H5L_info_t*, void* out) -> herr_t {
        static_cast<std::vector<std::string>*>(out)->emplace_back(name);
        return 0;
      },
      &names);
  return names;
}

std::vector<std::string> H5Reader::AttributeNames() const {
  std::vector<std::string> names;
  H5Aiterate2(
      id(), H5_INDEX_NAME, H5_ITER_INC, nullptr,
      [](hid_t, const char* name, const H5A_info_t*, void* out) -> herr_t {
        static_cast<std::vector<std::string>*>(out)->emplace_back(name);
        return 0;
      },
      &names);
  return names;
}

}  // namespace clipsweep
