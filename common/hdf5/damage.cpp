#include "common/hdf5/damage.h"

#include <fmt/core.h>
#include <hdf5.h>

#include <algorithm>
#include <sstream>

#include "common/hdf5/hdf5_file.h"
#include "common/hdf5/hdf5_structure.h"
#include "common/process/child.h"
#include "common/process/error.h"

namespace clipsweep {
namespace {

constexpr hsize_t kMostChunkBytes = hsize_t{1} << 28;

using Send = std::function<void(const std::string&)>;

// In the child. Rows are read chunk by chunk: a chunk is what one checksum covers.
void ProbeDataset(hid_t file, const std::string& name, const Send& send) {
  const auto report = [&](hsize_t first, hsize_t count) {
    send(fmt::format("rows {} {} {}\n", name, first, count));
  };
  const H5Id dataset(H5Dopen2(file, name.c_str(), H5P_DEFAULT), H5Dclose);
  if (!dataset.ok()) return report(0, 0);
  const H5Id space(H5Dget_space(dataset.get()), H5Sclose);
  const H5Id type(H5Dget_type(dataset.get()), H5Tclose);
  const H5Id plan(H5Dget_create_plist(dataset.get()), H5Pclose);
  const int rank = H5Sget_simple_extent_ndims(space.get());
  if (rank < 1 || rank > 8 || !type.ok() || !plan.ok()) return report(0, 0);
  std::vector<hsize_t> shape(static_cast<std::size_t>(rank)), chunk(shape.size());
  H5Sget_simple_extent_dims(space.get(), shape.data(), nullptr);
  const bool chunked = H5Pget_layout(plan.get()) == H5D_CHUNKED &&
                       H5Pget_chunk(plan.get(), rank, chunk.data()) == rank;
  if (shape[0] == 0) return;
  const hsize_t step = chunked ? std::clamp<hsize_t>(chunk[0], 1, shape[0]) : shape[0];
  hsize_t bytes = H5Tget_size(type.get());
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const hsize_t side = i == 0 ? step : shape[i];
    if (side > 0 && bytes > kMostChunkBytes / side) return report(0, shape[0]);
    bytes *= side;
  }
  std::vector<char> values(std::max<hsize_t>(bytes, 1));
  for (hsize_t first = 0; first < shape[0]; first += step) {
    send("alive\n");
    std::vector<hsize_t> start(shape.size(), 0), count = shape;
    start[0] = first;
    count[0] = std::min(step, shape[0] - first);
    const H5Id memory(H5Screate_simple(rank, count.data(), nullptr), H5Sclose);
    if (H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, count.data(),
                            nullptr) < 0 ||
        H5Dread(dataset.get(), type.get(), memory.get(), space.get(), H5P_DEFAULT, values.data()) <
            0) {
      report(first, count[0]);
    }
  }
}

void Probe(const std::filesystem::path& path, const Send& send) {
  const H5Reader reader(path, Seal::kCheckedBefore);
  const auto names = reader.DatasetNames();
  for (const std::string& name : reader.AttributeNames()) {
    try {
      reader.TextAttribute(name);
    } catch (...) {
      reader.DoubleAttribute(name);
    }
  }
  send("opens\n");
  const H5Id file = hdf5::OpenForReading(path);
  for (const std::string& name : names) {
    if (std::any_of(name.begin(), name.end(), [](unsigned char c) { return c <= ' '; })) continue;
    try {
      reader.Shape(name);  // throws when it claims more than is stored
      ProbeDataset(file.get(), name, send);
    } catch (const Error&) {
      send(fmt::format("rows {} 0 0\n", name));
    }
  }
}

}  // namespace

std::string Damage::Describe() const {
  if (!opens) return "its HDF5 structure";
  std::string text;
  for (const DamagedRows& part : rows) {
    if (!text.empty()) text += ", ";
    text += part.count > 0 ? fmt::format("'{}' rows {} to {}", part.dataset, part.first,
                                         part.first + part.count - 1)
                           : fmt::format("'{}'", part.dataset);
  }
  return text.empty() ? "the bytes between its data sets, or the seal" : text;
}

Damage LocateDamage(const std::filesystem::path& path) {
  const ChildResult child = RunInChild([&](const Send& send) { Probe(path, send); });
  Damage damage;
  std::istringstream lines(child.output);
  std::string word;
  while (lines >> word) {
    if (word == "opens") damage.opens = true;
    DamagedRows part;
    if (word == "rows" && lines >> part.dataset >> part.first >> part.count) {
      damage.rows.push_back(std::move(part));
    }
  }
  if (!child.ended) damage.opens = false;
  return damage;
}

}  // namespace clipsweep
