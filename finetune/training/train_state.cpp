#include "finetune/training/train_state.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "common/compute/tensors.h"
#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep {
namespace {

std::string DatasetName(std::int64_t block, const std::string& name) {
  return fmt::format("block{:02}_{}", block, name);
}

void ReadTensor(const H5Reader& file, const std::string& name, at::Tensor tensor) {
  const auto fill = [&](const auto& values, at::ScalarType type) {
    if (static_cast<std::int64_t>(values.size()) != tensor.numel()) {
      file.Fail(fmt::format("'{}' has another size; --fresh starts over", name));
    }
    using Value = typename std::decay_t<decltype(values)>::value_type;
    tensor.copy_(at::from_blob(const_cast<Value*>(values.data()), tensor.sizes(), type));
  };
  if (tensor.scalar_type() == at::kDouble) {
    fill(file.Doubles(name), at::kDouble);
  } else {
    fill(file.Floats(name), at::kFloat);
  }
}

void WriteTensor(H5Writer& file, const std::string& name, const at::Tensor& tensor) {
  const at::Tensor here = tensor.cpu().contiguous();
  const auto count = static_cast<std::size_t>(here.numel());
  if (here.scalar_type() == at::kDouble) {
    file.Write(
        name, {count},
        std::vector<double>(here.const_data_ptr<double>(), here.const_data_ptr<double>() + count));
  } else {
    file.Write(name, {count}, std::span(here.const_data_ptr<float>(), count));
  }
}

void WritePart(const std::filesystem::path& path, const Provenance& made_from, Trainer& trainer) {
  H5Writer file(path);
  WriteHeader(file, kTrainPartFormat, made_from);
  for (const auto& [number, block] : trainer.OwnBlocks()) {
    for (const auto& [name, tensor] : block->State()) {
      WriteTensor(file, DatasetName(number, name), tensor);
    }
  }
  file.Commit();
}

// What state.h5 holds, in the order it is written in.
std::vector<std::int64_t> Integers(const TrainState& state, std::int64_t steps) {
  return {state.epoch,     state.step,        state.best_epoch,  state.best.top1,
          state.best.top5, state.before.top1, state.before.top5, steps};
}

void WriteState(const std::filesystem::path& path, const Provenance& made_from,
                const TrainState& state, Trainer& trainer, const std::string& generation,
                std::int64_t parts) {
  H5Writer file(path);
  WriteHeader(file, kTrainStateFormat, made_from);
  file.Attribute("generation", generation);
  file.Attribute("parts", parts);
  const auto integers = Integers(state, trainer.steps());
  file.Write("integers", {integers.size()}, integers);
  file.Attribute("loss_sum", state.loss_sum);
  for (const auto& [name, tensor] : trainer.shared().State()) {
    WriteTensor(file, "shared_" + name, tensor);
  }
  WriteHistory(file, state.history);
  file.Commit();
}

struct StateFile {
  std::string generation;
  std::int64_t parts = 0, steps = 0;
  TrainState state;
};

StateFile ReadState(const H5Reader& file, const Provenance& made_from) {
  CheckHeader(file, kTrainStateFormat);
  if (const auto difference = Difference(ReadProvenance(file), made_from); !difference.empty()) {
    file.Fail(fmt::format("is of another training ({}); --fresh removes it", difference));
  }
  StateFile out;
  out.generation = file.TextAttribute("generation");
  out.parts = file.IntAttribute("parts");
  const auto integers = file.Int64s("integers");
  if (integers.size() != Integers({}, 0).size() || !file.HasAttribute("loss_sum")) {
    file.Fail("is of another version; --fresh starts over");
  }
  TrainState& s = out.state;
  s.epoch = integers[0];
  s.step = integers[1];
  s.best_epoch = integers[2];
  s.best = {integers[3], integers[4]};
  s.before = {integers[5], integers[6]};
  out.steps = integers[7];
  s.loss_sum = file.DoubleAttribute("loss_sum");
  s.history = ReadHistory(file);
  return out;
}

bool IsOfOther(const std::filesystem::path& path, const Provenance& made_from) {
  try {
    return !Difference(ReadProvenance(H5Reader(path, Seal::kOfAPart)), made_from).empty();
  } catch (const Error& error) {
    if (error.code() != ExitCode::kBadInput) throw;
    return true;
  }
}

}  // namespace

StateStore::StateStore(const std::filesystem::path& out, const Provenance& made_from,
                       const Options& options, Comm& comm)
    : folder_(out), made_from_(made_from), options_(options), comm_(comm) {
  std::int64_t there = 0;
  Agree(comm, [&] {
    if (!comm.is_root() || !folder_.Exists()) return;
    if (options.discard) {
      folder_.Remove();
    } else if (std::filesystem::exists(folder_ / "state.h5")) {
      there = 1;
      if (options.replace_other && IsOfOther(folder_ / "state.h5", made_from)) {
        folder_.Remove();
        there = 0;
      } else if (!options.resume) {
        throw InputError(fmt::format(
            "{}: holds an interrupted training; --resume takes it up, --fresh starts over",
            folder_.string()));
      }
    }
  });
  comm.Broadcast(std::as_writable_bytes(std::span(&there, 1)), 0);
  has_state_ = there != 0;
}

std::filesystem::path StateStore::PartPath(const std::string& generation, std::int64_t rank) const {
  return folder_ / fmt::format("part-{}-{}.h5", generation, rank);
}

std::optional<TrainState> StateStore::Load(Trainer& trainer) {
  if (!has_state_) return std::nullopt;
  StateFile saved;
  Agree(comm_, [&] {
    const H5Reader state_file(folder_ / "state.h5", Seal::kOfAPart);
    saved = ReadState(state_file, made_from_);
    trainer.set_steps(saved.steps);
    if (saved.state.best_epoch >= 0) trainer.KeepBest();  // makes room for the best
    for (auto& [name, tensor] : trainer.shared().State()) {
      ReadTensor(state_file, "shared_" + name, tensor);
    }
    auto blocks = trainer.OwnBlocks();
    for (std::int64_t rank = 0; rank < saved.parts && !blocks.empty(); ++rank) {
      const H5Reader file(PartPath(saved.generation, rank), Seal::kOfAPart);
      CheckHeader(file, kTrainPartFormat);
      std::erase_if(blocks, [&](const auto& own) {
        const auto state = own.second->State();
        if (!state.empty() && !file.Has(DatasetName(own.first, state.front().first))) return false;
        for (auto& [name, tensor] : state) ReadTensor(file, DatasetName(own.first, name), tensor);
        return true;
      });
    }
    if (!blocks.empty()) {
      throw InputError(fmt::format("{}: lacks block {}; --fresh starts over", folder_.string(),
                                   blocks.front().first));
    }
  });
  LogInfo("resume: epoch {} step {} of {}", saved.state.epoch, saved.state.step, folder_.string());
  return saved.state;
}

void StateStore::Save(const TrainState& state, Trainer& trainer) {
  const std::string generation = BroadcastString(
      comm_, fmt::format("{}-{}", std::chrono::system_clock::now().time_since_epoch().count(),
                         ::getpid()));
  Agree(comm_, [&] { WritePart(PartPath(generation, comm_.rank()), made_from_, trainer); });
  Agree(comm_, [&] {
    if (!comm_.is_root()) return;
    WriteState(folder_ / "state.h5", made_from_, state, trainer, generation, comm_.size());
    std::set<std::filesystem::path> needed{folder_ / "state.h5"};
    for (int rank = 0; rank < comm_.size(); ++rank) needed.insert(PartPath(generation, rank));
    for (const auto& path : folder_.Files()) {
      if (!needed.contains(path)) std::filesystem::remove(path);
    }
  });
  has_state_ = true;
  saved_ = std::chrono::steady_clock::now();
}

void StateStore::SaveIfDue(const TrainState& state, Trainer& trainer) {
  if (options_.every.count() == 0) return;
  std::int64_t due = std::chrono::steady_clock::now() - saved_ >= options_.every ? 1 : 0;
  comm_.Broadcast(std::as_writable_bytes(std::span(&due, 1)), 0);
  if (due != 0) Save(state, trainer);
}

void StateStore::Remove() const { folder_.Remove(); }

}  // namespace clipsweep
