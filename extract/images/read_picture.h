// A picture file's bytes, where what keeps them from being read is said of that picture.
#pragma once

#include <filesystem>
#include <string>

namespace clipsweep {

// Throws ImageError with what is wrong, to stand behind the path: it is a link that leads nowhere,
// may not be opened, is a folder, pipe, socket or device (which is never opened, so that nothing
// waits), holds more than kMaxImageBytes. Throws InputError naming the path for what says nothing
// about this picture: there is no such file (any more), or the system has no memory or descriptors.
std::string ReadPicture(const std::filesystem::path& path);

}  // namespace clipsweep
