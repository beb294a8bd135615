// What probes that start at the text share.
#pragma once

#include <string>
#include <vector>

#include "finetune/methods/method.h"

namespace clipsweep {

// lr, epochs, batch, text-norm.
std::vector<Setting> ProbeSettings();

// `pull` [C] or undefined: see LinearForm.
Fitted FitProbe(const std::string& name, const FewShot& problem, const Settings& settings,
                const at::Tensor& pull, FitJob& job);

}  // namespace clipsweep
