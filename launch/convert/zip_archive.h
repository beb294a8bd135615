// Zip archives, by libzip: what .npz files and those of torch.save are.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

struct zip;

namespace clipsweep {

class ZipArchive {
 public:
  // Reads the directory alone. Throws InputError.
  explicit ZipArchive(const std::filesystem::path& path);
  ~ZipArchive();
  ZipArchive(const ZipArchive&) = delete;
  ZipArchive& operator=(const ZipArchive&) = delete;

  // Name -> number of the entry.
  const std::map<std::string, std::uint64_t>& entries() const { return entries_; }
  bool Has(const std::string& name) const { return entries_.contains(name); }
  // All bytes of an entry, its checksum held against them. Throws InputError, before anything is
  // allocated where the entry claims to be larger than its compressed bytes can make it, or so much
  // larger that nobody's arrays are.
  std::string Read(const std::string& name) const;

 private:
  [[noreturn]] void Fail(const std::string& name, const std::string& what) const;

  std::filesystem::path path_;
  ::zip* zip_ = nullptr;
  std::map<std::string, std::uint64_t> entries_;
};

// An entry to write: its pieces one after another. The bytes are the caller's until the end.
struct ZipEntry {
  std::string name;
  std::vector<std::string_view> pieces;
};

// The bytes of an archive of these entries, not compressed and without times: equal content gives
// equal bytes. `use` gets them in pieces, in order.
void MakeZip(const std::vector<ZipEntry>& entries,
             const std::function<void(std::string_view)>& use);

}  // namespace clipsweep
