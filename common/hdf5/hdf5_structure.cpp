#include "common/hdf5/hdf5_structure.h"

#include <fmt/core.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "common/hdf5/hdf5_attributes.h"
#include "common/hdf5/hdf5_internal.h"
#include "common/process/child.h"
#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep::hdf5 {
namespace {

using Send = std::function<void(const std::string&)>;

constexpr int kSilenceSeconds = 15;
constexpr std::size_t kMostParts = 1'000'000;         // data sets, attributes
constexpr std::size_t kMostTextBytes = 1 << 20;       // of one text in a data set
constexpr std::size_t kMostAttributeBytes = 1 << 16;  // as much as HDF5 keeps in a header
constexpr std::size_t kMostNameBytes = 1024;
constexpr int kMostDimensions = 8;
constexpr rlim_t kChildMemory = rlim_t{1} << 30;  // beyond what it has at its start

// What the child finds wrong; it becomes one line of the parent's.
struct Finding {
  std::string text;
};

[[noreturn]] void Refuse(const std::string& part, const std::string& what) {
  throw Finding{fmt::format("{} {}", part, what)};
}

// Exactly these: HDF5 does arithmetic with the bit fields of others.
bool IsPlainNumber(hid_t type) {
  static const std::vector<hid_t> plain = [] {
    const hid_t half = H5Tcopy(H5T_IEEE_F32LE);
    H5Tset_fields(half, 15, 10, 5, 0, 10);
    H5Tset_size(half, 2);
    H5Tset_ebias(half, 15);
    return std::vector<hid_t>{half,          H5T_IEEE_F32LE, H5T_IEEE_F64LE, H5T_STD_I64LE,
                              H5T_STD_I32LE, H5T_STD_I16LE,  H5T_STD_I8LE,   H5T_STD_U64LE,
                              H5T_STD_U32LE, H5T_STD_U16LE,  H5T_STD_U8LE};
  }();
  return std::any_of(plain.begin(), plain.end(),
                     [&](hid_t one) { return H5Tequal(type, one) > 0; });
}

// Returns the bytes of one value.
std::size_t CheckType(const std::string& part, hid_t type, std::size_t most_text) {
  if (type < 0) Refuse(part, "has a type that cannot be read");
  if (H5Tcommitted(type) != 0) Refuse(part, "has a type that is kept elsewhere in the file");
  const std::size_t size = H5Tget_size(type);
  if (H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0) {
    if (size == 0 || size > most_text) Refuse(part, fmt::format("holds texts of {} bytes", size));
    return size;
  }
  if (!IsPlainNumber(type)) Refuse(part, "holds neither plain numbers nor texts of fixed width");
  return size;
}

// Every chunk is there in its full size: HDF5 does not look at that before it takes a chunk apart.
void CheckChunks(const std::string& part, hid_t dataset, hid_t plan,
                 const std::vector<hsize_t>& shape, hsize_t bytes, const Send& send) {
  std::vector<hsize_t> chunk(shape.size());
  const int rank = static_cast<int>(shape.size());
  if (H5Pget_chunk(plan, rank, chunk.data()) != rank) Refuse(part, "has no size of its chunks");
  unsigned options = 0;
  if (H5Pget_chunk_opts(plan, &options) < 0 || options != 0 || H5Pget_nfilters(plan) != 1)
    Refuse(part, "is stored in chunks without their checksums");
  hsize_t chunk_bytes = bytes, chunks = 1;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (chunk[i] == 0 || chunk[i] > std::max<hsize_t>(shape[i], 1))
      Refuse(part, "has chunks larger than itself");
    chunk_bytes *= chunk[i];  // at most what all of it has
    chunks *= (shape[i] + chunk[i] - 1) / chunk[i];
  }
  constexpr hsize_t kFewChunks = 64, kLeastBytes = 1024;
  if (chunks > kFewChunks && chunk_bytes < kLeastBytes) Refuse(part, "is cut into tiny chunks");
  constexpr hsize_t kChecksumBytes = 4, kAliveEvery = 4096;
  std::vector<hsize_t> at(shape.size(), 0);
  for (hsize_t number = 0; number < chunks; ++number) {
    if (number % kAliveEvery == 0) send("alive\n");
    hsize_t stored = 0;
    if (H5Dget_chunk_storage_size(dataset, at.data(), &stored) < 0 ||
        stored != chunk_bytes + kChecksumBytes)
      Refuse(part, "has a chunk of another size than it must have");
    for (std::size_t i = shape.size(); i-- > 0;) {
      at[i] += chunk[i];
      if (at[i] < shape[i]) break;
      at[i] = 0;
    }
  }
}

void CheckDataset(hid_t file, const std::string& name, hsize_t file_bytes, const Send& send) {
  const std::string part = fmt::format("'{}'", Printable(name));
  const H5Id dataset(H5Dopen2(file, name.c_str(), H5P_DEFAULT), H5Dclose);
  const H5Id plan(dataset.ok() ? H5Dget_create_plist(dataset.get()) : -1, H5Pclose);
  if (!plan.ok()) Refuse(part, "is no data set that can be opened");
  if (H5Pget_external_count(plan.get()) != 0) Refuse(part, "is stored in another file");
  const H5D_layout_t layout = H5Pget_layout(plan.get());
  if (layout == H5D_VIRTUAL) Refuse(part, "is a view of other files");
  if (layout != H5D_CHUNKED && layout != H5D_CONTIGUOUS)
    Refuse(part, "is neither contiguous nor in chunks");
  const int filters = H5Pget_nfilters(plan.get());
  for (int i = 0; i < filters; ++i) {
    unsigned flags = 0, config = 0;
    std::size_t values = 0;
    const auto filter = H5Pget_filter2(plan.get(), static_cast<unsigned>(i), &flags, &values,
                                       nullptr, 0, nullptr, &config);
    if (filter != H5Z_FILTER_FLETCHER32)
      Refuse(part, fmt::format("needs the HDF5 filter {}, not Fletcher-32 alone",
                               static_cast<int>(filter)));
  }
  const H5Id type(H5Dget_type(dataset.get()), H5Tclose);
  hsize_t bytes = CheckType(part, type.get(), kMostTextBytes);
  const hsize_t value_bytes = bytes;
  const H5Id space(H5Dget_space(dataset.get()), H5Sclose);
  const int rank = space.ok() && H5Sget_simple_extent_type(space.get()) == H5S_SIMPLE
                       ? H5Sget_simple_extent_ndims(space.get())
                       : -1;
  if (rank < 1 || rank > kMostDimensions) Refuse(part, "is no table of 1 to 8 dimensions");
  std::vector<hsize_t> shape(static_cast<std::size_t>(rank));
  H5Sget_simple_extent_dims(space.get(), shape.data(), nullptr);
  for (const hsize_t side : shape) {
    if (side != 0 && bytes > file_bytes / side) Refuse(part, "claims more values than are stored");
    bytes *= side;
  }
  if (bytes == 0) return;  // nothing of it is looked up
  if (H5Dget_storage_size(dataset.get()) < bytes)
    Refuse(part, "claims more values than are stored");
  if (layout == H5D_CHUNKED) {
    CheckChunks(part, dataset.get(), plan.get(), shape, value_bytes, send);
  } else if (filters != 0 || H5Dget_offset(dataset.get()) == HADDR_UNDEF ||
             H5Dget_offset(dataset.get()) > file_bytes - bytes) {
    Refuse(part, "is stored beyond the end of the file");
  }
}

void CheckAttribute(hid_t file, const std::string& name) {
  const std::string part = fmt::format("attribute '{}'", Printable(name));
  const H5Id attribute(H5Aopen(file, name.c_str(), H5P_DEFAULT), H5Aclose);
  const H5Id type(attribute.ok() ? H5Aget_type(attribute.get()) : -1, H5Tclose);
  const std::size_t bytes = CheckType(part, type.get(), kMostAttributeBytes);
  const H5Id space(H5Aget_space(attribute.get()), H5Sclose);
  const hsize_t stored = H5Aget_storage_size(attribute.get());
  if (!space.ok() || H5Sget_simple_extent_npoints(space.get()) != 1 || stored != bytes)
    Refuse(part, "is not one number or text");
  std::vector<char> value(bytes);
  if (H5Aread(attribute.get(), type.get(), value.data()) < 0) Refuse(part, "cannot be read");
}

struct Names {
  std::vector<std::string> links, attributes;
  std::string wrong;  // why the listing was broken off
};

bool IsPlainName(const char* name) {
  const std::string_view text(name, ::strnlen(name, kMostNameBytes + 1));
  return !text.empty() && text.size() <= kMostNameBytes && text != "." &&
         text.find('/') == std::string_view::npos;
}

herr_t TakeLink(hid_t, const char* name, const H5L_info_t* info, void* out) {
  Names& names = *static_cast<Names*>(out);
  if (!IsPlainName(name)) {
    names.wrong = "it has a data set without a plain name";
  } else if (info->type != H5L_TYPE_HARD) {
    names.wrong = fmt::format("'{}' is a link to {}", Printable(name),
                              info->type == H5L_TYPE_SOFT ? "another name" : "another file");
  } else if (names.links.size() == kMostParts) {
    names.wrong = "it has too many data sets";
  } else {
    names.links.emplace_back(name);
  }
  return names.wrong.empty() ? 0 : 1;
}

herr_t TakeAttribute(hid_t, const char* name, const H5A_info_t*, void* out) {
  Names& names = *static_cast<Names*>(out);
  if (names.attributes.size() == kMostParts) names.wrong = "it has too many attributes";
  names.attributes.emplace_back(name);
  return names.wrong.empty() ? 0 : 1;
}

void CheckFile(const std::filesystem::path& path, const Send& send) {
  if (const std::string problem = AttributeProblem(path); !problem.empty())
    throw Finding{Printable(problem)};
  const H5Id file = OpenForReading(path);
  if (!file.ok()) throw Finding{"HDF5 cannot open it"};
  Names names;
  if (H5Literate(file.get(), H5_INDEX_NAME, H5_ITER_INC, nullptr, TakeLink, &names) < 0)
    throw Finding{"its data sets cannot be listed"};
  if (names.wrong.empty() &&
      H5Aiterate2(file.get(), H5_INDEX_NAME, H5_ITER_INC, nullptr, TakeAttribute, &names) < 0)
    throw Finding{"its attributes cannot be read"};
  if (!names.wrong.empty()) throw Finding{names.wrong};
  for (const std::string& name : names.attributes) {
    send("alive\n");
    CheckAttribute(file.get(), name);
  }
  const auto bytes = static_cast<hsize_t>(std::filesystem::file_size(path));
  for (const std::string& name : names.links) {
    send("alive\n");
#if H5_VERSION_GE(1, 12, 0)
    H5O_info1_t info;
#else
    H5O_info_t info;
#endif
    if (H5Oget_info_by_name2(file.get(), name.c_str(), &info, H5O_INFO_BASIC, H5P_DEFAULT) < 0 ||
        info.type != H5O_TYPE_DATASET)
      throw Finding{fmt::format("'{}' is no data set", Printable(name))};
    CheckDataset(file.get(), name, bytes, send);
  }
}

// Sizes in a hostile file must not take the memory of the machine.
void BoundMemory() {
  rlim_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  const rlim_t most = pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE)) + kChildMemory;
  rlimit limit{};
  if (pages == 0 || ::getrlimit(RLIMIT_AS, &limit) != 0) return;
  limit.rlim_cur = std::min(limit.rlim_cur, most);
  ::setrlimit(RLIMIT_AS, &limit);
}

}  // namespace

H5Id OpenForReading(const std::filesystem::path& path) {
  Quiet();
  const H5Id access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  H5Pset_file_locking(access.get(), /*use_file_locking=*/false, /*ignore_when_disabled=*/true);
  return {H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.get()), H5Fclose};
}

void CheckStructure(const std::filesystem::path& path) {
  Quiet();  // in this process, not the child alone
  const ChildResult child = RunInChild(
      [&](const Send& send) {
        BoundMemory();
        try {
          CheckFile(path, send);
          send("sound\n");
        } catch (const Finding& finding) {
          send("wrong\n" + finding.text);
        }
      },
      kSilenceSeconds);
  constexpr std::string_view kWrong = "wrong\n";
  if (const std::size_t at = child.output.find(kWrong); at != std::string::npos) {
    throw InputError(fmt::format("{}: {}; it is damaged or hostile, make it again", path.string(),
                                 child.output.substr(at + kWrong.size())));
  }
  if (child.hostile) {
    throw InputError(
        fmt::format("{}: HDF5 crashes over its structure; it is damaged or hostile, make it again",
                    path.string()));
  }
  if (!child.ended || !child.output.ends_with("sound\n")) {
    throw InternalError(fmt::format(
        "{}: could not be looked at: the process that did was ended, or waited {} s for the disk; "
        "try again",
        path.string(), kSilenceSeconds));
  }
}

}  // namespace clipsweep::hdf5
