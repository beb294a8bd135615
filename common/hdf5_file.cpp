#include "common/hdf5_file.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <functional>
#include <numeric>

#include "common/atomic_file.h"
#include "common/error.h"
#include "common/sha256.h"

namespace clipsweep {
namespace {

constexpr std::string_view kSealWord = "clipsweep sha256 ";
constexpr hsize_t kChunkBytes = hsize_t{1} << 20;
constexpr hsize_t kMaxBytes = hsize_t{1} << 40;  // refuses absurd shapes before allocating

void QuietHdf5() {
  static const herr_t once = H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  (void)once;
}

hsize_t Elements(const std::vector<hsize_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), hsize_t{1}, std::multiplies<>());
}

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

std::string Unpad(const char* data, std::size_t width) {
  return std::string(data, std::find(data, data + width, '\0'));
}

}  // namespace

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

H5Writer::H5Writer(const std::filesystem::path& path)
    : path_(path), temporary_(TemporaryFor(path)) {
  QuietHdf5();
  H5Id create(H5Pcreate(H5P_FILE_CREATE), H5Pclose);
  H5Pset_userblock(create.get(), kUserBlock);
  H5Pset_obj_track_times(create.get(), false);
  file_ = H5Id(H5Fcreate(temporary_.c_str(), H5F_ACC_TRUNC, create.get(), H5P_DEFAULT), H5Fclose);
  if (!file_.ok()) Fail("cannot be created; check that the folder is writable and has space");
}

H5Writer::~H5Writer() {
  if (!file_.ok()) return;
  file_.Close();
  std::remove(temporary_.c_str());
}

void H5Writer::Fail(const std::string& what) {
  throw InputError(fmt::format("{}: {}", path_.string(), what));
}

H5Id H5Writer::Create(const std::string& name, const Shape& shape, hid_t file_type) {
  H5Id plan(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  H5Pset_obj_track_times(plan.get(), false);
  if (!shape.empty() && Elements(shape) > 0) {
    Shape chunk = shape;
    const hsize_t row_bytes =
        std::max<hsize_t>(1, Elements(shape) / shape[0] * H5Tget_size(file_type));
    chunk[0] = std::clamp<hsize_t>(kChunkBytes / row_bytes, 1, shape[0]);
    H5Pset_chunk(plan.get(), static_cast<int>(chunk.size()), chunk.data());
    H5Pset_fletcher32(plan.get());
  }
  H5Id dataset(H5Dcreate2(file_.get(), name.c_str(), file_type, Space(shape).get(), H5P_DEFAULT,
                          plan.get(), H5P_DEFAULT),
               H5Dclose);
  if (!dataset.ok()) Fail(fmt::format("data set '{}' could not be created", name));
  return dataset;
}

void H5Writer::WriteRaw(const std::string& name, const Shape& shape, hid_t file_type,
                        hid_t memory_type, const void* data) {
  H5Id dataset = Create(name, shape, file_type);
  if (Elements(shape) > 0 &&
      H5Dwrite(dataset.get(), memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0) {
    Fail(fmt::format("writing '{}' failed; free space and run again", name));
  }
  if (!dataset.Close()) Fail(fmt::format("closing '{}' failed; free space and run again", name));
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
  if (H5Dwrite(dataset.get(), H5T_NATIVE_FLOAT, memory.get(), space.get(), H5P_DEFAULT,
               values.data()) < 0 ||
      !dataset.Close()) {
    Fail(fmt::format("writing '{}' failed; free space and run again", name));
  }
}

void H5Writer::WriteScalar(const std::string& name, hid_t file_type, hid_t memory_type,
                           const void* value) {
  const H5Id scalar(H5Screate(H5S_SCALAR), H5Sclose);
  H5Id attribute(
      H5Acreate2(file_.get(), name.c_str(), file_type, scalar.get(), H5P_DEFAULT, H5P_DEFAULT),
      H5Aclose);
  if (!attribute.ok() || H5Awrite(attribute.get(), memory_type, value) < 0) {
    Fail(fmt::format("writing attribute '{}' failed", name));
  }
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
  if (!file_.Close()) Fail("closing failed; free space and run again");
  std::string block = std::string(kSealWord) + FileSha256(temporary_, kUserBlock) + "\n";
  block.resize(kUserBlock, '\0');
  std::fstream out(temporary_, std::ios::binary | std::ios::in | std::ios::out);
  out.write(block.data(), static_cast<std::streamsize>(block.size()));
  out.close();
  if (!out) Fail("writing the seal failed; free space and run again");
  CommitFile(temporary_, path_);
}

std::string CheckSeal(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw InputError(fmt::format("{}: cannot be opened; check the path", path.string()));
  std::string block(kUserBlock, '\0');
  in.read(block.data(), static_cast<std::streamsize>(block.size()));
  if (in.gcount() != static_cast<std::streamsize>(kUserBlock) || !block.starts_with(kSealWord)) {
    throw InputError(
        fmt::format("{}: not a clipsweep file (no seal at its start); make it with clipsweep or "
                    "its import script",
                    path.string()));
  }
  const std::string written = block.substr(kSealWord.size(), 64);
  std::string expected = std::string(kSealWord) + written + "\n";
  expected.resize(kUserBlock, '\0');
  if (block != expected || FileSha256(path, kUserBlock) != written) {
    throw InputError(fmt::format(
        "{}: damaged: its bytes do not match the SHA-256 it was sealed with; make it again",
        path.string()));
  }
  return written;
}

H5Reader::H5Reader(const std::filesystem::path& path) : path_(path), seal_(CheckSeal(path)) {
  QuietHdf5();
  file_ = H5Id(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
  if (!file_.ok()) Fail("HDF5 cannot open it; make it again");
}

void H5Reader::Fail(const std::string& what) const {
  throw InputError(fmt::format("{}: {}", path_.string(), what));
}

bool H5Reader::Has(const std::string& name) const {
  return H5Lexists(file_.get(), name.c_str(), H5P_DEFAULT) > 0;
}

std::vector<hsize_t> H5Reader::Shape(const std::string& name) const {
  if (!Has(name)) Fail(fmt::format("has no '{}'; is it the kind of file this option wants?", name));
  H5Id dataset(H5Dopen2(file_.get(), name.c_str(), H5P_DEFAULT), H5Dclose);
  H5Id space(H5Dget_space(dataset.get()), H5Sclose);
  const int rank = H5Sget_simple_extent_ndims(space.get());
  if (!dataset.ok() || rank < 0) Fail(fmt::format("'{}' cannot be read", name));
  std::vector<hsize_t> shape(static_cast<std::size_t>(rank));
  H5Sget_simple_extent_dims(space.get(), shape.data(), nullptr);
  return shape;
}

template <typename T>
std::vector<T> H5Reader::Read(const std::string& name, hid_t memory_type) const {
  const hsize_t count = Elements(Shape(name));
  if (count > kMaxBytes / sizeof(T)) Fail(fmt::format("'{}' claims {} values", name, count));
  std::vector<T> values(count);
  H5Id dataset(H5Dopen2(file_.get(), name.c_str(), H5P_DEFAULT), H5Dclose);
  if (count > 0 &&
      H5Dread(dataset.get(), memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) < 0) {
    Fail(fmt::format("'{}' cannot be read as numbers of the expected type", name));
  }
  return values;
}

std::vector<float> H5Reader::Floats(const std::string& name) const {
  return Read<float>(name, H5T_NATIVE_FLOAT);
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
  const hsize_t count = Elements(Shape(name));
  H5Id dataset(H5Dopen2(file_.get(), name.c_str(), H5P_DEFAULT), H5Dclose);
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

FloatKind H5Reader::KindOf(const std::string& name) const {
  H5Id dataset(H5Dopen2(file_.get(), name.c_str(), H5P_DEFAULT), H5Dclose);
  H5Id type(H5Dget_type(dataset.get()), H5Tclose);
  return H5Tget_size(type.get()) == 2 ? FloatKind::kF16 : FloatKind::kF32;
}

bool H5Reader::HasAttribute(const std::string& name) const {
  return H5Aexists(file_.get(), name.c_str()) > 0;
}

std::string H5Reader::TextAttribute(const std::string& name) const {
  if (!HasAttribute(name)) Fail(fmt::format("has no attribute '{}'", name));
  H5Id attribute(H5Aopen(file_.get(), name.c_str(), H5P_DEFAULT), H5Aclose);
  H5Id type(H5Aget_type(attribute.get()), H5Tclose);
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
  H5Id attribute(H5Aopen(file_.get(), name.c_str(), H5P_DEFAULT), H5Aclose);
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
      file_.get(), H5_INDEX_NAME, H5_ITER_INC, nullptr,
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
      file_.get(), H5_INDEX_NAME, H5_ITER_INC, nullptr,
      [](hid_t, const char* name, const H5A_info_t*, void* out) -> herr_t {
        static_cast<std::vector<std::string>*>(out)->emplace_back(name);
        return 0;
      },
      &names);
  return names;
}

}  // namespace clipsweep
