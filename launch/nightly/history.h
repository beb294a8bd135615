// The nights so far, in an SQLite file: a row a night, also of those that failed or did not happen,
// and a row a figure.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace clipsweep {

class Database;

// "count": right answers among the test images. "accuracy": their mean over subsets, to look at.
// "seconds", "throughput": units a second.
struct Figure {
  std::string name;  // "Tip-Adapter 16-shot seed 31 top1", "sweep seconds"
  std::string kind;
  std::string unit;  // "images", "s", "images/s"
  double value = 0;
  double seconds = 0;  // of throughput: how long it was measured
};

// What must be equal for two nights to be compared.
struct NightKey {
  std::string machine, device, config_sha256, inputs_sha256;
  std::int64_t ranks = 1, threads = 1;
};

struct Night {
  std::int64_t id = 0;
  std::string started, ended;  // UTC, "2026-11-24T02:00:00Z"; ended empty while it runs
  std::string status;          // running, ok, regressed, failed, missed
  std::string commit, version;
  NightKey key;
  std::string folder;   // of its run, absolute; empty when it is removed
  std::string message;  // of a failure; which figures regressed
  // Its answers are those of the reference, are the first, or were accepted: they are a reference.
  bool answers_right = false;
};

class History {
 public:
  // Opens or makes the file, and checks all of it. Throws InputError naming it when it is none of
  // ours, damaged, changed by another program, or of a newer schema.
  explicit History(const std::filesystem::path& path);
  ~History();
  History(const History&) = delete;
  History& operator=(const History&) = delete;

  // Nights that were running when their program ended become failed; returns how many.
  std::int64_t CloseAbandoned(const std::string& now);
  std::int64_t Add(const Night& night);  // its id
  // All but its id.
  void Update(const Night& night);
  void AddFigures(std::int64_t night, const std::vector<Figure>& figures);

  std::vector<Night> Nights(std::int64_t most) const;  // the latest, oldest first
  std::vector<Figure> Figures(std::int64_t night) const;
  // Finished nights with this machine, device, configuration and inputs, latest first.
  // `same_work`: and as many ranks and threads, as for times; else those whose answers are a
  // reference: answers depend on neither.
  std::vector<Night> Comparable(const NightKey& key, bool same_work, std::int64_t most) const;

  // Forgets nights before the latest `keep` (missed ones not counted), but for those whose answers
  // are the newest reference of their kind; returns the folders of those forgotten.
  std::vector<std::string> Forget(std::int64_t keep);
  // The folder of a night is no longer there.
  void ForgetFolder(const std::string& folder);

 private:
  struct State;
  // In one transaction, with the seal of all rows.
  void Change(const std::function<void(const Database&)>& change);

  std::unique_ptr<State> state_;
};

}  // namespace clipsweep
