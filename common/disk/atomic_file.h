// Files that are either the old one or the new one, never half of one, whatever kills the process:
// write to a temporary beside PATH, fsync, rename, fsync the folder.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace clipsweep {

// Where to write before CommitFile moves it to `path`: PATH.<12 hex digits>.tmp, a name that nobody
// can know and plant a link at; it must be made with O_EXCL. Missing folders are made.
std::filesystem::path TemporaryFor(const std::filesystem::path& path);

// Whether `name` is one of TemporaryFor's for the file called `of`.
bool IsTemporaryOf(std::string_view name, std::string_view of);

// Renames `temporary`, which is on disk whole (OutputFile::SyncAndClose), to `path` and fsyncs the
// folder. A link that is called `path` is replaced, not followed. Throws InputError naming the
// path.
void CommitFile(const std::filesystem::path& temporary, const std::filesystem::path& path);
void RemoveTemporary(const std::filesystem::path& temporary);

void WriteFileAtomically(const std::filesystem::path& path, std::string_view content);

// Whole file as bytes, of a pipe or device what comes until its end; SIGINT and SIGTERM end the
// waiting. What came from a pipe is kept: it is there once, and some inputs are read twice. Throws
// InputError; refuses more than `limit` bytes.
std::string ReadFile(const std::filesystem::path& path, std::size_t limit = std::size_t{1} << 30);

// How many ranks read the inputs, from now on: with more than one, pipes and devices are refused.
void SetReaders(int ranks);

// For inputs that are opened by name more than once: throws InputError for a pipe or device.
void RequireNoPipe(const std::filesystem::path& path);

}  // namespace clipsweep
