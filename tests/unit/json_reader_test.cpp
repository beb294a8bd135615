#include "common/disk/json_reader.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace clipsweep {
namespace {

using Sorted = nlohmann::json;
using Ordered = nlohmann::ordered_json;

std::string Repeat(const std::string& text, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

TEST(JsonReader, ReadsWhatNlohmannReads) {
  for (const std::string text :
       {R"({"b": [1, -2, 3.5, true, null, "x"], "a": {"c": {}, "d": []}})", "[]", "{}", "3",
        "\"s\"", R"([[[]], {"k": [{"k": 18446744073709551615}]}])",
        R"({"a": 1, "b": 2, "a": [3]})"}) {
    EXPECT_EQ(ParseJson<Sorted>(text).json, Sorted::parse(text)) << text;
    EXPECT_EQ(ParseJson<Ordered>(text).json.dump(), Ordered::parse(text).dump()) << text;
    EXPECT_EQ(ParseJson<Ordered>(text).fault, JsonFault::kNone);
  }
}

TEST(JsonReader, WhatIsNoJson) {
  for (const std::string text : {"", "{", "[1,]", "{} {}", "nan", "1e999", "\"\xff\"", "{1: 2}"}) {
    const auto parsed = ParseJson<Sorted>(text);
    EXPECT_EQ(parsed.fault, JsonFault::kNotJson) << text;
    EXPECT_TRUE(parsed.json.is_null());
  }
}

TEST(JsonReader, NamesTheFirstRepeatedKey) {
  EXPECT_EQ(ParseJson<Sorted>(R"({"a": {"b": 1}, "c": {"b": 2}})").repeated, "");
  EXPECT_EQ(ParseJson<Sorted>(R"({"a": {"b": 1, "b": 2}, "a": 3})").repeated, "b");
  EXPECT_EQ(ParseJson<Ordered>(R"([{"x": 1, "y": 1, "y": 2, "x": 3}])").repeated, "y");
}

TEST(JsonReader, StopsAtItsLimits) {
  const auto nested = [](std::size_t levels) { return Repeat("[", levels) + Repeat("]", levels); };
  EXPECT_EQ(ParseJson<Sorted>(nested(64)).fault, JsonFault::kNone);
  EXPECT_EQ(ParseJson<Sorted>(nested(65)).fault, JsonFault::kTooDeep);
  EXPECT_EQ(ParseJson<Ordered>(Repeat("{\"a\":", 100'000)).fault, JsonFault::kTooDeep);
  EXPECT_EQ(ParseJson<Sorted>(Repeat("[", 10'000'000)).fault, JsonFault::kTooDeep);
  const JsonLimits few{.levels = 3, .values = 5};
  EXPECT_EQ(ParseJson<Sorted>("[1,2,3,4]", few).fault, JsonFault::kNone);  // the list is one, too
  EXPECT_EQ(ParseJson<Sorted>("[1,2,3,4,5]", few).fault, JsonFault::kTooMany);
  EXPECT_EQ(ParseJson<Sorted>(R"({"a":1,"b":2})", few).fault, JsonFault::kNone);
  EXPECT_EQ(ParseJson<Sorted>(R"({"a":1,"b":2,"c":3})", few).fault, JsonFault::kTooMany);
  EXPECT_EQ(JsonFaultText(JsonFault::kTooDeep, few), "is JSON nested deeper than 3 levels");
  EXPECT_EQ(JsonFaultText(JsonFault::kTooMany, few), "is JSON of more than 5 values and keys");
}

TEST(JsonReader, ShowsKeysWithTheirLevel) {
  std::vector<std::string> seen;
  ParseJson<Sorted>(
      R"({"a": [{"b": 1}], "c": {"d": {}}})", {},
      [&](int level, const std::string& k) { seen.push_back(std::to_string(level) + k); });
  EXPECT_EQ(seen, (std::vector<std::string>{"1a", "3b", "1c", "2d"}));
  EXPECT_THROW(ParseJson<Sorted>(R"({"a": 1})", {},
                                 [](int, const std::string&) { throw std::runtime_error("no"); }),
               std::runtime_error);
}

// Objects that keep their order look through all keys for each further one, unless built at once.
TEST(JsonReader, ManyKeysTakeNoQuadraticTime) {
  std::string text = "{\"k\":0";
  for (int i = 0; i < 300'000; ++i) text += ",\"" + std::to_string(i) + "\":1";
  text += "}";
  const auto parsed = ParseJson<Ordered>(text);
  EXPECT_EQ(parsed.fault, JsonFault::kNone);
  EXPECT_EQ(parsed.json.size(), 300'001u);
  EXPECT_EQ(parsed.json.begin().key(), "k");
}

}  // namespace
}  // namespace clipsweep
