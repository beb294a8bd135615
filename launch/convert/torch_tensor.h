// A plain tensor saved by torch.save: a zip archive of a pickle and the numbers.
#pragma once

#include <filesystem>

#include "launch/convert/array.h"

namespace clipsweep {

// No code in the file runs (tensor_pickle.h); all places and sizes are held against the bytes that
// are there. Throws InputError saying what else the file holds.
Array ReadTorchTensor(const std::filesystem::path& path);

}  // namespace clipsweep
