// A value of a JSON file with its place in it, as in "cells[3].alpha": what is taken out of it is
// checked for type and range, and refused by that name.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "launch/options/command.h"

namespace clipsweep {

class JsonField {
 public:
  // The whole of a file. `path` and `json` must outlive the field.
  JsonField(const std::filesystem::path& path, const Json& json) : path_(path), json_(json) {}

  // InputError: path, place, what.
  [[noreturn]] void Refuse(const std::string& what) const;

  bool Has(const std::string& key) const { return json_.is_object() && json_.contains(key); }
  bool is_null() const { return json_.is_null(); }
  JsonField At(const std::string& key) const;
  std::vector<JsonField> List() const;
  std::vector<std::pair<std::string, JsonField>> Members() const;

  // 3.0 and true are no integers.
  std::int64_t Integer(std::int64_t least, std::int64_t most) const;
  double Number(double least, double most) const;
  std::string Text() const;
  std::string NotEmpty() const;
  void ExpectSha256() const;
  void ExpectTrue() const;
  // A number that is this one but for the last digits.
  void ExpectAbout(double value, const std::string& what) const;
  void ExpectNull(const std::string& why) const;

 private:
  JsonField(const std::filesystem::path& path, const Json& json, std::string place)
      : path_(path), json_(json), place_(std::move(place)) {}

  const std::filesystem::path& path_;
  const Json& json_;
  std::string place_;
};

}  // namespace clipsweep
