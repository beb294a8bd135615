// What a sweep counts, in plain double precision: the page to read first. The engine gives the same
// counts far faster (sample_counter.h, exact_alpha.h, grid_kernel.h); tests hold it to this one.
//
// An image has the feature f, of unit length. Class c has the text row w_c and keys k, of which a
// subset of `shots` keeps the first so many. Its logit at alpha and beta is
//
//     logit_c = z_c + alpha S_c,   z_c = s f . w_c,   S_c = sum_k exp(-beta (1 - f . k)).
//
// Neither text rows nor keys need be of unit length: trained ones are not.
//
// The tie rule: of two classes with equal logits the one with the lower number is ahead. Logits
// are compared as (z_a - z_b) + alpha (S_a - S_b), in which a large z does not swallow a small S.
// An image is right in top-1 when no class is ahead of its label, in top-5 when fewer than five.
#pragma once

#include <cstdint>
#include <vector>

#include "sweep/math/cache_model.h"

namespace clipsweep {

// z [C] of one feature [D].
std::vector<double> ReferenceZ(const CacheModel& cache_model, const float* feature);

// S [C] of one feature with the first `shots` rows of each class as keys; 0 for a class without.
std::vector<double> ReferenceS(const CacheModel& cache_model,
                               const std::vector<std::vector<std::int64_t>>& rows_by_class,
                               std::int64_t shots, double beta, const float* feature);

// How many classes are ahead of `label` at alpha.
std::int64_t ReferenceAhead(const std::vector<double>& z, const std::vector<double>& s,
                            double alpha, std::int64_t label);

// The task's whole grid: top1 and top5 [shots, beta, alpha]. `exact` stays empty.
GridCounts ReferenceCounts(const CacheModel& cache_model, const Queries& queries,
                           const GridTask& task);

}  // namespace clipsweep
