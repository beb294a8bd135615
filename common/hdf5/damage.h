// Which parts of a sealed file that does not match its seal are damaged, as far as the checksums
// HDF5 keeps with each chunk tell.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace clipsweep {

struct DamagedRows {
  std::string dataset;
  std::int64_t first = 0, count = 0;  // rows that cannot be read
};

struct Damage {
  bool opens = false;             // HDF5 can open it and list what it holds
  std::vector<DamagedRows> rows;  // by data set
  // For a message: "'features' rows 512 to 1023"; "its HDF5 structure"; "the bytes between its data
  // sets, or the seal".
  std::string Describe() const;
};

// Reads in a child process, since damaged structure can crash HDF5.
Damage LocateDamage(const std::filesystem::path& path);

}  // namespace clipsweep
