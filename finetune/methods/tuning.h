// Choosing a method's settings by the images they classify right.
#pragma once

#include "finetune/methods/method.h"

namespace clipsweep {

struct TunedPoint {
  Settings settings;
  TopCounts counts;  // top5 is -1 where only the first class was looked at
};

// Right answers of a classifier; ties go to the lower class. Images go to ranks and threads in
// fixed blocks. The same on every rank. Collective. Throws AgreedError for logits that are not
// finite.
TopCounts CountRight(const Classifier& classifier, const Queries& queries, const FitJob& job);

// Fits each point of the grid and counts; the first of the best. Collective.
TunedPoint TuneByFitting(const Method& method, const FewShot& problem,
                         const std::vector<Settings>& points, FitJob& job);

// The best alpha between `range`'s ends of every point of a residual, over the reals; of these the
// first of the best. Alpha is the middle of the widest stretch that reaches the count, rounded to
// as few digits as lie inside. Collective.
TunedPoint TuneAlpha(const Residual& residual, const ExactAlphaRange& range, FitJob& job);

// The number of fewest digits that lies well inside (low, high).
double RoundInside(double low, double high);

}  // namespace clipsweep
