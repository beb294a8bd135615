// Which channels APE keeps (Zhu et al., ICCV 2023, arXiv 2304.01195, section 3.1): those on which
// different classes are least alike and whose text varies most.
#pragma once

#include <cstdint>
#include <vector>

#include "finetune/methods/method.h"

namespace clipsweep {

// The `count` channels with the largest -w0 sim + w1 var, rising; ties: the lower channel.
//   sim_d: mean of a_d b_d over ordered pairs of rows of different classes, a class's rows being
//          its text and, `with_images`, its keys
//   var_d: unbiased variance of the text's channel over classes
std::vector<std::int32_t> MostTellingChannels(const FewShot& problem, std::int64_t count, double w0,
                                              double w1, bool with_images);

// A count of channels that the papers give for a width of 1024, for another width.
double ForWidth(double of_1024, const FewShot& problem);

}  // namespace clipsweep
