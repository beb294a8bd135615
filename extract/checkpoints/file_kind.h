// What a file is, told by its content, whatever it is called: a checkpoint clipsweep reads, one
// that has to be converted first, half a download, or something else.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace clipsweep {

enum class FileKind { kSafetensors, kSafetensorsIndex, kTorchScript };

// Reads the first bytes and, of a zip archive, its directory; runs and unpickles nothing. Throws
// InputError naming what the file is instead: a pickle of torch.save with the command that converts
// it, half a download with its size and, where it is known, the whole one's, and the other files
// that are met in place of a checkpoint.
FileKind TellFileKind(const std::filesystem::path& path);

// "launch/convert_checkpoint.py a/pytorch_model.bin --out a/model.safetensors", for a shell; with
// `prefix`, the beginning of tensors' names that is to be left off.
std::string ConvertCommand(const std::filesystem::path& path, const std::string& prefix = "");

// "has 100000000 of 255827503 bytes (100 MB of 256 MB); the download broke off, fetch it again".
std::string BrokenOff(std::uint64_t has, std::uint64_t whole);

}  // namespace clipsweep
