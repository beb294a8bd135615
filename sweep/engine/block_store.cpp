#include "sweep/engine/block_store.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep {
namespace {

// Lists of all tasks one after another.
struct FlatCounts {
  std::vector<std::int64_t> top1, top5, right_at_first, from_lengths, to_lengths, from, to;
  std::vector<std::int64_t> rows, cells;  // a task
};

FlatCounts Flatten(const std::vector<const TaskCounts*>& counts) {
  FlatCounts flat;
  const auto append = [](std::vector<std::int64_t>& out, const std::vector<std::int64_t>& more) {
    out.insert(out.end(), more.begin(), more.end());
  };
  for (const TaskCounts* task : counts) {
    flat.rows.push_back(static_cast<std::int64_t>(task->right_at_first.size()));
    flat.cells.push_back(static_cast<std::int64_t>(task->top1_steps.size()));
    append(flat.top1, task->top1_steps);
    append(flat.top5, task->top5_steps);
    append(flat.right_at_first, task->right_at_first);
    for (const auto& edges : task->from) {
      flat.from_lengths.push_back(static_cast<std::int64_t>(edges.size()));
      append(flat.from, edges);
    }
    for (const auto& edges : task->to) {
      flat.to_lengths.push_back(static_cast<std::int64_t>(edges.size()));
      append(flat.to, edges);
    }
  }
  return flat;
}

// Takes the next `count` numbers of a list; the file's Fail names it when they are not there.
class Cursor {
 public:
  Cursor(const H5Reader& file, const std::string& name) : file_(file), all_(file.Int64s(name)) {}
  std::vector<std::int64_t> Take(std::int64_t count) {
    if (count < 0 || count > static_cast<std::int64_t>(all_.size()) - at_) {
      file_.Fail("its lists do not fit one another");
    }
    const auto first = all_.begin() + at_;
    at_ += count;
    return {first, first + count};
  }
  std::int64_t TakeOne() { return Take(1)[0]; }
  bool empty() const { return at_ == static_cast<std::int64_t>(all_.size()); }

 private:
  const H5Reader& file_;
  const std::vector<std::int64_t> all_;
  std::ptrdiff_t at_ = 0;
};

FinishedItems ReadPart(const H5Reader& file) {
  FinishedItems part;
  part.items = file.Int64s("items");
  part.all_edges = file.IntAttribute("all_edges") != 0;
  Cursor rows(file, "rows"), cells(file, "cells"), top1(file, "top1_steps"),
      top5(file, "top5_steps"), right(file, "right_at_first"), from_lengths(file, "from_lengths"),
      to_lengths(file, "to_lengths"), from(file, "from"), to(file, "to");
  while (!rows.empty()) {
    TaskCounts& task = part.counts.emplace_back();
    const std::int64_t row_count = rows.TakeOne(), cell_count = cells.TakeOne();
    task.top1_steps = top1.Take(cell_count);
    task.top5_steps = top5.Take(cell_count);
    task.right_at_first = right.Take(row_count);
    for (std::int64_t row = 0; row < row_count; ++row) {
      task.from.push_back(from.Take(from_lengths.TakeOne()));
      task.to.push_back(to.Take(to_lengths.TakeOne()));
    }
  }
  return part;
}

}  // namespace

BlockStore::BlockStore(const std::filesystem::path& out, const Provenance& made_from,
                       const Options& options, Comm& comm)
    : folder_(out), made_from_(made_from), options_(options) {
  run_ = BroadcastString(
      comm, fmt::format("{}-{}", std::chrono::system_clock::now().time_since_epoch().count(),
                        ::getpid()));
  run_ += fmt::format("-{}", comm.rank());
  Agree(comm, [&] {
    if (!comm.is_root() || !folder_.Exists()) return;
    if (options.discard) {
      folder_.Remove();
    } else if (options.resume) {
      Load();
    } else {
      throw InputError(fmt::format(
          "{}: holds finished parts of an interrupted sweep; --resume takes them up, --fresh "
          "starts over",
          folder_.string()));
    }
  });
}

void BlockStore::Load() {
  std::set<std::int64_t> known;
  for (const auto& path : folder_.Files()) {
    FinishedItems part;
    std::string difference;
    try {
      const H5Reader file(path, Seal::kOfAPart);
      CheckHeader(file, kPartFormat);
      difference = Difference(ReadProvenance(file), made_from_);
      if (difference.empty()) part = ReadPart(file);
    } catch (const Error& error) {
      if (error.code() != ExitCode::kBadInput) throw;
      LogWarning("{}; its blocks are computed again", error.what());
      continue;
    }
    if (!difference.empty() && options_.replace_other) {
      loaded_.clear();
      folder_.Remove();
      return;
    }
    if (!difference.empty()) {
      throw InputError(fmt::format("{}: parts of another sweep ({}); --fresh removes them",
                                   folder_.string(), difference));
    }
    const bool repeated = std::any_of(part.items.begin(), part.items.end(),
                                      [&](std::int64_t item) { return known.contains(item); });
    if (repeated) continue;
    known.insert(part.items.begin(), part.items.end());
    loaded_.push_back(std::move(part));
  }
  LogInfo("resume: {} finished items in {} files of {}", known.size(), loaded_.size(),
          folder_.string());
}

void BlockStore::Save(int worker, const std::vector<std::int64_t>& items,
                      const std::vector<const TaskCounts*>& counts, bool all_edges) {
  const FlatCounts flat = Flatten(counts);
  const std::lock_guard lock(mutex_);
  H5Writer file(folder_ / fmt::format("part-{}-{}.h5", run_, worker));
  WriteHeader(file, kPartFormat, made_from_);
  file.Attribute("all_edges", std::int64_t{all_edges ? 1 : 0});
  const auto write = [&](const std::string& name, const std::vector<std::int64_t>& values) {
    file.Write(name, {values.size()}, values);
  };
  write("items", items);
  write("rows", flat.rows);
  write("cells", flat.cells);
  write("top1_steps", flat.top1);
  write("top5_steps", flat.top5);
  write("right_at_first", flat.right_at_first);
  write("from_lengths", flat.from_lengths);
  write("to_lengths", flat.to_lengths);
  write("from", flat.from);
  write("to", flat.to);
  file.Commit();
}

void BlockStore::Remove() const { folder_.Remove(); }

std::vector<bool> DoneItems(const std::vector<FinishedItems>& loaded, std::int64_t items,
                            const std::vector<GridTask>& tasks) {
  std::vector<bool> done(static_cast<std::size_t>(items), false);
  for (const FinishedItems& part : loaded) {
    bool fits = part.counts.size() == tasks.size();
    for (std::size_t t = 0; fits && t < tasks.size(); ++t) {
      const std::size_t rows =
          tasks[t].shots.size() * static_cast<std::size_t>(tasks[t].beta.count);
      fits = part.counts[t].right_at_first.size() == rows &&
             part.counts[t].top1_steps.size() ==
                 rows * static_cast<std::size_t>(tasks[t].alpha.count + 1) &&
             part.counts[t].top5_steps.size() == part.counts[t].top1_steps.size();
    }
    for (const std::int64_t item : part.items) {
      fits = fits && item >= 0 && item < items;
      if (fits) done[static_cast<std::size_t>(item)] = true;
    }
    if (!fits)
      throw InputError("--resume: saved parts do not fit this sweep; --fresh removes them");
  }
  return done;
}

std::int64_t EdgesOf(const FinishedItems& part) {
  if (!part.all_edges) return kMostEdges + 1;
  std::int64_t edges = 0;
  for (const TaskCounts& task : part.counts) {
    for (const auto& row : task.from) edges += static_cast<std::int64_t>(row.size());
    for (const auto& row : task.to) edges += static_cast<std::int64_t>(row.size());
  }
  return edges;
}

}  // namespace clipsweep
