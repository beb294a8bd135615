// Ctrl-C and SIGTERM end a stage at its next safe place.
#pragma once

namespace clipsweep {

// From now on SIGINT and SIGTERM only set a flag; a second one ends the process the usual way.
void InstallSignalHandlers();

// Throws Interrupted once a signal has arrived. Stages call it between work items.
void ThrowIfInterrupted();
bool IsInterrupted();

}  // namespace clipsweep
