#include "common/disk/sha256.h"

#include <fmt/core.h>
#include <openssl/evp.h>

#include <array>
#include <vector>

#include "common/disk/plain_file.h"
#include "common/process/error.h"
#include "common/process/liveness.h"

namespace clipsweep {

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  if (state_->context == nullptr ||
      EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) != 1) {
    throw InternalError("OpenSSL offers no SHA-256 here");
  }
}

Sha256::~Sha256() = default;

void Sha256::Update(std::span<const std::byte> bytes) {
  EVP_DigestUpdate(state_->context, bytes.data(), bytes.size());
}

std::string Sha256::Hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  EVP_DigestFinal_ex(state_->context, digest.data(), &length);
  std::string hex;
  for (unsigned int i = 0; i < length; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

std::string Sha256Hex(std::string_view text) {
  Sha256 hash;
  hash.Update(text);
  return hash.Hex();
}

std::string FileSha256(const std::filesystem::path& path, std::uint64_t offset) {
  return Sha256Of(PlainFile(path), offset);
}

std::string Sha256Of(const PlainFile& file, std::uint64_t offset) {
  Sha256 hash;
  std::vector<char> buffer(std::size_t{1} << 20);
  for (std::size_t got = buffer.size(); got == buffer.size(); offset += got) {
    got = file.ReadAt(offset, buffer.data(), buffer.size());
    MadeProgress();
    hash.Update(std::as_bytes(std::span(buffer.data(), got)));
  }
  return hash.Hex();
}

}  // namespace clipsweep
