#include "launch/convert/tensor_pickle.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <memory>

#include "common/process/log.h"

namespace clipsweep {
namespace {

constexpr std::size_t kMostPickle = 1 << 16;  // a tensor's takes some hundred bytes
constexpr int kMostLevels = 8;                // of values inside one another
constexpr const char* kPlainTensor =
    "a plain tensor is needed; save one with torch.save(tensor, ..), or its numbers with "
    "numpy.save";

// What lies on the pickle's stack.
struct Value {
  enum Kind { kMark, kInt, kText, kTruth, kGlobal, kTuple, kStorage, kTensor, kDict };
  Kind kind = kMark;
  int levels = 0;                                   // of values inside
  std::int64_t number = 0;                          // kInt, kTruth
  std::string text;                                 // kText, kGlobal: "module name"
  std::vector<std::shared_ptr<const Value>> items;  // kTuple; kStorage: type, key, count
                                                    // kTensor: storage, offset, sizes, strides
};
using ValuePtr = std::shared_ptr<const Value>;

ValuePtr Make(Value::Kind kind, std::int64_t number = 0, std::string text = {}) {
  return std::make_shared<const Value>(Value{kind, 0, number, std::move(text), {}});
}

ValuePtr MakeOf(Value::Kind kind, std::vector<ValuePtr> items) {
  int levels = 0;
  for (const ValuePtr& item : items) levels = std::max(levels, item->levels + 1);
  if (levels > kMostLevels) throw TorchError(fmt::format("is nested too deep; {}", kPlainTensor));
  return std::make_shared<const Value>(Value{kind, levels, 0, {}, std::move(items)});
}

bool Are(const std::vector<ValuePtr>& items, std::initializer_list<Value::Kind> kinds) {
  return items.size() >= kinds.size() &&
         std::equal(kinds.begin(), kinds.end(), items.begin(),
                    [](Value::Kind kind, const ValuePtr& item) { return item->kind == kind; });
}

class TensorPickle {
 public:
  explicit TensorPickle(std::string_view bytes) : bytes_(bytes) {}

  // The tensor at the end. Throws TorchError.
  ValuePtr Read() {
    for (;;) {
      const auto operation = static_cast<unsigned char>(Take(1)[0]);
      if (operation == '.') break;
      Do(operation);
    }
    const ValuePtr result = Pop();
    if (result->kind != Value::kTensor) {
      throw TorchError(fmt::format("holds no tensor by itself; {}", kPlainTensor));
    }
    return result;
  }

 private:
  void Do(unsigned char operation) {
    switch (operation) {
      case 0x80: Take(1); return;                                // PROTO
      case 'c': return Push(Make(Value::kGlobal, 0, Global()));  // GLOBAL
      case 'q': memo_[Number(1)] = Top(); return;                // BINPUT
      case 'r': memo_[Number(4)] = Top(); return;                // LONG_BINPUT
      case 'h': return Get(Number(1));                           // BINGET
      case 'j': return Get(Number(4));                           // LONG_BINGET
      case '(': return Push(Make(Value::kMark));                 // MARK
      case 'X':
        return Push(Make(Value::kText, 0, std::string(Take(static_cast<std::size_t>(Number(4))))));
      case 'J': return Push(Make(Value::kInt, static_cast<std::int32_t>(Number(4))));  // BININT
      case 'K': return Push(Make(Value::kInt, Number(1)));                             // BININT1
      case 'M': return Push(Make(Value::kInt, Number(2)));                             // BININT2
      case 0x8A: return Push(Make(Value::kInt, Long()));                               // LONG1
      case 0x88: return Push(Make(Value::kTruth, 1));                                  // NEWTRUE
      case 0x89: return Push(Make(Value::kTruth, 0));                                  // NEWFALSE
      case ')': return Push(MakeOf(Value::kTuple, {}));        // EMPTY_TUPLE
      case 't': return Push(MakeOf(Value::kTuple, ToMark()));  // TUPLE
      case 0x85: return Push(MakeOf(Value::kTuple, Last(1)));  // TUPLE1
      case 0x86: return Push(MakeOf(Value::kTuple, Last(2)));  // TUPLE2
      case 0x87: return Push(MakeOf(Value::kTuple, Last(3)));  // TUPLE3
      case 'Q': return Storage();                              // BINPERSID
      case 'R': return Call();                                 // REDUCE
      case '}': throw TorchError(fmt::format("holds a dictionary, {}", kPlainTensor));
      case ']': throw TorchError(fmt::format("holds a list, {}", kPlainTensor));
      default:
        throw TorchError(fmt::format("holds more than a tensor (operation 0x{:02x}), {}", operation,
                                     kPlainTensor));
    }
  }

  std::string_view Take(std::size_t count) {
    if (count > bytes_.size() - at_)
      throw TorchError("has a pickle that breaks off; save it again");
    at_ += count;
    return bytes_.substr(at_ - count, count);
  }
  std::int64_t Number(std::size_t count) {
    const std::string_view digits = Take(count);
    std::uint64_t value = 0;
    for (std::size_t i = count; i-- > 0;) {
      value = value << 8 | static_cast<unsigned char>(digits[i]);
    }
    return static_cast<std::int64_t>(value);
  }
  std::int64_t Long() {
    const auto count = static_cast<std::size_t>(Number(1));
    if (count > 7) throw TorchError("has a size that no file has; save it again");
    const std::int64_t value = Number(count);
    const bool negative = count > 0 && (value >> (8 * count - 1) & 1) != 0;
    return negative ? value - (std::int64_t{1} << (8 * count)) : value;
  }
  std::string Line() {
    const std::size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos)
      throw TorchError("has a pickle that breaks off; save it again");
    std::string line(bytes_.substr(at_, end - at_));
    at_ = end + 1;
    return line;
  }
  std::string Global() {
    const std::string module = Line();
    return module + " " + Line();
  }

  void Push(ValuePtr value) { stack_.push_back(std::move(value)); }
  const ValuePtr& Top() const {
    if (stack_.empty()) throw TorchError("has a malformed pickle; save it again");
    return stack_.back();
  }
  ValuePtr Pop() {
    ValuePtr value = Top();
    stack_.pop_back();
    return value;
  }
  std::vector<ValuePtr> Last(std::size_t count) {
    std::vector<ValuePtr> items(count);
    for (std::size_t i = count; i-- > 0;) items[i] = Pop();
    return items;
  }
  std::vector<ValuePtr> ToMark() {
    std::vector<ValuePtr> items;
    for (ValuePtr value = Pop(); value->kind != Value::kMark; value = Pop()) {
      items.insert(items.begin(), std::move(value));
    }
    return items;
  }
  void Get(std::int64_t place) {
    const auto found = memo_.find(place);
    if (found == memo_.end()) throw TorchError("has a malformed pickle; save it again");
    Push(found->second);
  }

  // ('storage', type, key, location, count): where it lay, as cuda:0, is of no matter here.
  void Storage() {
    const ValuePtr id = Pop();
    const auto& items = id->items;
    if (id->kind != Value::kTuple ||
        !Are(items, {Value::kText, Value::kGlobal, Value::kText, Value::kText, Value::kInt})) {
      throw TorchError(fmt::format("has numbers in a way unknown here; {}", kPlainTensor));
    }
    Push(MakeOf(Value::kStorage, {items[1], items[2], items[4]}));
  }

  void Call() {
    const ValuePtr arguments = Pop(), what = Pop();
    const auto& items = arguments->items;
    if (what->kind == Value::kGlobal && arguments->kind == Value::kTuple) {
      if (what->text == "collections OrderedDict" && items.empty()) {
        return Push(Make(Value::kDict));
      }
      if (what->text == "torch._utils _rebuild_tensor_v2" &&
          Are(items, {Value::kStorage, Value::kInt, Value::kTuple, Value::kTuple})) {
        return Push(MakeOf(Value::kTensor, {items[0], items[1], items[2], items[3]}));
      }
      if (what->text == "torch._utils _rebuild_parameter" && Are(items, {Value::kTensor})) {
        return Push(items[0]);
      }
      throw TorchError(fmt::format(
          "wants to call '{}', which no plain tensor needs, and pickles are never run; {}",
          Printable(what->text.substr(0, 120)), kPlainTensor));
    }
    throw TorchError("has a malformed pickle; save it again");
  }

  std::string_view bytes_;
  std::size_t at_ = 0;
  std::vector<ValuePtr> stack_;
  std::map<std::int64_t, ValuePtr> memo_;
};

ElementType TypeOf(const std::string& storage) {
  static const std::map<std::string, ElementType> kTypes = {
      {"torch HalfStorage", ElementType::kF16},  {"torch BFloat16Storage", ElementType::kBF16},
      {"torch FloatStorage", ElementType::kF32}, {"torch DoubleStorage", ElementType::kF64},
      {"torch CharStorage", ElementType::kI8},   {"torch ShortStorage", ElementType::kI16},
      {"torch IntStorage", ElementType::kI32},   {"torch LongStorage", ElementType::kI64},
      {"torch ByteStorage", ElementType::kU8},   {"torch BoolStorage", ElementType::kBool}};
  const auto found = kTypes.find(storage);
  if (found != kTypes.end()) return found->second;
  throw TorchError(fmt::format("holds a {}; tensors of floating and whole numbers are read",
                               Printable(storage.substr(0, 60))));
}

std::vector<std::int64_t> Numbers(const Value& tuple) {
  std::vector<std::int64_t> numbers;
  for (const ValuePtr& item : tuple.items) {
    if (item->kind != Value::kInt || item->number < 0) {
      throw TorchError("has a size that is no number; save it again");
    }
    numbers.push_back(item->number);
  }
  return numbers;
}

}  // namespace

PickledTensor ReadTensorPickle(std::string_view pickle) {
  if (pickle.size() > kMostPickle) {
    throw TorchError(fmt::format("holds more than a tensor; {}", kPlainTensor));
  }
  const ValuePtr tensor = TensorPickle(pickle).Read();
  const Value& storage = *tensor->items[0];
  return {TypeOf(storage.items[0]->text), storage.items[1]->text, tensor->items[1]->number,
          Numbers(*tensor->items[2]), Numbers(*tensor->items[3])};
}

}  // namespace clipsweep
