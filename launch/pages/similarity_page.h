// The cosine matrix as one HTML page with an SVG: texts down, pictures across, a number in each
// cell.
#pragma once

#include <string>

#include "extract/similarity.h"

namespace clipsweep {

// Self-contained: thumbnails are in it, nothing is fetched, no script runs. Texts and file names
// are escaped.
std::string SimilarityPage(const Similarity& similarity);

// The same as comma-separated values: text, then one column a picture. Cells that a spreadsheet
// would take for a formula are made text.
std::string SimilarityCsv(const Similarity& similarity);

}  // namespace clipsweep
