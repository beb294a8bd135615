#include "launch/nightly/history.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "common/error.h"

namespace clipsweep {
namespace {

constexpr int kSchema = 1;                // PRAGMA user_version
constexpr int kApplication = 0x636c7377;  // "clsw", PRAGMA application_id

constexpr const char* kTables = R"(
CREATE TABLE nights (
  id INTEGER PRIMARY KEY AUTOINCREMENT, started TEXT NOT NULL, ended TEXT NOT NULL, status TEXT NOT NULL,
  commit_id TEXT NOT NULL, version TEXT NOT NULL, machine TEXT NOT NULL, device TEXT NOT NULL,
  config_sha256 TEXT NOT NULL, inputs_sha256 TEXT NOT NULL, ranks INTEGER NOT NULL,
  threads INTEGER NOT NULL, folder TEXT NOT NULL, message TEXT NOT NULL, answers_right INTEGER NOT NULL);
CREATE TABLE figures (
  night INTEGER NOT NULL REFERENCES nights(id) ON DELETE CASCADE, name TEXT NOT NULL, kind TEXT NOT NULL,
  unit TEXT NOT NULL, value REAL NOT NULL, seconds REAL NOT NULL, PRIMARY KEY (night, name)) WITHOUT ROWID;
)";
constexpr const char* kColumns =
    "id, started, ended, status, commit_id, version, machine, device, config_sha256, "
    "inputs_sha256, "
    "ranks, threads, folder, message, answers_right";

}  // namespace

struct History::State {
  std::filesystem::path path;
  sqlite3* db = nullptr;

  ~State() { sqlite3_close(db); }

  [[noreturn]] void Fail() const {
    throw InputError(fmt::format("{}: {}; give another --history, or restore it", path.string(),
                                 db != nullptr ? sqlite3_errmsg(db) : "no memory"));
  }
  void Do(const char* sql) const {
    if (sqlite3_exec(db, sql, nullptr, nullptr, nullptr) != SQLITE_OK) Fail();
  }
};

namespace {

// One prepared statement, bound from the left.
class Statement {
 public:
  template <typename State>
  Statement(const State& state, const std::string& sql) : fail_([&state] { state.Fail(); }) {
    if (sqlite3_prepare_v2(state.db, sql.c_str(), -1, &statement_, nullptr) != SQLITE_OK) fail_();
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& Bind(const std::string& text) {
    return Checked(sqlite3_bind_text(statement_, ++bound_, text.c_str(),
                                     static_cast<int>(text.size()), SQLITE_TRANSIENT));
  }
  Statement& Bind(std::int64_t value) {
    return Checked(sqlite3_bind_int64(statement_, ++bound_, value));
  }
  Statement& Bind(double value) {
    return Checked(sqlite3_bind_double(statement_, ++bound_, value));
  }

  // Whether there is a row.
  bool Step() {
    const int code = sqlite3_step(statement_);
    if (code != SQLITE_ROW && code != SQLITE_DONE) fail_();
    return code == SQLITE_ROW;
  }
  std::string Text(int column) const {
    const auto* text = sqlite3_column_text(statement_, column);
    return text == nullptr ? "" : reinterpret_cast<const char*>(text);
  }
  std::int64_t Int(int column) const { return sqlite3_column_int64(statement_, column); }
  double Double(int column) const { return sqlite3_column_double(statement_, column); }

 private:
  Statement& Checked(int code) {
    if (code != SQLITE_OK) fail_();
    return *this;
  }

  std::function<void()> fail_;
  sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0;
};

void BindNight(Statement& statement, const Night& night) {
  statement.Bind(night.started).Bind(night.ended).Bind(night.status).Bind(night.commit);
  statement.Bind(night.version).Bind(night.key.machine).Bind(night.key.device);
  statement.Bind(night.key.config_sha256).Bind(night.key.inputs_sha256).Bind(night.key.ranks);
  statement.Bind(night.key.threads).Bind(night.folder).Bind(night.message);
  statement.Bind(std::int64_t{night.answers_right ? 1 : 0});
}

std::vector<Night> ReadNights(Statement& statement) {
  std::vector<Night> nights;
  while (statement.Step()) {
    Night night;
    night.id = statement.Int(0);
    night.started = statement.Text(1);
    night.ended = statement.Text(2);
    night.status = statement.Text(3);
    night.commit = statement.Text(4);
    night.version = statement.Text(5);
    night.key = {statement.Text(6), statement.Text(7), statement.Text(8),
                 statement.Text(9), statement.Int(10), statement.Int(11)};
    night.folder = statement.Text(12);
    night.message = statement.Text(13);
    night.answers_right = statement.Int(14) != 0;
    nights.push_back(std::move(night));
  }
  return nights;
}

std::int64_t Pragma(const auto& state, const char* name) {
  Statement statement(state, fmt::format("PRAGMA {}", name));
  return statement.Step() ? statement.Int(0) : 0;
}

}  // namespace

History::History(const std::filesystem::path& path) : state_(std::make_unique<State>()) {
  state_->path = path;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path());
  if (sqlite3_open(path.c_str(), &state_->db) != SQLITE_OK) state_->Fail();
  sqlite3_busy_timeout(state_->db, 10'000);  // a reader, as a dashboard, may hold it for a moment
  // What a foreign file defines, as triggers, is not run.
  sqlite3_db_config(state_->db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(state_->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  sqlite3_db_config(state_->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  state_->Do("PRAGMA foreign_keys = ON");
  const std::int64_t schema = Pragma(*state_, "user_version");
  const std::int64_t application = Pragma(*state_, "application_id");
  if (schema == 0 && application == 0 && Pragma(*state_, "schema_version") == 0) {
    state_->Do("BEGIN IMMEDIATE");
    state_->Do(kTables);
    state_->Do(fmt::format("PRAGMA user_version = {}; PRAGMA application_id = {}; COMMIT", kSchema,
                           kApplication)
                   .c_str());
    return;
  }
  if (application != kApplication) {
    throw InputError(fmt::format(
        "{}: is an SQLite file but no clipsweep history; give another --history", path.string()));
  }
  if (schema != kSchema) {
    throw InputError(fmt::format(
        "{}: is a history of schema {}, this program knows {}; use the newer clipsweep, or give "
        "another --history",
        path.string(), schema, kSchema));
  }
}

History::~History() = default;

std::int64_t History::CloseAbandoned(const std::string& now) {
  Statement statement(*state_,
                      "UPDATE nights SET status = 'failed', ended = ?, message = 'ended without a "
                      "result: killed, or the machine went down' WHERE status = 'running'");
  statement.Bind(now).Step();
  return sqlite3_changes(state_->db);
}

std::int64_t History::Add(const Night& night) {
  Statement statement(
      *state_,
      "INSERT INTO nights (started, ended, status, commit_id, version, machine, device, "
      "config_sha256, inputs_sha256, ranks, threads, folder, message, answers_right) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  BindNight(statement, night);
  statement.Step();
  return sqlite3_last_insert_rowid(state_->db);
}

void History::Update(const Night& night) {
  Statement statement(
      *state_,
      "UPDATE nights SET started = ?, ended = ?, status = ?, commit_id = ?, version = ?, "
      "machine = ?, device = ?, config_sha256 = ?, inputs_sha256 = ?, ranks = ?, "
      "threads = ?, folder = ?, message = ?, answers_right = ? WHERE id = ?");
  BindNight(statement, night);
  statement.Bind(night.id).Step();
}

void History::AddFigures(std::int64_t night, const std::vector<Figure>& figures) {
  state_->Do("BEGIN IMMEDIATE");
  try {
    for (const Figure& figure : figures) {
      Statement statement(*state_, "INSERT INTO figures VALUES (?, ?, ?, ?, ?, ?)");
      statement.Bind(night).Bind(figure.name).Bind(figure.kind).Bind(figure.unit);
      statement.Bind(figure.value).Bind(figure.seconds).Step();
    }
  } catch (...) {
    sqlite3_exec(state_->db, "ROLLBACK", nullptr, nullptr, nullptr);
    throw;
  }
  state_->Do("COMMIT");
}

std::vector<Night> History::Nights(std::int64_t most) const {
  Statement statement(*state_,
                      fmt::format("SELECT {} FROM nights ORDER BY id DESC LIMIT ?", kColumns));
  statement.Bind(most);
  auto nights = ReadNights(statement);
  std::reverse(nights.begin(), nights.end());
  return nights;
}

std::vector<Figure> History::Figures(std::int64_t night) const {
  Statement statement(
      *state_,
      "SELECT name, kind, unit, value, seconds FROM figures WHERE night = ? ORDER BY name");
  statement.Bind(night);
  std::vector<Figure> figures;
  while (statement.Step()) {
    const double value = statement.Double(3);
    if (!std::isfinite(value)) continue;  // not written by us
    figures.push_back(
        {statement.Text(0), statement.Text(1), statement.Text(2), value, statement.Double(4)});
  }
  return figures;
}

std::vector<Night> History::Comparable(const NightKey& key, bool same_work,
                                       std::int64_t most) const {
  Statement statement(
      *state_,
      fmt::format("SELECT {} FROM nights WHERE status IN ('ok', 'regressed') AND machine = ? "
                  "AND device = ? AND config_sha256 = ? AND inputs_sha256 = ? AND {} ORDER BY "
                  "id DESC LIMIT ?",
                  kColumns, same_work ? "ranks = ? AND threads = ?" : "answers_right"));
  statement.Bind(key.machine).Bind(key.device).Bind(key.config_sha256).Bind(key.inputs_sha256);
  if (same_work) statement.Bind(key.ranks).Bind(key.threads);
  statement.Bind(most);
  return ReadNights(statement);
}

std::vector<std::string> History::Forget(std::int64_t keep) {
  std::vector<std::string> folders;
  Statement old(
      *state_,
      "SELECT id, folder FROM nights WHERE id < (SELECT min(id) FROM (SELECT id FROM nights "
      "WHERE status <> 'missed' ORDER BY id DESC LIMIT ?)) AND id NOT IN (SELECT max(id) "
      "FROM nights WHERE answers_right GROUP BY machine, device, config_sha256, "
      "inputs_sha256)");
  old.Bind(keep);
  std::vector<std::int64_t> ids;
  while (old.Step()) {
    ids.push_back(old.Int(0));
    if (!old.Text(1).empty()) folders.push_back(old.Text(1));
  }
  for (const std::int64_t id : ids) {
    Statement(*state_, "DELETE FROM nights WHERE id = ?").Bind(id).Step();
  }
  return folders;
}

void History::ForgetFolder(const std::string& folder) {
  Statement(*state_, "UPDATE nights SET folder = '' WHERE folder = ?").Bind(folder).Step();
}

}  // namespace clipsweep
