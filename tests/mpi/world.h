#pragma once

#include "common/comm/comm.h"

namespace clipsweep::testing {

Comm& World();

}  // namespace clipsweep::testing
