#include "launch/nightly/history.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "launch/nightly/database.h"
#include "launch/nightly/history_file.h"

namespace clipsweep {
namespace {

constexpr const char* kColumns =
    "id, started, ended, status, commit_id, version, machine, device, config_sha256, "
    "inputs_sha256, "
    "ranks, threads, folder, message, answers_right";

}  // namespace

struct History::State {
  Database database;
};

namespace {

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

}  // namespace

History::History(const std::filesystem::path& path) : state_(new State{Database(path)}) {
  state_->database.Do("PRAGMA foreign_keys = ON");
  PrepareHistory(state_->database);
}

History::~History() = default;

void History::Change(const std::function<void(const Database&)>& change) {
  Transaction transaction(state_->database);
  change(state_->database);
  SealHistory(state_->database);
  transaction.Commit();
}

std::int64_t History::CloseAbandoned(const std::string& now) {
  std::int64_t closed = 0;
  Change([&](const Database& database) {
    Statement(database,
              "UPDATE nights SET status = 'failed', ended = ?, message = 'ended without a result: "
              "killed, or the machine went down' WHERE status = 'running'")
        .Bind(now)
        .Step();
    closed = sqlite3_changes(database.get());
  });
  return closed;
}

std::int64_t History::Add(const Night& night) {
  std::int64_t id = 0;
  Change([&](const Database& database) {
    Statement statement(database,
                        "INSERT INTO nights (started, ended, status, commit_id, version, machine, "
                        "device, config_sha256, inputs_sha256, ranks, threads, folder, message, "
                        "answers_right) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    BindNight(statement, night);
    statement.Step();
    id = sqlite3_last_insert_rowid(database.get());
  });
  return id;
}

void History::Update(const Night& night) {
  Change([&](const Database& database) {
    Statement statement(
        database,
        "UPDATE nights SET started = ?, ended = ?, status = ?, commit_id = ?, version = ?, "
        "machine = ?, device = ?, config_sha256 = ?, inputs_sha256 = ?, ranks = ?, "
        "threads = ?, folder = ?, message = ?, answers_right = ? WHERE id = ?");
    BindNight(statement, night);
    statement.Bind(night.id).Step();
  });
}

void History::AddFigures(std::int64_t night, const std::vector<Figure>& figures) {
  Change([&](const Database& database) {
    for (const Figure& figure : figures) {
      Statement statement(database, "INSERT INTO figures VALUES (?, ?, ?, ?, ?, ?)");
      statement.Bind(night).Bind(figure.name).Bind(figure.kind).Bind(figure.unit);
      statement.Bind(figure.value).Bind(figure.seconds).Step();
    }
  });
}

std::vector<Night> History::Nights(std::int64_t most) const {
  Statement statement(state_->database,
                      fmt::format("SELECT {} FROM nights ORDER BY id DESC LIMIT ?", kColumns));
  statement.Bind(most);
  auto nights = ReadNights(statement);
  std::reverse(nights.begin(), nights.end());
  return nights;
}

std::vector<Figure> History::Figures(std::int64_t night) const {
  Statement statement(
      state_->database,
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
      state_->database,
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
      state_->database,
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
  if (ids.empty()) return folders;
  Change([&](const Database& database) {
    for (const std::int64_t id : ids) {
      Statement(database, "DELETE FROM nights WHERE id = ?").Bind(id).Step();
    }
  });
  return folders;
}

void History::ForgetFolder(const std::string& folder) {
  Change([&](const Database& database) {
    Statement(database, "UPDATE nights SET folder = '' WHERE folder = ?").Bind(folder).Step();
  });
}

}  // namespace clipsweep
