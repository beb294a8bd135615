
#include <algorithm>
#include <chrono>
#include <memory>

#include "common/compute/workers.h"
#include "common/process/liveness.h"
#include "common/process/progress.h"
#include "sweep/engine/grid_work.h"
#include "sweep/engine/merge_counts.h"
#include "sweep/engine/range_counter.h"

namespace clipsweep {
namespace {

constexpr float kNotHeld = -1.0f;           // below any sum of kernel values
constexpr std::int64_t kRangeSamples = 64;  // a worker takes at a time

// One block as one rank sees it. For every sample the label's sums go to all ranks, each rank meets
// the label with its own classes, and rank 0 joins what they found.
class ClassPass {
 public:
  ClassPass(GridWork& work, int workers) : work_(work), pool_(workers) {
    for (int w = 0; w < workers; ++w) counters_.push_back(std::make_unique<RangeCounter>(work));
    places_ = std::make_unique<SumsPlaces>(counters_.front()->space(), work.runs());
    for (const SampleCounter& counter : counters_.front()->space()) {
      first_row_.push_back(rows_);
      rows_ += counter.rows();
    }
    for (int w = 0; w < workers; ++w) {
      joined_.emplace_back(static_cast<std::size_t>(rows_));
    }
  }

  // The sums of the labels whose keys are here.
  void SumLabels(std::int64_t block) {
    first_ = work_.first_of(block);
    count_ = work_.count_of(block);
    z_.assign(static_cast<std::size_t>(count_), 0.0f);
    label_sums_.assign(static_cast<std::size_t>(count_ * places_->length), kNotHeld);
    ForRanges([&](const SampleRange& range, std::int64_t at, RangeCounter& counter) {
      counter.SumLabels(range, *places_, z_.data() + at, label_sums_.data() + at * places_->length);
    });
  }

  std::span<float> label_sums() { return label_sums_; }

  // The label against this rank's classes: for every sample the rows at which one of them beats it
  // somewhere on the alpha axis. The message: where each sample's entries start, and its end; then
  // the entries {row, beaten_by, flags, from, to, events, (at, change) each}.
  std::vector<std::int64_t> MeetClasses() {
    std::vector<std::vector<std::int64_t>> entries(static_cast<std::size_t>(count_));
    ForRanges([&](const SampleRange& range, std::int64_t at, RangeCounter& counter) {
      counter.Meet(
          range, *places_, z_.data() + at, label_sums_.data() + at * places_->length,
          {[&](std::int64_t i, std::size_t task, std::int64_t run, std::int64_t ahead) {
             if (ahead == 0) return;
             Contest behind;
             behind.beaten_by = static_cast<int>(ahead);
             behind.interval.empty = true;
             for (const std::int64_t row : counter.space()[task].RowsOf(run)) {
               Encode(first_row_[task] + row, behind, entries[static_cast<std::size_t>(at + i)]);
             }
           },
           [&](std::int64_t i, std::size_t task, std::int64_t row, Contest& contest) {
             if (contest.IsWon()) return;
             Encode(first_row_[task] + row, contest, entries[static_cast<std::size_t>(at + i)]);
           }});
    });
    std::vector<std::int64_t> message(static_cast<std::size_t>(count_) + 1);
    message[0] = count_ + 1;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      message[i + 1] = message[i] + static_cast<std::int64_t>(entries[i].size());
      message.insert(message.end(), entries[i].begin(), entries[i].end());
    }
    return message;
  }

  // Rank 0: what all ranks found.
  void Record(const std::vector<std::vector<std::int64_t>>& messages) {
    pool_.Run(count_, [&](std::int64_t i, int w) {
      std::vector<Contest>& joined = joined_[static_cast<std::size_t>(w)];
      bool won = true;
      for (const auto& message : messages) {
        const std::int64_t* at = message.data() + message[static_cast<std::size_t>(i)];
        const std::int64_t* end = message.data() + message[static_cast<std::size_t>(i) + 1];
        won = won && at == end;
        while (at < end) at = Decode(at, joined);
      }
      Workspace& space = counters_[static_cast<std::size_t>(w)]->space();
      for (std::size_t t = 0; t < space.size(); ++t) {
        for (std::int64_t run = 0; won && run < places_->runs[t].count(); ++run) {
          space[t].RecordSteady(run, 0);
        }
        if (won) continue;
        for (std::int64_t row = 0; row < space[t].rows(); ++row) {
          Contest& contest = joined[static_cast<std::size_t>(first_row_[t] + row)];
          space[t].Record(row, contest);
          contest.Clear();
        }
      }
    });
  }

  // [workers][tasks]; of rank 0 alone.
  std::vector<std::vector<const TaskCounts*>> counts() const {
    std::vector<std::vector<const TaskCounts*>> counts;
    for (const auto& counter : counters_) counts.push_back(CountsOf(counter->space()));
    return counts;
  }

 private:
  // use(range, where it begins in the block, the worker's counter).
  template <typename Use>
  void ForRanges(const Use& use) {
    pool_.Run((count_ + kRangeSamples - 1) / kRangeSamples, [&](std::int64_t item, int w) {
      const std::int64_t at = item * kRangeSamples;
      use(SampleRange{first_ + at, std::min(kRangeSamples, count_ - at)}, at,
          *counters_[static_cast<std::size_t>(w)]);
    });
  }

  static void Encode(std::int64_t row, const Contest& contest, std::vector<std::int64_t>& out) {
    const AlphaInterval& interval = contest.interval;
    const std::int64_t flags =
        (interval.empty ? 1 : 0) | (interval.whole_left ? 2 : 0) | (interval.whole_right ? 4 : 0);
    out.insert(out.end(), {row, contest.beaten_by, flags, interval.from.code(), interval.to.code(),
                           static_cast<std::int64_t>(contest.events.size())});
    for (const Contest::Event& event : contest.events) {
      out.insert(out.end(), {event.at, event.change});
    }
  }

  // Joins the entry at `at` to its row; returns where the next one stands.
  static const std::int64_t* Decode(const std::int64_t* at, std::vector<Contest>& joined) {
    Contest contest;
    contest.beaten_by = static_cast<int>(at[1]);
    contest.interval = {(at[2] & 1) != 0, (at[2] & 2) != 0, (at[2] & 4) != 0, Edge::FromCode(at[3]),
                        Edge::FromCode(at[4])};
    const std::int64_t row = at[0], events = at[5];
    at += 6;
    for (std::int64_t e = 0; e < events; ++e, at += 2) {
      contest.events.push_back({at[0], static_cast<int>(at[1])});
    }
    joined[static_cast<std::size_t>(row)].Join(contest);
    return at;
  }

  GridWork& work_;
  WorkerPool pool_;
  std::vector<std::unique_ptr<RangeCounter>> counters_;
  std::unique_ptr<SumsPlaces> places_;
  std::vector<std::vector<Contest>> joined_;  // [workers][rows_], all won
  std::vector<std::int64_t> first_row_;       // of a task
  std::int64_t rows_ = 0;
  std::int64_t first_ = 0, count_ = 0;  // samples of the block
  std::vector<float> z_;                // [count_] of the labels
  std::vector<float> label_sums_;       // [count_, places_->length]
};

// Finished blocks on disk: rank 0 alone has counts.
class ClassSaver {
 public:
  ClassSaver(BlockStore* store, const GridWork& work, const ClassPass& pass)
      : store_(store), work_(work), pass_(pass) {}

  // Between the two the counts hold half a block and are not saved.
  void Begin() { within_block_ = true; }
  void Finished(std::int64_t block) {
    within_block_ = false;
    if (store_ == nullptr || store_->every().count() == 0) return;
    blocks_.push_back(block);
    if (std::chrono::steady_clock::now() - saved_ >= store_->every()) Save();
  }

  void Save() {
    if (blocks_.empty() || within_block_) return;
    std::vector<TaskCounts> sums(work_.tasks().size());
    std::vector<const TaskCounts*> all;
    for (std::size_t t = 0; t < sums.size(); ++t) {
      for (const auto& worker : pass_.counts()) AddCounts(sums[t], *worker[t]);
      all.push_back(&sums[t]);
    }
    store_->Save(0, blocks_, all, work_.all_edges());
    saved_ = std::chrono::steady_clock::now();
  }

 private:
  BlockStore* store_;
  const GridWork& work_;
  const ClassPass& pass_;
  std::vector<std::int64_t> blocks_;
  bool within_block_ = false;
  std::chrono::steady_clock::time_point saved_ = std::chrono::steady_clock::now();
};

}  // namespace

std::vector<GridCounts> CountByClasses(GridWork& work, const PassOptions& options, Comm& comm) {
  const std::vector<FinishedItems> none;
  const auto& loaded = options.store != nullptr ? options.store->loaded() : none;
  std::vector<std::int64_t> done(static_cast<std::size_t>(work.blocks()), 0);
  std::unique_ptr<ClassPass> pass;
  Agree(comm, [&] {
    const std::vector<bool> there = DoneItems(loaded, work.blocks(), work.tasks());
    std::copy(there.begin(), there.end(), done.begin());
    pass = std::make_unique<ClassPass>(work, options.compute.workers);
  });
  comm.MaxInt64(done);
  ClassSaver saver(options.store, work, *pass);
  Progress progress(options.label, "blocks", work.blocks(), comm.is_root());
  try {
    for (std::int64_t block = 0; block < work.blocks(); ++block) {
      if (done[static_cast<std::size_t>(block)] != 0) continue;
      Agree(comm, [&] { pass->SumLabels(block); });
      comm.MaxFloat(pass->label_sums());
      std::vector<std::int64_t> mine;
      Agree(comm, [&] { mine = pass->MeetClasses(); });
      const auto all = comm.Gather(mine);
      Agree(comm, [&] {
        if (!comm.is_root()) return;
        saver.Begin();
        pass->Record(all);
        saver.Finished(block);
      });
      DidWork(work.count_of(block));
      progress.Update(block + 1);
    }
  } catch (...) {
    saver.Save();
    throw;
  }
  return work.Merge(pass->counts(), loaded, comm);
}

}  // namespace clipsweep
