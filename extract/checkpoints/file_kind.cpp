#include "extract/checkpoints/file_kind.h"

#include <caffe2/serialize/inline_container.h>
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <vector>

#include "common/disk/plain_file.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "extract/checkpoints/model_config.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kMuch = std::size_t{1} << 20;  // of a pickle, where its first names are

[[noreturn]] void Refuse(const fs::path& path, const std::string& what) {
  throw InputError(fmt::format("{}: {}", Printable(path.string()), what));
}

// `count` bytes from `offset` on, fewer at the end of the file.
std::string Bytes(const fs::path& path, std::uint64_t offset, std::size_t count) {
  const PlainFile file(path);
  std::string bytes(count, '\0');
  bytes.resize(file.ReadAt(offset, bytes.data(), count));
  return bytes;
}

// Strings in a pickle: 'X' and four bytes of length, or, in newer protocols, one byte after 0x8c.
bool HasString(std::string_view pickle, std::string_view text) {
  const char length = static_cast<char>(text.size());
  const std::string before[] = {std::string{'X', length, '\0', '\0', '\0'},
                                std::string{'\x8c', length}};
  return std::ranges::any_of(before, [&](const std::string& start) {
    return pickle.find(start + std::string(text)) != std::string_view::npos;
  });
}

[[noreturn]] void RefusePickle(const fs::path& path, std::string_view pickle) {
  std::vector<std::string> found;
  for (const char* key : {"epoch", "state_dict", "optimizer", "optimizer_states",
                          "hyper_parameters", "model_state_dict"}) {
    if (HasString(pickle, key)) found.emplace_back(key);
  }
  const std::string what =
      found.empty() ? "a pickle of torch.save"
                    : fmt::format("a training checkpoint, a pickle of torch.save (with {})",
                                  fmt::join(found, ", "));
  Refuse(path, fmt::format("is {}; pickles can run code and are not opened. Convert it: {}", what,
                           ConvertCommand(path)));
}

// Size of the archive that OpenAI published under the name of this file, 0 where there is none.
std::uint64_t PublishedSize(const fs::path& path) {
  const std::string name = path.filename().string();
  return PublishedArchiveBytes(name.substr(0, name.find(".pt")));
}

bool HasZipEnd(const fs::path& path, std::uint64_t size) {
  constexpr std::uint64_t kFarthest = 22 + 65535;  // the end's record and the longest comment
  const std::uint64_t from = size > kFarthest ? size - kFarthest : 0;
  return Bytes(path, from, kFarthest).rfind("PK\x05\x06") != std::string::npos;
}

void RequireTorchScript(const fs::path& path, std::string_view start) {
  const std::uint64_t size = fs::file_size(path);
  if (!HasZipEnd(path, size)) {
    const std::uint64_t whole = PublishedSize(path);
    if (whole > size) Refuse(path, BrokenOff(size, whole));
    Refuse(path, fmt::format("is a zip archive of {} bytes without its end; the download broke "
                             "off, fetch it again",
                             size));
  }
  std::string pickle;
  try {
    caffe2::serialize::PyTorchStreamReader reader(path.string());
    if (reader.hasRecord("constants.pkl")) return;
    if (reader.hasRecord("data.pkl")) {
      const auto [data, bytes] = reader.getRecord("data.pkl");
      pickle.assign(static_cast<const char*>(data.get()), bytes);
    }
  } catch (const std::exception&) {
    // The first file's name stands in the first 30 + length bytes.
    std::uint16_t length = 0;
    if (start.size() > 30) std::memcpy(&length, start.data() + 26, sizeof length);
    const std::string first(start.size() > 30 ? start.substr(30, length) : "");
    if (first.find('/') != std::string::npos &&
        (first.ends_with("data.pkl") || first.ends_with("version"))) {
      Refuse(path, "is a damaged archive; fetch it again");
    }
    Refuse(path, fmt::format("is a zip archive that PyTorch did not write, or a damaged one; its "
                             "first file is '{}'. Give a CLIP checkpoint",
                             Printable(first)));
  }
  if (pickle.empty()) Refuse(path, "is a zip archive without weights; give a CLIP checkpoint");
  RefusePickle(path, pickle);
}

// Flax writes one msgpack map, whose first key is a string.
bool IsMsgpack(std::string_view start) {
  if (start.size() < 4) return false;
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(start[i]); };
  const unsigned key = (at(0) & 0xf0U) == 0x80 && at(0) != 0x80 ? at(1) : at(0) == 0xde ? at(3) : 0;
  return (key & 0xe0U) == 0xa0 || key == 0xd9;
}

// A protobuf whose first field is a small version, then the producer's name or the graph.
bool IsOnnx(std::string_view start) {
  return start.size() > 3 && start[0] == 0x08 && start[1] > 0 && start[1] < 32 &&
         (start[2] == 0x12 || start[2] == 0x1a || start[2] == 0x3a || start[2] == 0x42);
}

bool IsText(std::string_view start) {
  return std::ranges::all_of(
      start, [](char c) { return (c >= ' ' && c <= '~') || c == '\n' || c == '\r' || c == '\t'; });
}

// Files that are met in place of a checkpoint, by how they begin.
void RefuseStrangers(const fs::path& path, std::string_view start) {
  struct Stranger {
    std::string_view start, what;
  };
  constexpr std::string_view kOther = "clipsweep reads safetensors; fetch the model's";
  static const std::array<Stranger, 14> kStrangers{{
      {"version https://git-lfs", "is a Git LFS pointer, not the file itself; run git lfs pull"},
      {"\x89HDF", "is an HDF5 file, as Keras writes (tf_model.h5)"},
      {"GGUF", "is a GGUF file of llama.cpp"},
      {"\x93NUMPY", "is a NumPy array, not a checkpoint"},
      {"\x1f\x8b", "is gzip; unpack it first"},
      {"BZh", "is bzip2; unpack it first"},
      {"\xfd"
       "7zXZ",
       "is xz; unpack it first"},
      {"\x28\xb5\x2f\xfd", "is Zstandard; unpack it first"},
      {"7z\xbc\xaf", "is 7-Zip; unpack it first"},
      {"\x89PNG", "is a PNG image, not a checkpoint"},
      {"\xff\xd8\xff", "is a JPEG image, not a checkpoint"},
      {"%PDF", "is a PDF, not a checkpoint"},
      {"\x7f"
       "ELF",
       "is a program, not a checkpoint"},
      {"PK\x05\x06", "is an empty zip archive"},
  }};
  for (const Stranger& stranger : kStrangers) {
    if (!start.starts_with(stranger.start)) continue;
    const std::string what(stranger.what);
    Refuse(path, what.find(';') == std::string::npos ? fmt::format("{}; {}", what, kOther) : what);
  }
  if (start.size() > 262 && start.substr(257, 5) == "ustar") {
    Refuse(path, "is a tar archive; unpack it first");
  }
  if (IsMsgpack(start)) Refuse(path, fmt::format("is msgpack, as Flax writes; {}", kOther));
  if (IsOnnx(start)) Refuse(path, fmt::format("is an ONNX graph; {}", kOther));
  std::string_view text = start.substr(0, 200);
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  text.remove_prefix(std::min(text.find_first_not_of(" \r\n\t"), text.size()));
  if (text.starts_with("<")) {
    Refuse(path,
           "is an HTML or XML page, perhaps a server's error message; fetch the checkpoint again");
  }
  if (text.starts_with("{") || text.starts_with("[")) {
    Refuse(path, "is JSON; give the checkpoint itself");
  }
  if (!text.empty() && IsText(text)) {
    Refuse(path,
           fmt::format("is text ('{}'), perhaps a server's error message; fetch the "
                       "checkpoint again",
                       Printable(text.substr(0, std::min(text.find('\n'), std::size_t{60})))));
  }
}

std::string Quoted(const std::string& text) {
  const auto plain = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           std::string_view("_./@%+=:,-").find(c) != std::string_view::npos;
  };
  if (std::ranges::all_of(text, plain)) return text;
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string Megabytes(std::uint64_t bytes) {
  const double value = static_cast<double>(bytes) / 1e6;
  return value < 10 ? fmt::format("{:.1f} MB", value) : fmt::format("{:.0f} MB", value);
}

}  // namespace

FileKind TellFileKind(const fs::path& path) {
  const std::string start = Bytes(path, 0, 1024);
  if (start.empty()) Refuse(path, "is empty; fetch it again");
  // A safetensors file begins with a length in eight bytes; the ninth opens the header.
  if (start.size() > 8 && start[8] == '{' && start[7] == '\0') return FileKind::kSafetensors;
  if (start.starts_with("PK\x03\x04")) {
    RequireTorchScript(path, start);
    return FileKind::kTorchScript;
  }
  // Protocols 2 to 5, and the opening of older ones' dictionaries.
  if (start.size() > 1 && start[0] == '\x80' && start[1] >= 2 && start[1] <= 5) {
    RefusePickle(path, Bytes(path, 0, kMuch));
  }
  if (start[0] == '{' && path.filename().string().ends_with(".safetensors.index.json")) {
    return FileKind::kSafetensorsIndex;
  }
  if (start[0] == '{' && path.filename().string().ends_with(".bin.index.json")) {
    Refuse(path,
           "is the index of pickles of torch.save, which can run code and are not opened. "
           "Convert them: " +
               ConvertCommand(path));
  }
  RefuseStrangers(path, start);
  return FileKind::kSafetensors;
}

std::string ConvertCommand(const fs::path& path, const std::string& prefix) {
  std::string name = path.filename().string();
  for (const char* ending : {".index.json", ".bin", ".tar", ".pth", ".ckpt", ".pt"}) {
    if (name.ends_with(ending)) name.erase(name.size() - std::strlen(ending));
  }
  if (name == "pytorch_model") name = "model";
  if (name == "open_clip_pytorch_model") name = "open_clip_model";
  if (name.ends_with(".safetensors")) name = "clip-" + name.substr(0, name.rfind('.'));
  const std::string take_off = prefix.empty() ? "" : " --prefix " + Quoted(prefix);
  return Printable(fmt::format("launch/convert_checkpoint.py {}{} --out {}", Quoted(path.string()),
                               take_off,
                               Quoted((path.parent_path() / (name + ".safetensors")).string())));
}

std::string BrokenOff(std::uint64_t has, std::uint64_t whole) {
  const std::string rounded =
      whole < 1'000'000 ? "" : fmt::format(" ({} of {})", Megabytes(has), Megabytes(whole));
  return fmt::format("has {} of {} bytes{}; the download broke off, fetch it again", has, whole,
                     rounded);
}

}  // namespace clipsweep
