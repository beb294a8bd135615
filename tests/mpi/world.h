#pragma once

#include "common/comm.h"

namespace clipsweep::testing {

Comm& World();

}  // namespace clipsweep::testing
