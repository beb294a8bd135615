// SHA-256 (OpenSSL) of buffers and files, as lower-case hex.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace clipsweep {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void Update(std::span<const std::byte> bytes);
  void Update(std::string_view text) { Update(std::as_bytes(std::span(text))); }
  // 64 hex digits; the object is spent afterwards.
  std::string Hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string Sha256Hex(std::string_view text);

// SHA-256 of the file's bytes from `offset` on. Throws InputError naming the file.
class PlainFile;
std::string Sha256Of(const PlainFile& file, std::uint64_t offset = 0);
std::string FileSha256(const std::filesystem::path& path, std::uint64_t offset = 0);

}  // namespace clipsweep
