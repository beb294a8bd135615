#include "launch/convert/npy.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>

namespace clipsweep {
namespace {

constexpr std::size_t kMostHeader = 1 << 16;  // of structured types, which are refused, longer
constexpr std::size_t kMostAxes = 32;         // as in NumPy
constexpr std::size_t kAlign = 64;

[[noreturn]] void Malformed(const char* what) {
  throw NpyError(fmt::format("its header {}; save it again with numpy.save", what));
}

// The dictionary, a token at a time.
class Dictionary {
 public:
  explicit Dictionary(std::string_view text) : text_(text) {}

  bool Take(char c) {
    SkipBlanks();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void Need(char c) {
    if (!Take(c)) Malformed("is no dictionary of descr, fortran_order and shape");
  }
  std::string Text() {
    SkipBlanks();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') Malformed("has a name without quotes");
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) Malformed("breaks off in a name");
    const std::string text(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return text;
  }
  bool Truth() {
    SkipBlanks();
    for (const auto& [word, value] :
         {std::pair{std::string_view("True"), true}, std::pair{std::string_view("False"), false}}) {
      if (text_.substr(at_).starts_with(word)) {
        at_ += word.size();
        return value;
      }
    }
    Malformed("has a fortran_order that is neither True nor False");
  }
  std::int64_t Length() {
    SkipBlanks();
    std::int64_t value = 0;
    const std::size_t begin = at_;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      if (value > std::numeric_limits<std::int64_t>::max() / 10 - 1)
        Malformed("has a length that no file has");
      value = 10 * value + (text_[at_] - '0');
    }
    if (begin == at_) Malformed("has a length that is no number");
    return value;
  }
  bool Ended() {
    SkipBlanks();
    return at_ == text_.size();
  }

 private:
  void SkipBlanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) {
      ++at_;
    }
  }
  std::string_view text_;
  std::size_t at_ = 0;
};

void SetType(const std::string& descr, NpyHeader& header) {
  static const std::map<std::string, ElementType> kTypes = {
      {"f2", ElementType::kF16}, {"f4", ElementType::kF32}, {"f8", ElementType::kF64},
      {"i1", ElementType::kI8},  {"i2", ElementType::kI16}, {"i4", ElementType::kI32},
      {"i8", ElementType::kI64}, {"u1", ElementType::kU8},  {"u2", ElementType::kU16},
      {"u4", ElementType::kU32}, {"u8", ElementType::kU64}, {"b1", ElementType::kBool}};
  const std::string_view orders = "<>|=";
  std::string kind = descr;
  if (!kind.empty() && orders.find(kind[0]) != std::string_view::npos) kind.erase(0, 1);
  header.big_endian = !descr.empty() && descr[0] == '>';
  if (kind.starts_with('O')) {
    throw NpyError(
        "holds Python objects, which are pickles, and pickles are never run; save numbers, or "
        "names as text: numpy.array(names, dtype=str)");
  }
  const auto known = kTypes.find(kind);
  if (known != kTypes.end()) {
    header.type = known->second;
    header.element_bytes = BytesOfType(header.type);
    return;
  }
  const bool text = kind.size() >= 2 && kind.size() <= 7 && (kind[0] == 'U' || kind[0] == 'S') &&
                    kind.find_first_not_of("0123456789", 1) == std::string::npos;
  if (!text) {
    std::string shown;
    for (const char c : descr.substr(0, 40)) shown += c >= ' ' && c <= '~' ? c : '?';
    throw NpyError(fmt::format(
        "holds values of type '{}'; floating and whole numbers and texts are read", shown));
  }
  header.type = kind[0] == 'U' ? ElementType::kUtf32 : ElementType::kUtf8;
  const std::size_t width = std::stoul(kind.substr(1));
  if (width == 0) throw NpyError("holds texts that are all empty");
  header.element_bytes = width * (header.type == ElementType::kUtf32 ? 4 : 1);
}

std::vector<std::int64_t> Shape(Dictionary& text) {
  std::vector<std::int64_t> shape;
  text.Need('(');
  while (!text.Take(')')) {
    if (shape.size() == kMostAxes) Malformed("has more axes than NumPy allows");
    shape.push_back(text.Length());
    if (!text.Take(',')) {
      text.Need(')');
      break;
    }
  }
  return shape;
}

void ReadDictionary(std::string_view text, NpyHeader& header) {
  Dictionary tokens(text);
  std::optional<std::string> descr;
  bool has_order = false, has_shape = false;
  tokens.Need('{');
  while (!tokens.Take('}')) {
    const std::string key = tokens.Text();
    tokens.Need(':');
    if (key == "descr" && !descr) {
      if (tokens.Take('[')) throw NpyError("holds records of several fields; save one array");
      descr = tokens.Text();
    } else if (key == "fortran_order" && !has_order) {
      header.fortran_order = tokens.Truth();
      has_order = true;
    } else if (key == "shape" && !has_shape) {
      header.shape = Shape(tokens);
      has_shape = true;
    } else {
      Malformed("has a key twice or one that NumPy does not write");
    }
    if (!tokens.Take(',')) {
      tokens.Need('}');
      break;
    }
  }
  if (!tokens.Ended() || !descr || !has_order || !has_shape) {
    Malformed("is no dictionary of descr, fortran_order and shape");
  }
  SetType(*descr, header);
}

// Throws where the numbers are fewer or more than the header promises.
void CheckSize(const NpyHeader& header, std::uint64_t data_bytes) {
  std::uint64_t whole = header.element_bytes;
  const bool empty = std::ranges::find(header.shape, 0) != header.shape.end();
  for (const std::int64_t length : header.shape) {
    if (empty) break;
    if (whole > std::numeric_limits<std::int64_t>::max() / static_cast<std::uint64_t>(length)) {
      Malformed("promises more than any file has");
    }
    whole *= static_cast<std::uint64_t>(length);
  }
  if (empty) whole = 0;
  if (data_bytes < whole) {
    throw NpyError(fmt::format(
        "is cut short: {} bytes of numbers, its header promises {}; fetch or save it again",
        data_bytes, whole));
  }
  if (data_bytes > whole) {
    throw NpyError(
        fmt::format("has {} bytes behind its array; save one array in a file", data_bytes - whole));
  }
}

// Column after column -> row after row; of any number of axes.
std::string ToRowOrder(const NpyHeader& header, std::string_view from) {
  std::string to(from.size(), '\0');
  std::vector<std::int64_t> at(header.shape.size(), 0);
  const std::size_t size = header.element_bytes, count = from.size() / size;
  for (std::size_t i = 0; i < count; ++i) {  // i: place in Fortran's order, at: its indices
    std::size_t place = 0;
    for (std::size_t axis = 0; axis < at.size(); ++axis) {
      place =
          place * static_cast<std::size_t>(header.shape[axis]) + static_cast<std::size_t>(at[axis]);
    }
    from.copy(to.data() + place * size, size, i * size);
    for (std::size_t axis = 0; axis < at.size() && ++at[axis] == header.shape[axis]; ++axis) {
      at[axis] = 0;
    }
  }
  return to;
}

}  // namespace

NpyHeader ParseNpyHeader(std::string_view file) {
  if (!file.starts_with(kNpyMagic)) {
    throw NpyError("does not begin as an .npy; save it with numpy.save");
  }
  const auto byte = [&](std::size_t at) {
    return at < file.size() ? static_cast<unsigned char>(file[at]) : 0u;
  };
  const unsigned version = byte(6);
  if (file.size() > 6 && (version < 1 || version > 3)) {
    throw NpyError(fmt::format("is of .npy version {}; 1, 2 and 3 are read", version));
  }
  const std::size_t begin = version == 1 ? 10 : 12;
  if (file.size() < begin) throw NpyError("is cut short in its header; fetch or save it again");
  std::size_t length = byte(8) | byte(9) << 8;
  if (version > 1)
    length |= static_cast<std::size_t>(byte(10)) << 16 | static_cast<std::size_t>(byte(11)) << 24;
  if (length > kMostHeader) Malformed("is longer than that of any plain array");
  if (length > file.size() - begin) {
    throw NpyError("is cut short in its header; fetch or save it again");
  }
  NpyHeader header;
  ReadDictionary(file.substr(begin, length), header);
  header.data_begin = begin + length;
  CheckSize(header, file.size() - header.data_begin);
  return header;
}

Array DecodeNpy(std::string file) {
  const NpyHeader header = ParseNpyHeader(file);
  file.erase(0, header.data_begin);
  if (header.big_endian) {
    const std::size_t unit =
        header.type == ElementType::kUtf32 ? 4 : std::max<std::size_t>(1, BytesOfType(header.type));
    for (std::size_t at = 0; at + unit <= file.size(); at += unit) {
      std::reverse(file.begin() + static_cast<std::ptrdiff_t>(at),
                   file.begin() + static_cast<std::ptrdiff_t>(at + unit));
    }
  }
  if (header.fortran_order && header.shape.size() > 1) file = ToRowOrder(header, file);
  return {header.type, header.shape, header.element_bytes, std::move(file)};
}

std::string NpyStart(const Array& array) {
  static const std::map<ElementType, const char*> kDescr = {{ElementType::kF16, "<f2"},
                                                            {ElementType::kF32, "<f4"},
                                                            {ElementType::kF64, "<f8"},
                                                            {ElementType::kI32, "<i4"},
                                                            {ElementType::kI64, "<i8"}};
  std::string shape;
  for (const std::int64_t length : array.shape) shape += fmt::format("{}, ", length);
  if (array.shape.size() > 1) shape.resize(shape.size() - 2);
  if (array.shape.size() == 1) shape.resize(shape.size() - 1);  // (7,)
  const std::string descr = array.type == ElementType::kUtf32
                                ? fmt::format("<U{}", array.element_bytes / 4)
                                : kDescr.at(array.type);
  std::string text =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", descr, shape);
  constexpr std::size_t kBegin = 10;
  text.append(kAlign - (kBegin + text.size() + 1) % kAlign, ' ');
  text += '\n';
  std::string start(kNpyMagic);
  start +=
      {'\x01', '\x00', static_cast<char>(text.size() & 0xFF), static_cast<char>(text.size() >> 8)};
  return start + text;
}

}  // namespace clipsweep
