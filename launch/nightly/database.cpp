#include "launch/nightly/database.h"

#include <fmt/core.h>

#include "common/process/error.h"
#include "common/process/liveness.h"
#include "common/process/log.h"
#include "common/process/signals.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;

constexpr int kStepsBetweenLooks = 10'000;    // of SQLite's machine, at signals
constexpr int kMostBytesOfValue = 1'000'000;  // a message, a path

int Look(void*) {
  MadeProgress();
  return IsInterrupted() ? 1 : 0;
}

}  // namespace

Database::Database(const fs::path& path, Open open) : path_(path) {
  std::error_code none;
  const fs::file_type type = fs::status(path, none).type();
  if (type != fs::file_type::not_found && type != fs::file_type::regular) {
    throw InputError(
        fmt::format("{}: is no plain file; give another --history", Printable(path.string())));
  }
  if (open == Open::kOrMake && path.has_parent_path()) fs::create_directories(path.parent_path());
  const int flags =
      open == Open::kToRead ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  if (sqlite3_open_v2(path.c_str(), &db_, flags, nullptr) != SQLITE_OK) {
    const std::string why = db_ != nullptr ? sqlite3_errmsg(db_) : "no memory";
    sqlite3_close(db_);
    throw InputError(fmt::format("{}: {}; give another --history, or restore it",
                                 Printable(path.string()), why));
  }
  sqlite3_busy_timeout(db_, 10'000);  // a reader, as a dashboard, may hold it for a moment
  SetInterruptible(true);
  sqlite3_limit(db_, SQLITE_LIMIT_LENGTH, kMostBytesOfValue);
  // What a foreign file defines, as triggers and views, is not run.
  sqlite3_db_config(db_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(db_, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  sqlite3_db_config(db_, SQLITE_DBCONFIG_ENABLE_VIEW, 0, nullptr);
  sqlite3_db_config(db_, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
}

Database::~Database() { sqlite3_close(db_); }

void Database::SetInterruptible(bool interruptible) const {
  sqlite3_progress_handler(db_, kStepsBetweenLooks, interruptible ? Look : nullptr, nullptr);
}

void Database::Fail() const {
  const std::string why = sqlite3_errmsg(db_);
  if (sqlite3_errcode(db_) == SQLITE_INTERRUPT) ThrowIfInterrupted();
  throw InputError(
      fmt::format("{}: {}; give another --history, or restore it", Printable(path_.string()), why));
}

void Database::Do(const std::string& sql) const {
  if (sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) Fail();
}

std::int64_t Database::Pragma(const std::string& name) const {
  Statement statement(*this, "PRAGMA " + name);
  return statement.Step() ? statement.Int(0) : 0;
}

Statement::Statement(const Database& database, const std::string& sql) : database_(database) {
  if (sqlite3_prepare_v2(database.get(), sql.c_str(), -1, &statement_, nullptr) != SQLITE_OK) {
    database.Fail();
  }
}

Statement& Statement::Checked(int code) {
  if (code != SQLITE_OK) database_.Fail();
  return *this;
}

Statement& Statement::Bind(const std::string& text) {
  return Checked(sqlite3_bind_text(statement_, ++bound_, text.c_str(),
                                   static_cast<int>(text.size()), SQLITE_TRANSIENT));
}
Statement& Statement::Bind(std::int64_t value) {
  return Checked(sqlite3_bind_int64(statement_, ++bound_, value));
}
Statement& Statement::Bind(double value) {
  return Checked(sqlite3_bind_double(statement_, ++bound_, value));
}

bool Statement::Step() {
  const int code = sqlite3_step(statement_);
  if (code != SQLITE_ROW && code != SQLITE_DONE) database_.Fail();
  return code == SQLITE_ROW;
}

std::string Statement::Text(int column) const {
  const auto* text = sqlite3_column_text(statement_, column);
  if (text == nullptr) return "";
  return {reinterpret_cast<const char*>(text),
          static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

}  // namespace clipsweep
