// A training run on disk, in the folder OUT.parts: each rank writes what its class blocks hold to a
// part of its own, then rank 0 writes state.h5, which names those parts; only then are older parts
// removed. So a kill at any moment leaves one whole state, which fits any number of ranks.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/comm/comm.h"
#include "common/disk/parts_folder.h"
#include "common/files/adapter_file.h"
#include "common/files/provenance.h"
#include "finetune/training/trainer.h"

namespace clipsweep {

inline constexpr const char* kTrainStateFormat = "clipsweep-train-state";
inline constexpr const char* kTrainPartFormat = "clipsweep-train-part";

// Where a training stands; with the trainer's own state this is all it needs to go on.
struct TrainState {
  std::int64_t epoch = 1, step = 0;  // the next: epochs from 1, steps of an epoch from 0
  double loss_sum = 0;               // of this epoch's steps so far
  std::vector<EpochRecord> history;  // of finished epochs
  std::int64_t best_epoch = -1;      // on the selection set; 0: before the first; -1: none yet
  TopCounts best, before;            // there; of the untrained keys on test
};

class StateStore {
 public:
  struct Options {
    bool resume = false, discard = false;
    bool replace_other = false;  // under resume: a state made from other input is removed
    std::chrono::milliseconds every{10'000};  // between savings at the ends of epochs; 0: never
  };
  // Collective. Throws AgreedError when a state is there and neither resume nor discard is asked
  // for, or it was made from other input.
  StateStore(const std::filesystem::path& out, const Provenance& made_from, const Options& options,
             Comm& comm);

  // Collective: puts what was saved into the trainer; no value when nothing was.
  std::optional<TrainState> Load(Trainer& trainer);
  // Collective.
  void Save(const TrainState& state, Trainer& trainer);
  // Collective: saves when it is time.
  void SaveIfDue(const TrainState& state, Trainer& trainer);
  // Whether anything has been saved by this run or one before.
  bool has_state() const { return has_state_; }

  // Rank 0, once the adapter stands.
  void Remove() const;

 private:
  std::filesystem::path PartPath(const std::string& generation, std::int64_t rank) const;

  const PartsFolder folder_;
  const Provenance made_from_;
  const Options options_;
  Comm& comm_;
  bool has_state_ = false;
  std::chrono::steady_clock::time_point saved_ = std::chrono::steady_clock::now();
};

}  // namespace clipsweep
