// Serial HDF5 in and out, with the seal that every clipsweep file carries: the first 512 bytes (an
// HDF5 user block) hold the SHA-256 of all bytes that follow, so a flip anywhere is seen. Time
// stamps are off and strings have fixed width: equal content gives equal bytes. Not thread-safe;
// main thread only.
#pragma once

#include <hdf5.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace clipsweep {

inline constexpr std::uint64_t kUserBlock = 512;
// How every sealed file begins; 64 hex digits follow.
inline constexpr std::string_view kSealWord = "clipsweep sha256 ";

// Owns one HDF5 identifier of any kind.
class H5Id {
 public:
  using Closer = herr_t (*)(hid_t);
  H5Id() = default;
  H5Id(hid_t id, Closer closer) : id_(id), closer_(closer) {}
  H5Id(H5Id&& other) noexcept : id_(other.id_), closer_(other.closer_) { other.id_ = -1; }
  H5Id& operator=(H5Id&& other) noexcept;
  ~H5Id();
  hid_t get() const { return id_; }
  bool ok() const { return id_ >= 0; }
  // The checked close: false when HDF5 could not write what it still held.
  bool Close();

 private:
  hid_t id_ = -1;
  Closer closer_ = nullptr;
};

enum class FloatKind { kF32, kF16 };
FloatKind ParseFloatKind(std::string_view name);  // "f32" or "f16"; throws UsageError
std::string_view FloatKindName(FloatKind kind);

namespace hdf5 {
struct OpenFile;
struct WriteState;
}  // namespace hdf5

// Writes `path` by the commit protocol: to a temporary, sealed, fsynced, renamed by Commit(). A
// failed write throws InputError naming the file and what the system said, and removes the
// temporary; everything HDF5 held is released.
class H5Writer {
 public:
  explicit H5Writer(const std::filesystem::path& path);
  ~H5Writer();
  H5Writer(const H5Writer&) = delete;
  H5Writer& operator=(const H5Writer&) = delete;

  using Shape = std::vector<hsize_t>;
  void Write(const std::string& name, const Shape& shape, std::span<const float> values,
             FloatKind kind = FloatKind::kF32);
  void Write(const std::string& name, const Shape& shape, std::span<const double> values);
  void Write(const std::string& name, const Shape& shape, std::span<const std::int32_t> values);
  void Write(const std::string& name, const Shape& shape, std::span<const std::int64_t> values);
  void Write(const std::string& name, const std::vector<std::string>& texts);

  // A float data set [rows, width] filled in pieces: create, then append rows in order.
  void CreateRows(const std::string& name, hsize_t rows, hsize_t width, FloatKind kind);
  void AppendRows(const std::string& name, hsize_t first_row, hsize_t width,
                  std::span<const float> values);

  void Attribute(const std::string& name, const std::string& text);
  void Attribute(const std::string& name, std::int64_t value);
  void Attribute(const std::string& name, double value);

  void Commit();

 private:
  void WriteRaw(const std::string& name, const Shape& shape, hid_t file_type, hid_t memory_type,
                const void* data);
  void WriteScalar(const std::string& name, hid_t file_type, hid_t memory_type, const void* value);
  H5Id Create(const std::string& name, const Shape& shape, hid_t file_type);
  void Check(bool ok, const std::string& what);

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  std::unique_ptr<hdf5::WriteState> state_;
  H5Id file_;
};

enum class Seal {
  kCheck,
  kCheckedBefore,  // whoever opened it, or will, checks it
  kOfAPart,        // check; a part of unfinished work: it goes soon, so it is not kept open
};

// Opens a sealed file; the seal is checked first. Readers of one file share what open_files.h keeps
// open. Throws InputError naming the file and the part.
class H5Reader {
 public:
  explicit H5Reader(const std::filesystem::path& path, Seal seal = Seal::kCheck);

  bool Has(const std::string& name) const;
  std::vector<hsize_t> Shape(const std::string& name) const;
  std::vector<float> Floats(const std::string& name) const;
  // The rows first.. of a data set [N, width] that fill `rows` [n, width].
  void FloatRows(const std::string& name, hsize_t first, hsize_t width,
                 std::span<float> rows) const;
  std::vector<double> Doubles(const std::string& name) const;
  std::vector<std::int32_t> Int32s(const std::string& name) const;
  std::vector<std::int64_t> Int64s(const std::string& name) const;
  std::vector<std::string> Texts(const std::string& name) const;

  bool HasAttribute(const std::string& name) const;
  std::string TextAttribute(const std::string& name) const;
  std::int64_t IntAttribute(const std::string& name) const;
  double DoubleAttribute(const std::string& name) const;
  std::vector<std::string> DatasetNames() const;
  std::vector<std::string> AttributeNames() const;

  const std::filesystem::path& path() const { return path_; }
  // SHA-256 of the sealed bytes: the identity of the file.
  const std::string& seal() const;
  [[noreturn]] void Fail(const std::string& what) const;

 private:
  template <typename T>
  std::vector<T> Read(const std::string& name, hid_t memory_type) const;

  void ReadScalar(const std::string& name, hid_t memory_type, void* value) const;

  hid_t id() const;

  std::filesystem::path path_;
  std::shared_ptr<const hdf5::OpenFile> file_;
};

// The SHA-256 in the user block after checking it against the bytes. Throws InputError.
std::string CheckSeal(const std::filesystem::path& path);
// The same, of a file that this process may have checked before.
std::string SealOf(const std::filesystem::path& path);

}  // namespace clipsweep
