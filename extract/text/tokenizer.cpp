#include "extract/text/tokenizer.h"

#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <array>
#include <limits>
#include <sstream>

#include "extract/text/text_clean.h"
#include "extract/text/vocabulary.h"

namespace clipsweep {
namespace {

constexpr int kMerges = 49152 - 256 - 2;
const std::string kWordEnd = "</w>";
constexpr std::string_view kStart = "<start_of_text>", kEnd = "<end_of_text>";

void AppendUtf8(UChar32 point, std::string& out) { icu::UnicodeString(point).toUTF8String(out); }

// GPT-2's table: printable Latin-1 bytes stand for themselves, the others for 256, 257, ..
std::vector<std::pair<int, std::string>> ByteTexts() {
  std::vector<std::pair<int, std::string>> table;
  const auto printable = [](int b) {
    return (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE && b <= 0xFF);
  };
  for (int b = 0; b < 256; ++b) {
    if (printable(b)) {
      table.emplace_back(b, "");
      AppendUtf8(b, table.back().second);
    }
  }
  int next = 256;
  for (int b = 0; b < 256; ++b) {
    if (!printable(b)) {
      table.emplace_back(b, "");
      AppendUtf8(next++, table.back().second);
    }
  }
  return table;
}

enum class Kind { kSpace, kLetter, kNumber, kOther };

Kind KindOf(UChar32 point) {
  if (u_isUWhiteSpace(point) || (point >= 0x1c && point <= 0x1f)) return Kind::kSpace;
  // The reference's pattern, matched without regard to case, drops this mark: its upper case is a
  // letter.
  if (point == 0x345) return Kind::kSpace;
  const auto mask = U_MASK(u_charType(point));
  if ((mask & U_GC_L_MASK) != 0) return Kind::kLetter;
  if ((mask & U_GC_N_MASK) != 0) return Kind::kNumber;
  return Kind::kOther;
}

// The pieces of simple_tokenizer's pattern, in its order of preference: the two special tokens,
// contractions, runs of letters, single numbers, runs of anything else but space.
std::vector<std::string> SplitWords(const icu::UnicodeString& text) {
  static const std::array<icu::UnicodeString, 9> kFixed = {icu::UnicodeString("<start_of_text>"),
                                                           icu::UnicodeString("<end_of_text>"),
                                                           icu::UnicodeString("'s"),
                                                           icu::UnicodeString("'t"),
                                                           icu::UnicodeString("'re"),
                                                           icu::UnicodeString("'ve"),
                                                           icu::UnicodeString("'m"),
                                                           icu::UnicodeString("'ll"),
                                                           icu::UnicodeString("'d")};
  std::vector<std::string> words;
  for (int at = 0; at < text.length();) {
    int end = at;
    for (const auto& fixed : kFixed) {
      if (text.compare(at, fixed.length(), fixed) == 0) {
        end = at + fixed.length();
        break;
      }
    }
    if (end == at) {
      const Kind kind = KindOf(text.char32At(at));
      do {
        end = text.moveIndex32(end, 1);
      } while (kind != Kind::kNumber && end < text.length() && KindOf(text.char32At(end)) == kind);
      if (kind == Kind::kSpace) {
        at = end;
        continue;
      }
    }
    words.emplace_back();
    text.tempSubStringBetween(at, end).toUTF8String(words.back());
    at = end;
  }
  return words;
}

}  // namespace

Tokenizer::Tokenizer() {
  byte_text_.resize(256);
  std::int32_t next = 0;
  const auto bytes = ByteTexts();
  for (const auto& [byte, text] : bytes) {
    byte_text_[static_cast<std::size_t>(byte)] = text;
    id_of_[text] = next++;
  }
  for (const auto& entry : bytes) id_of_[entry.second + kWordEnd] = next++;
  std::istringstream lines(VocabularyText());
  std::string line;
  std::getline(lines, line);  // header
  for (std::int32_t rank = 0; rank < kMerges && std::getline(lines, line); ++rank) {
    const std::size_t space = line.find(' ');
    merge_rank_[line] = rank;
    id_of_[line.substr(0, space) + line.substr(space + 1)] = next++;
  }
  start_ = next++;
  end_ = next;
  id_of_[std::string(kStart)] = start_;
  id_of_[std::string(kEnd)] = end_;
}

void Tokenizer::EncodeWord(const std::string& word, std::vector<std::int32_t>& out) const {
  if (word == kStart || word == kEnd) {
    out.push_back(id_of_.at(word));
    return;
  }
  std::vector<std::string> parts;
  for (unsigned char byte : word) parts.push_back(byte_text_[byte]);
  parts.back() += kWordEnd;
  while (parts.size() > 1) {
    std::int32_t best = std::numeric_limits<std::int32_t>::max();
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      const auto found = merge_rank_.find(parts[i] + " " + parts[i + 1]);
      if (found != merge_rank_.end()) best = std::min(best, found->second);
    }
    if (best == std::numeric_limits<std::int32_t>::max()) break;
    std::vector<std::string> merged;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (i + 1 < parts.size()) {
        const auto found = merge_rank_.find(parts[i] + " " + parts[i + 1]);
        if (found != merge_rank_.end() && found->second == best) {
          merged.push_back(parts[i] + parts[i + 1]);
          ++i;
          continue;
        }
      }
      merged.push_back(parts[i]);
    }
    parts = std::move(merged);
  }
  for (const std::string& part : parts) out.push_back(id_of_.at(part));
}

std::vector<std::int32_t> Tokenizer::Encode(std::string_view text) const {
  icu::UnicodeString unicode = icu::UnicodeString::fromUTF8(CleanText(text));
  unicode.toLower(icu::Locale::getRoot());
  std::vector<std::int32_t> tokens;
  for (const std::string& word : SplitWords(unicode)) EncodeWord(word, tokens);
  return tokens;
}

std::vector<std::int32_t> Tokenizer::EncodePadded(std::string_view text, std::int64_t context,
                                                  bool* cut) const {
  std::vector<std::int32_t> tokens = Encode(text);
  tokens.insert(tokens.begin(), start_);
  tokens.push_back(end_);
  const bool long_text = static_cast<std::int64_t>(tokens.size()) > context;
  if (cut != nullptr) *cut = long_text;
  tokens.resize(static_cast<std::size_t>(context), 0);
  if (long_text) tokens.back() = end_;
  return tokens;
}

}  // namespace clipsweep
