// One JSON object of a model's configuration, with the name that errors show. Settings are asked
// for by key; one that clipsweep does not compute is refused by name.
#pragma once

#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>

namespace clipsweep {

struct ConfigSection {
  std::string source;  // "model/config.json vision_config"
  nlohmann::json json = nlohmann::json::object();

  // InputError: source, key, what.
  [[noreturn]] void Refuse(const std::string& key, const std::string& what) const;
  // Null, false and absent say the same: not used.
  bool Has(const std::string& key) const;
  // Where absent means true.
  void ExpectNotFalse(const std::string& key) const;
  // A number of 1 to 1,000,000, or, where `square` allows it, two equal ones; nothing when absent.
  std::optional<int> Size(const std::string& key, bool square = true) const;
  int Positive(const std::string& key, int otherwise) const;
  // The object under this key, an empty one when absent.
  ConfigSection Sub(const std::string& key) const;
  // The value, when given, must be this one: others are models that clipsweep does not compute.
  void Expect(const std::string& key, const nlohmann::json& wanted) const;
  // Every setting in use must be one of these.
  void OnlyThese(const std::set<std::string>& known) const;
  std::optional<std::array<float, 3>> Colour(const std::string& key) const;
};

// Throws InputError for what is no JSON object, is nested deeper than configurations are, or is
// longer than 1 MiB.
ConfigSection ParseConfigSection(const std::string& source, const std::string& text);

// The file of this name in the folder of `checkpoint`, nothing when there is none.
std::optional<ConfigSection> ReadConfigBeside(const std::filesystem::path& checkpoint,
                                              const char* name);

}  // namespace clipsweep
