#include "launch/nightly/history_file.h"

#include <fmt/core.h>

#include <bit>
#include <cstdint>
#include <map>
#include <string>

#include "common/disk/sha256.h"
#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep {
namespace {

constexpr int kSchema = 2;                // PRAGMA user_version; 1 had no seal
constexpr int kApplication = 0x636c7377;  // "clsw", PRAGMA application_id

// By name, as SQLite keeps their text.
const std::map<std::string, std::string>& Tables() {
  static const std::map<std::string, std::string> tables = {
      {"nights", R"(CREATE TABLE nights (
  id INTEGER PRIMARY KEY AUTOINCREMENT, started TEXT NOT NULL, ended TEXT NOT NULL, status TEXT NOT NULL,
  commit_id TEXT NOT NULL, version TEXT NOT NULL, machine TEXT NOT NULL, device TEXT NOT NULL,
  config_sha256 TEXT NOT NULL, inputs_sha256 TEXT NOT NULL, ranks INTEGER NOT NULL,
  threads INTEGER NOT NULL, folder TEXT NOT NULL, message TEXT NOT NULL, answers_right INTEGER NOT NULL))"},
      {"figures", R"(CREATE TABLE figures (
  night INTEGER NOT NULL REFERENCES nights(id) ON DELETE CASCADE, name TEXT NOT NULL, kind TEXT NOT NULL,
  unit TEXT NOT NULL, value REAL NOT NULL, seconds REAL NOT NULL, PRIMARY KEY (night, name)) WITHOUT ROWID)"},
      {"sealed", "CREATE TABLE sealed (sha256 TEXT NOT NULL)"}};
  return tables;
}

[[noreturn]] void Refuse(const Database& database, const std::string& what) {
  throw InputError(fmt::format("{}: {}", Printable(database.path().string()), what));
}

// Before any table is read: a view, a generated column or a trigger of another hand can cost or do
// anything.
void CheckTables(const Database& database, std::int64_t schema) {
  std::map<std::string, std::string> missing = Tables();
  if (schema < 2) missing.erase("sealed");
  Statement all(database, "SELECT name, sql FROM sqlite_schema");
  while (all.Step()) {
    const std::string name = all.Text(0);
    if (name == "sqlite_sequence") continue;  // of AUTOINCREMENT
    const auto table = missing.find(name);
    if (table == missing.end() || all.Text(1) != table->second) {
      Refuse(database, fmt::format("its '{}' is not clipsweep's; restore the file, or give another "
                                   "--history",
                                   Printable(name.substr(0, 100))));
    }
    missing.erase(table);
  }
  if (!missing.empty()) {
    Refuse(database, fmt::format("lacks the table '{}'; restore it, or give another --history",
                                 missing.begin()->first));
  }
}

// Every value with its type, so that no two contents read alike.
std::string RowsSha256(const Database& database) {
  Sha256 hash;
  for (const char* sql :
       {"SELECT * FROM nights ORDER BY id", "SELECT * FROM figures ORDER BY night, name"}) {
    Statement rows(database, sql);
    hash.Update(sql);
    while (rows.Step()) {
      for (int column = 0; column < rows.columns(); ++column) {
        const int type = rows.Type(column);
        const std::string value =
            type == SQLITE_FLOAT
                ? fmt::format("{:016x}", std::bit_cast<std::uint64_t>(rows.Double(column)))
                : rows.Text(column);
        hash.Update(fmt::format("{}:{}:", type, value.size()));
        hash.Update(value);
      }
    }
  }
  return hash.Hex();
}

void CheckPages(const Database& database) {
  Statement check(database, "PRAGMA integrity_check(1)");
  const std::string said = check.Step() ? check.Text(0) : "nothing";
  if (said == "ok") return;
  Refuse(database, fmt::format("is damaged: {}; restore it, or give another --history",
                               Printable(said.substr(0, 200))));
}

void CheckSeal(const Database& database) {
  Statement sealed(database, "SELECT sha256 FROM sealed");
  const std::string expected = sealed.Step() ? sealed.Text(0) : "";
  if (expected == RowsSha256(database) && !sealed.Step()) return;
  Refuse(database,
         "is damaged, or was changed by another program: its rows do not match the SHA-256 kept "
         "with them; restore it, or give another --history");
}

std::int64_t SchemaOf(const Database& database) {
  if (database.Pragma("application_id") != kApplication) {
    Refuse(database, "is an SQLite file but no clipsweep history; give another --history");
  }
  const std::int64_t schema = database.Pragma("user_version");
  if (schema < 1 || schema > kSchema) {
    Refuse(database,
           fmt::format("is a history of schema {}, this program knows {}; use the newer clipsweep, "
                       "or give another --history",
                       schema, kSchema));
  }
  return schema;
}

}  // namespace

void SealHistory(const Database& database) {
  database.Do("DELETE FROM sealed");
  Statement(database, "INSERT INTO sealed VALUES (?)").Bind(RowsSha256(database)).Step();
}

void CheckHistory(const Database& database) {
  const std::int64_t schema = SchemaOf(database);
  CheckTables(database, schema);
  CheckPages(database);
  if (schema >= 2) CheckSeal(database);
}

void PrepareHistory(const Database& database) {
  const bool fresh = database.Pragma("user_version") == 0 &&
                     database.Pragma("application_id") == 0 &&
                     database.Pragma("schema_version") == 0;
  if (!fresh) CheckHistory(database);
  if (!fresh && SchemaOf(database) == kSchema) return;
  Transaction transaction(database);
  for (const auto& [name, sql] : Tables()) {
    if (fresh || name == "sealed") database.Do(sql);
  }
  SealHistory(database);
  database.Do(
      fmt::format("PRAGMA user_version = {}; PRAGMA application_id = {}", kSchema, kApplication));
  transaction.Commit();
}

}  // namespace clipsweep
