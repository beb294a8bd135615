// Shared by the HDF5 reader and writer; nobody else includes it.
#pragma once

#include <functional>
#include <numeric>
#include <string_view>
#include <vector>

#include "common/hdf5/hdf5_file.h"

namespace clipsweep::hdf5 {

// HDF5 prints stacks of its own on stderr unless told not to; our errors are one line.
inline void Quiet() {
  static const herr_t once = [] {
    H5dont_atexit();  // after a failed write the library's own clean-up crashes; we close what we
                      // open
    return H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  }();
  (void)once;
}

inline hsize_t Elements(const std::vector<hsize_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), hsize_t{1}, std::multiplies<>());
}

}  // namespace clipsweep::hdf5
