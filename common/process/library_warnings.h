// What libraries have to say goes through the log.
#pragma once

namespace clipsweep {

// Warnings of LibTorch, which may hold names of files, become lines of the log. Call it once.
void LogLibraryWarnings();

}  // namespace clipsweep
