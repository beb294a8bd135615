#include "common/hdf5/hdf5_driver.h"

#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif
#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include "common/disk/file_system.h"

namespace clipsweep::hdf5 {
namespace {

constexpr haddr_t kMaxAddress = (haddr_t{1} << 62) - 1;

// What HDF5 copies along with the property list.
struct Access {
  WriteState* state;
};

struct DriverFile {
  H5FD_t base;  // first: HDF5 knows the file by it
  int fd;
  haddr_t end_of_allocation, end_of_file;
  WriteState* state;
};

DriverFile& Of(H5FD_t* file) { return *reinterpret_cast<DriverFile*>(file); }
const DriverFile& Of(const H5FD_t* file) { return *reinterpret_cast<const DriverFile*>(file); }

void Note(WriteState& state, const char* what) {
  if (state.failure.empty())
    state.failure = fmt::format("{} failed: {}", what, std::strerror(errno));
}

H5FD_t* Open(const char* name, unsigned flags, hid_t access, haddr_t maxaddr) {
  const auto* info = static_cast<const Access*>(H5Pget_driver_info(access));
  if (info == nullptr || maxaddr == 0 || (flags & H5F_ACC_TRUNC) == 0) return nullptr;
  int fd = -1;
  for (int tries = 0; fd < 0 && tries < kMostRetries; ++tries) {
    fd = Files().Open(name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
    if (fd < 0 && errno != EINTR) break;
  }
  if (fd < 0) {
    Note(*info->state, "open");
    return nullptr;
  }
  auto* file = new (std::nothrow) DriverFile{};
  if (file == nullptr) {
    Files().Close(fd);
    return nullptr;
  }
  file->fd = fd;
  file->state = info->state;
  return &file->base;
}

herr_t Close(H5FD_t* base) {
  DriverFile& file = Of(base);
  if (Files().Close(file.fd) != 0 && errno != EINTR) Note(*file.state, "close");
  delete &file;
  return 0;
}

int Compare(const H5FD_t* a, const H5FD_t* b) { return Of(a).fd - Of(b).fd; }

// As HDF5's own POSIX driver, so that files have the same layout.
herr_t Query(const H5FD_t*, unsigned long* flags) {
  *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
           H5FD_FEAT_AGGREGATE_SMALLDATA | H5FD_FEAT_DEFAULT_VFD_COMPATIBLE;
  return 0;
}

haddr_t GetAllocationEnd(const H5FD_t* file, H5FD_mem_t) { return Of(file).end_of_allocation; }
haddr_t GetFileEnd(const H5FD_t* file, H5FD_mem_t) { return Of(file).end_of_file; }
herr_t SetAllocationEnd(H5FD_t* file, H5FD_mem_t, haddr_t end) {
  Of(file).end_of_allocation = end;
  return 0;
}

herr_t Read(H5FD_t* base, H5FD_mem_t, hid_t, haddr_t at, std::size_t size, void* buffer) {
  char* to = static_cast<char*>(buffer);
  while (size > 0) {
    const ssize_t got = ::pread(Of(base).fd, to, size, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0) break;
    to += got;
    at += static_cast<haddr_t>(got);
    size -= static_cast<std::size_t>(got);
  }
  std::fill_n(to, size, '\0');  // beyond the end
  return 0;
}

herr_t Write(H5FD_t* base, H5FD_mem_t, hid_t, haddr_t at, std::size_t size, const void* data) {
  DriverFile& file = Of(base);
  if (file.state->failure.empty() && !WriteFully(file.fd, data, size, static_cast<off_t>(at))) {
    Note(*file.state, "write");
  }
  file.end_of_file = std::max(file.end_of_file, at + size);
  return 0;
}

herr_t Truncate(H5FD_t* base, hid_t, hbool_t) {
  DriverFile& file = Of(base);
  if (file.end_of_allocation == file.end_of_file) return 0;
  if (file.state->failure.empty()) {
    int result = -1;
    for (int tries = 0; result != 0 && tries < kMostRetries; ++tries) {
      result = Files().Truncate(file.fd, static_cast<off_t>(file.end_of_allocation));
      if (result != 0 && errno != EINTR) break;
    }
    if (result != 0) Note(*file.state, "truncate");
  }
  file.end_of_file = file.end_of_allocation;
  return 0;
}

H5FD_class_t MakeClass() {
  H5FD_class_t driver{};
#if H5_VERSION_GE(1, 13, 0)
  driver.version = H5FD_CLASS_VERSION;
  driver.value = static_cast<H5FD_class_value_t>(300);  // from HDF5's range for private drivers
#endif
  driver.name = "clipsweep";
  driver.maxaddr = kMaxAddress;
  driver.fc_degree = H5F_CLOSE_WEAK;
  driver.fapl_size = sizeof(Access);
  driver.open = Open;
  driver.close = Close;
  driver.cmp = Compare;
  driver.query = Query;
  driver.get_eoa = GetAllocationEnd;
  driver.set_eoa = SetAllocationEnd;
  driver.get_eof = GetFileEnd;
  driver.read = Read;
  driver.write = Write;
  driver.truncate = Truncate;
  const H5FD_mem_t map[H5FD_MEM_NTYPES] = H5FD_FLMAP_DICHOTOMY;
  std::copy_n(map, static_cast<std::size_t>(H5FD_MEM_NTYPES), driver.fl_map);
  return driver;
}

}  // namespace

hid_t MakeWriteAccess(WriteState* state) {
  static const H5FD_class_t driver = MakeClass();
  static const hid_t id = H5FDregister(&driver);
  const Access info{state};
  const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  H5Pset_driver(access, id, &info);
  return access;
}

}  // namespace clipsweep::hdf5
