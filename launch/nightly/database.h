// An SQLite file that others may have written: opened so that nothing in it runs, that its reading
// can be interrupted, and that its rows are bounded.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <string>

namespace clipsweep {

class Database {
 public:
  enum class Open { kOrMake, kToRead };
  // Throws InputError naming the file: for what is no plain file, and for what SQLite says.
  explicit Database(const std::filesystem::path& path, Open open = Open::kOrMake);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  const std::filesystem::path& path() const { return path_; }
  sqlite3* get() const { return db_; }
  void Do(const std::string& sql) const;
  std::int64_t Pragma(const std::string& name) const;
  // What SQLite said last. Throws Interrupted where a signal has stopped it.
  [[noreturn]] void Fail() const;
  // Whether SIGINT and SIGTERM end what it does; while rows are written they do not.
  void SetInterruptible(bool interruptible) const;

 private:
  std::filesystem::path path_;
  sqlite3* db_ = nullptr;
};

// All of it or, when it goes out of scope before Commit, nothing.
class Transaction {
 public:
  explicit Transaction(const Database& database) : database_(database) {
    database.SetInterruptible(false);
    database.Do("BEGIN IMMEDIATE");
  }
  ~Transaction() {
    if (!done_) sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
    database_.SetInterruptible(true);
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void Commit() {
    database_.Do("COMMIT");
    done_ = true;
  }

 private:
  const Database& database_;
  bool done_ = false;
};

// One prepared statement, bound from the left.
class Statement {
 public:
  Statement(const Database& database, const std::string& sql);
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& Bind(const std::string& text);
  Statement& Bind(std::int64_t value);
  Statement& Bind(double value);

  bool Step();  // whether there is a row
  int columns() const { return sqlite3_column_count(statement_); }
  // SQLITE_INTEGER, SQLITE_FLOAT, SQLITE_TEXT, SQLITE_BLOB or SQLITE_NULL, as it is stored.
  int Type(int column) const { return sqlite3_column_type(statement_, column); }
  std::string Text(int column) const;
  std::int64_t Int(int column) const { return sqlite3_column_int64(statement_, column); }
  double Double(int column) const { return sqlite3_column_double(statement_, column); }

 private:
  Statement& Checked(int code);

  const Database& database_;
  sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0;
};

}  // namespace clipsweep
