#include "common/comm/message.h"

namespace clipsweep {

std::vector<std::string> GatherMessages(Comm& comm, const Message& mine) {
  // As the words that Gather carries: the length, then the bytes, the last word filled up.
  constexpr std::size_t kWord = sizeof(std::int64_t);
  const std::string& bytes = mine.bytes();
  std::vector<std::int64_t> words(1 + (bytes.size() + kWord - 1) / kWord, 0);
  words[0] = static_cast<std::int64_t>(bytes.size());
  if (!bytes.empty()) std::memcpy(words.data() + 1, bytes.data(), bytes.size());
  std::vector<std::string> all;
  for (const auto& theirs : comm.Gather(words)) {
    std::string& text = all.emplace_back(static_cast<std::size_t>(theirs.at(0)), '\0');
    if (!text.empty()) std::memcpy(text.data(), theirs.data() + 1, text.size());
  }
  return all;
}

}  // namespace clipsweep
