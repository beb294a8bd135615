// What the file of nights is made of, and whether it is whole: its tables are exactly ours, SQLite
// finds its pages in order, and all rows match one SHA-256 that is kept with them.
#pragma once

#include "launch/nightly/database.h"

namespace clipsweep {

// Makes the tables in an empty file, or checks those that are there; a file of an earlier schema
// is brought up. Throws InputError naming the file when it is none of ours, was changed by
// something else, or is of a newer schema.
void PrepareHistory(const Database& database);

// Only checks. For verify: nothing is written.
void CheckHistory(const Database& database);

// Writes the SHA-256 of all rows; within the transaction that has changed some.
void SealHistory(const Database& database);

}  // namespace clipsweep
