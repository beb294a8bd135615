#include "launch/nightly/night.h"

#include <fmt/core.h>
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <limits>
#include <memory>
#include <regex>
#include <thread>

#include "common/disk/atomic_file.h"
#include "common/disk/output_lock.h"
#include "common/disk/text_output.h"
#include "common/files/provenance.h"
#include "common/process/clock.h"
#include "common/process/error.h"
#include "common/process/liveness.h"
#include "common/process/log.h"
#include "launch/experiment/options.h"
#include "launch/experiment/results.h"
#include "launch/nightly/figures.h"
#include "launch/report/page.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kTrendNights = 90, kMostMissed = 400;
constexpr const char* kFolderPrefix = "night-";
constexpr const char* kMark = ".clipsweep-night";  // in folders that retention may remove

// The part of a night that rank 0 does.
class NightRecord {
 public:
  explicit NightRecord(const NightConfig& config)
      : config_(config), lock_(config.history), history_(config.history) {}

  // Rows for what went wrong since, then this night's.
  void Begin(const Night& night) {
    outcome_.night = night;
    outcome_.abandoned = history_.CloseAbandoned(night.started);
    AddMissed();
    outcome_.night.id = history_.Add(outcome_.night);
  }

  // Whatever goes wrong here must not hide what went wrong before.
  void Fail(const std::string& message) {
    try {
      outcome_.night.status = "failed";
      outcome_.night.message = message;
      End();
    } catch (const std::exception& error) {
      LogWarning("the failed night could not be recorded: {}", error.what());
    }
  }

  void Finish(const Json& results, const Json& stages) {
    Night& night = outcome_.night;
    night.key.config_sha256 = ConfigHash(results);
    night.key.inputs_sha256 = InputsHash(results);
    outcome_.figures = FiguresOf(results, stages);
    Compare();
    history_.AddFigures(night.id, outcome_.figures);
    night.status = outcome_.regressions.empty() ? "ok" : "regressed";
    for (const Regression& regression : outcome_.regressions) {
      night.message += (night.message.empty() ? "" : "; ") + regression.text;
    }
    End();
  }

  const NightOutcome& outcome() const { return outcome_; }

 private:
  void AddMissed() {
    const auto nights = history_.Nights(1);
    if (nights.empty() || config_.every_hours <= 0) return;
    const double period = config_.every_hours * 3600;
    const std::time_t last = ParseUtc(nights.back().started),
                      now = ParseUtc(outcome_.night.started);
    // Half a period of delay is a late night, not a missed one.
    const auto gap =
        static_cast<std::int64_t>(std::floor(static_cast<double>(now - last) / period - 0.5));
    outcome_.missed = std::clamp<std::int64_t>(gap, 0, kMostMissed);
    for (std::int64_t i = 1; i <= outcome_.missed; ++i) {
      Night missed;
      missed.started = missed.ended =
          FormatUtc(last + static_cast<std::time_t>(period * static_cast<double>(i)));
      missed.status = "missed";
      missed.key.machine = outcome_.night.key.machine;
      missed.message = "did not start";
      history_.Add(missed);
    }
  }

  void Compare() {
    Night& night = outcome_.night;
    const auto references = history_.Comparable(night.key, /*same_work=*/false, 1);
    if (!references.empty() && !config_.accept) {
      outcome_.compared_counts_with = references[0].id;
      outcome_.regressions = CompareCounts(outcome_.figures, history_.Figures(references[0].id));
    }
    night.answers_right = outcome_.regressions.empty();
    std::vector<std::vector<Figure>> before;
    for (const Night& earlier :
         history_.Comparable(night.key, /*same_work=*/true, config_.window)) {
      before.push_back(history_.Figures(earlier.id));
    }
    outcome_.compared_times_with = static_cast<std::int64_t>(before.size());
    const auto slower = CompareTimes(outcome_.figures, before, config_.band);
    outcome_.regressions.insert(outcome_.regressions.end(), slower.begin(), slower.end());
  }

  void End() {
    outcome_.night.ended = UtcNow();
    history_.Update(outcome_.night);
    Retain();
    WriteFiles();
  }

  // Folders of nights beyond those to be kept: of this run, named as nights are, with the mark that
  // RunNight puts into them.
  void Retain() {
    const fs::path root = fs::absolute(config_.experiment.run).lexically_normal();
    std::vector<std::string> folders = history_.Forget(config_.keep_nights);
    const auto nights = history_.Nights(std::numeric_limits<std::int32_t>::max());
    std::int64_t kept = 0;
    for (auto night = nights.rbegin(); night != nights.rend(); ++night) {
      if (night->folder.empty() || fs::path(night->folder).parent_path() != root) continue;
      if (++kept > config_.keep_runs) folders.push_back(night->folder);
    }
    static const std::regex pattern(std::string(kFolderPrefix) + "[0-9]{8}T[0-9]{6}Z(-[0-9]+)?");
    for (const std::string& folder : folders) {
      const fs::path path = folder;
      std::error_code error;
      if (path.parent_path() != root || !std::regex_match(path.filename().string(), pattern) ||
          path == outcome_.night.folder || !fs::is_directory(fs::symlink_status(path, error)) ||
          !fs::exists(path / kMark, error)) {
        continue;
      }
      fs::remove_all(path, error);
      if (error) LogWarning("{}: cannot be removed: {}", path.string(), error.message());
      history_.ForgetFolder(folder);
    }
  }

  void WriteFiles() const {
    const fs::path root = config_.experiment.run;
    WriteFileAtomically(root / "summary.md", SummaryMarkdown(outcome_));
    WriteFileAtomically(
        root / "summary.json",
        SummaryJson(outcome_).dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
    const auto nights = history_.Nights(kTrendNights);
    std::vector<std::vector<Figure>> figures;
    for (const Night& night : nights) figures.push_back(history_.Figures(night.id));
    WriteFileAtomically(root / "trend.html", TrendPage(nights, figures));
    if (config_.prometheus.empty()) return;
    try {
      WriteTextOutput(config_.prometheus, PrometheusText(outcome_));
    } catch (const Error& error) {  // the night's result does not depend on who watches it
      LogWarning("--prometheus: {}", error.what());
    }
  }

  const NightConfig& config_;
  const OutputLock lock_;
  History history_;
  NightOutcome outcome_;
};

// The user's command, without what makes a program a rank of this job; ended after five minutes.
void RunHook(const NightConfig& config, const Night& night) {
  if (config.on_regression.empty() || night.status == "ok") return;
  const fs::path root = fs::absolute(config.experiment.run);
  ::setenv("CLIPSWEEP_STATUS", night.status.c_str(), 1);
  ::setenv("CLIPSWEEP_SUMMARY_MD", (root / "summary.md").c_str(), 1);
  ::setenv("CLIPSWEEP_SUMMARY_JSON", (root / "summary.json").c_str(), 1);
  ::setenv("CLIPSWEEP_HOOK", config.on_regression.c_str(), 1);
  std::atomic<bool> ended{false};
  int code = 0;
  std::thread hook([&] {
    code = std::system(
        "unset $(env | sed -n 's/^\\(OMPI_[A-Za-z0-9_]*\\|PMIX_[A-Za-z0-9_]*\\)=.*/\\1/p'); "
        "exec timeout -k 10 300 /bin/sh -c \"$CLIPSWEEP_HOOK\"");
    ended = true;
  });
  while (!ended) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    MadeProgress();
  }
  hook.join();
  if (code != 0) {
    LogWarning("--on-regression: the command ended with {}; the night's result stands",
               WIFEXITED(code) ? WEXITSTATUS(code) : code);
  }
}

// A folder of this night alone, though another has begun within the same second; its name.
std::string MakeFolder(const fs::path& root, const std::string& started) {
  const std::string base = kFolderPrefix + FormatUtc(ParseUtc(started), "%Y%m%dT%H%M%SZ");
  fs::create_directories(root);
  for (int number = 1;; ++number) {
    const std::string name = number == 1 ? base : fmt::format("{}-{}", base, number);
    std::error_code code;
    if (fs::create_directory(root / name, code)) return name;
    if (code) {
      throw InputError(fmt::format("{}: folder cannot be made: {}; choose another place",
                                   (root / name).string(), code.message()));
    }
  }
}

}  // namespace

NightOutcome RunNight(const NightConfig& config, const CommandContext& context) {
  Comm& comm = context.comm;
  Night night;
  night.started = BroadcastString(comm, UtcNow());  // one name for the folder on all ranks
  night.status = "running";
  night.commit = config.commit;
  night.version = kVersion;
  night.key.machine = config.machine.empty() ? HostName() : config.machine;
  night.key.device = context.compute.kind();
  night.key.ranks = comm.size();
  night.key.threads = context.compute.workers;
  NightConfig whole = config;
  if (whole.history.empty()) whole.history = config.experiment.run / "history.sqlite";
  ExperimentConfig experiment = config.experiment;
  std::unique_ptr<NightRecord> record;
  std::string folder;
  Agree(comm, [&] {
    if (!comm.is_root()) return;
    record = std::make_unique<NightRecord>(whole);
    folder = config.reuse ? "reused" : MakeFolder(config.experiment.run, night.started);
  });
  experiment.run /= BroadcastString(comm, folder);
  night.folder = fs::absolute(experiment.run).lexically_normal().string();
  Agree(comm, [&] {
    if (!comm.is_root()) return;
    WriteFileAtomically(experiment.run / kMark, night.started + "\n");
    record->Begin(night);
  });
  NightOutcome outcome;
  try {
    const CommandOutput output = RunAndReport(experiment, context);
    Agree(comm, [&] {
      if (!comm.is_root()) return;
      const ReportData data = ReadReportData(experiment.run, {});
      WriteFileAtomically(experiment.run / "report.html", ReportPage(data));
      WriteFileAtomically(experiment.run / "report.csv", ReportCsv(data));
      record->Finish(data.results, output.json.at("stages"));
      outcome = record->outcome();
    });
  } catch (const Interrupted& stop) {  // by a user, a scheduler, or a rank that failed alone
    if (record) record->Fail(stop.what());
    throw;
  } catch (const std::exception& error) {
    if (record) {
      record->Fail(DescribeError(error).message);
      const Night failed = record->outcome().night;
      record.reset();  // the lock: a slow command must not keep the next night off
      RunHook(whole, failed);
    }
    throw;
  }
  std::int64_t regressed = comm.is_root() && !outcome.regressions.empty() ? 1 : 0;
  if (record) {
    record.reset();
    RunHook(whole, outcome.night);
  }
  comm.SumInt64(std::span(&regressed, 1));
  outcome.night.status = regressed > 0 ? "regressed" : "ok";
  return outcome;
}

}  // namespace clipsweep
