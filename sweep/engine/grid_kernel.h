// The grid on a GPU, after the products. A thread block takes one sample, one shot count and a run
// of betas; a thread takes classes in turn. The kernel values of a class's keys stay in registers
// from beta to beta, and so do its 16 sums; what classes do to the label is gathered in shared
// memory; only counts leave the chip. Written as phases between which a block synchronises, so that
// the tests run them on the CPU.
#pragma once

#include <cmath>
#include <cstdint>

#include "sweep/kernels/alpha_meeting.h"

namespace clipsweep {

inline constexpr int kRunBetas = 16;  // kAnchorEvery

// One block of samples, one task, runs of betas. All pointers are the device's.
struct GridKernelArgs {
  int samples = 0, classes = 0, slots = 0, shot_counts = 0, betas = 0;
  std::int64_t columns = 0, alpha_count = 0;
  const float* affinity = nullptr;       // [samples, columns] f F^T
  const float* z = nullptr;              // [samples, classes]
  const std::int32_t* labels = nullptr;  // [samples]
  const std::int32_t* column = nullptr;  // [slots, classes] column of the s-th key, -1: none
  const std::int32_t* shots = nullptr;   // [shot_counts] rising
  const double* alphas = nullptr;        // [alpha_count]
  double beta_low = 0, beta_step = 0;
  int first_run = 0, runs = 0;  // of 16 betas
  int chunk = kRunBetas;        // betas a thread block keeps counts of, a divisor of 16: MostBetas
  float margin = 0;             // below it a lead in float32 is looked at in double precision
  // Added to: [shot_counts, betas, alpha_count + 1] difference arrays.
  std::int64_t *top1_steps = nullptr, *top5_steps = nullptr;
  // [samples, shot_counts, betas, 2] where top-1 begins and ends: codes, kFromStart and kToEnd for
  // the axis' ends, begin >= end for never. nullptr: not wanted.
  std::int64_t* edges = nullptr;
};

inline constexpr std::int64_t kFromStart = INT64_MIN, kToEnd = INT64_MAX;

// A thread block's shared memory.
struct GridShared {
  float* label_sums;    // [16]
  std::int64_t* begin;  // [chunk]
  std::int64_t* end;    // [chunk]
  int* steps;           // [chunk, alpha_count + 1] of the number of classes that beat the label
};

CLIPSWEEP_HD inline GridShared SharedAt(void* memory, int chunk) {
  GridShared shared;
  shared.begin = static_cast<std::int64_t*>(memory);
  shared.end = shared.begin + chunk;
  shared.label_sums = reinterpret_cast<float*>(shared.end + chunk);
  shared.steps = reinterpret_cast<int*>(shared.label_sums + kRunBetas);
  return shared;
}

inline std::int64_t SharedBytes(int chunk, std::int64_t alpha_count) {
  return chunk * 16 + kRunBetas * 4 + chunk * (alpha_count + 1) * 4;
}

// The most betas whose counts fit into `bytes` of shared memory: 16, 8, 4, 2, 1, or 0 for none.
inline int MostBetas(std::int64_t alpha_count, std::int64_t bytes) {
  int chunk = kRunBetas;
  while (chunk > 0 && SharedBytes(chunk, alpha_count) > bytes) chunk /= 2;
  return chunk;
}

#ifdef __CUDACC__
#define CLIPSWEEP_UNROLL _Pragma("unroll")
#define CLIPSWEEP_RARE __noinline__
#else
#define CLIPSWEEP_UNROLL
#define CLIPSWEEP_RARE inline
#endif

namespace grid_kernel {

#ifdef __CUDA_ARCH__
__device__ inline void Add(int* to, int value) { atomicAdd(to, value); }
__device__ inline void Add(std::int64_t* to, int value) {
  atomicAdd(reinterpret_cast<unsigned long long*>(to),
            static_cast<unsigned long long>(static_cast<long long>(value)));
}
__device__ inline void Raise(std::int64_t* to, std::int64_t value) {
  atomicMax(reinterpret_cast<long long*>(to), static_cast<long long>(value));
}
__device__ inline void Lower(std::int64_t* to, std::int64_t value) {
  atomicMin(reinterpret_cast<long long*>(to), static_cast<long long>(value));
}
#else
inline void Add(int* to, int value) { *to += value; }
inline void Add(std::int64_t* to, int value) { *to += value; }
inline void Raise(std::int64_t* to, std::int64_t value) { *to = *to < value ? value : *to; }
inline void Lower(std::int64_t* to, std::int64_t value) { *to = *to > value ? value : *to; }
#endif

// Which part of the work a thread block has.
struct Place {
  int sample, shot;  // positions
  int anchor;        // the run's first beta
  int first, betas;  // of the chunk: positions within the run, how many
  std::int64_t row;  // of the counts at the chunk's first beta: shot * betas + beta
};

// z of a launch's grid counts chunks of betas.
CLIPSWEEP_HD inline Place PlaceOf(const GridKernelArgs& a, int sample, int shot, int chunk_number) {
  const int chunks = kRunBetas / a.chunk;
  Place place;
  place.sample = sample;
  place.shot = shot;
  place.anchor = (a.first_run + chunk_number / chunks) * kRunBetas;
  place.first = (chunk_number % chunks) * a.chunk;
  const int left = a.betas - place.anchor - place.first;
  place.betas = left < a.chunk ? left : a.chunk;  // may be 0 or less: nothing to do
  place.row = static_cast<std::int64_t>(shot) * a.betas + place.anchor + place.first;
  return place;
}

// sums[j] = sum over the class's first shots[shot] keys of exp(-beta_j (1 - A)) at the run's betas.
CLIPSWEEP_HD inline void SumClass(const GridKernelArgs& a, const Place& place, int c,
                                  float (&sums)[kRunBetas]) {
  const float* affinity = a.affinity + place.sample * a.columns;
  const auto beta = static_cast<float>(a.beta_low + place.anchor * a.beta_step);
  const auto step = static_cast<float>(a.beta_step);
  CLIPSWEEP_UNROLL
  for (int j = 0; j < kRunBetas; ++j) sums[j] = 0;
  const int keys = a.shots[place.shot];
  for (int s = 0; s < keys; ++s) {
    const std::int32_t column = a.column[static_cast<std::int64_t>(s) * a.classes + c];
    if (column < 0) break;
    const float distance = 1.0f - affinity[column];
    float e = std::exp(-beta * distance);
    const float ratio = std::exp(-step * distance);
    CLIPSWEEP_UNROLL
    for (int j = 0; j < kRunBetas; ++j) {
      sums[j] += e;
      e *= ratio;
    }
  }
}

CLIPSWEEP_HD inline void Clear(const GridKernelArgs& a, const Place& place,
                               const GridShared& shared, int thread, int threads) {
  for (int j = thread; j < place.betas; j += threads) {
    shared.begin[j] = kFromStart;
    shared.end[j] = kToEnd;
  }
  const std::int64_t cells = place.betas * (a.alpha_count + 1);
  for (std::int64_t i = thread; i < cells; i += threads) shared.steps[i] = 0;
}

// By the thread that owns the label's class.
CLIPSWEEP_HD inline void SumLabel(const GridKernelArgs& a, const Place& place,
                                  const GridShared& shared, int thread, int threads) {
  const int label = a.labels[place.sample];
  if (label % threads != thread) return;
  float sums[kRunBetas];
  SumClass(a, place, label, sums);
  CLIPSWEEP_UNROLL
  for (int j = 0; j < kRunBetas; ++j) shared.label_sums[j] = sums[j];
}

// A class that may beat the label somewhere on the axis; `at`: position of the beta in the chunk.
CLIPSWEEP_HD CLIPSWEEP_RARE void MeetRival(const GridKernelArgs& a, const GridShared& shared,
                                           int at, double dz, double ds, bool before) {
  const Meeting meeting = MeetClass(dz, ds, a.alphas, a.alpha_count, before);
  int* steps = shared.steps + at * (a.alpha_count + 1);
  if (meeting.ahead_at_first) Add(steps, 1);
  if (!meeting.crosses) {
    if (meeting.ahead_at_first) Lower(shared.end + at, kFromStart);  // never top-1
    return;
  }
  Add(steps + meeting.at, meeting.ahead_at_first ? -1 : 1);
  if (meeting.ahead_at_first) {
    Raise(shared.begin + at, meeting.edge);
  } else {
    Lower(shared.end + at, meeting.edge);
  }
}

CLIPSWEEP_HD inline void MeetClasses(const GridKernelArgs& a, const Place& place,
                                     const GridShared& shared, int thread, int threads) {
  const int label = a.labels[place.sample];
  const float* z = a.z + static_cast<std::int64_t>(place.sample) * a.classes;
  const auto low = static_cast<float>(a.alphas[0]);
  const auto high = static_cast<float>(a.alphas[a.alpha_count - 1]);
  for (int c = thread; c < a.classes; c += threads) {
    if (c == label) continue;
    float sums[kRunBetas];
    SumClass(a, place, c, sums);
    const double dz = static_cast<double>(z[label]) - z[c];
    CLIPSWEEP_UNROLL
    for (int j = 0; j < kRunBetas; ++j) {
      const int at = j - place.first;
      if (at < 0 || at >= place.betas) continue;
      const double ds = static_cast<double>(shared.label_sums[j]) - sums[j];
      const auto lead = static_cast<float>(dz), slope = static_cast<float>(ds);
      if (lead + low * slope > a.margin && lead + high * slope > a.margin) continue;
      MeetRival(a, shared, at, dz, ds, c < label);
    }
  }
}

CLIPSWEEP_HD inline void Count(const GridKernelArgs& a, const Place& place,
                               const GridShared& shared, int thread, int threads) {
  constexpr int kTop = 5;
  for (int j = thread; j < place.betas; j += threads) {
    const int* steps = shared.steps + j * (a.alpha_count + 1);
    std::int64_t* top1_steps = a.top1_steps + (place.row + j) * (a.alpha_count + 1);
    std::int64_t* top5_steps = a.top5_steps + (place.row + j) * (a.alpha_count + 1);
    int beaten_by = 0;
    bool top1 = false, top5 = false;
    for (std::int64_t i = 0; i < a.alpha_count; ++i) {
      beaten_by += steps[i];
      const bool is1 = beaten_by == 0, is5 = beaten_by < kTop;
      if (is1 != top1) Add(top1_steps + i, is1 ? 1 : -1);
      if (is5 != top5) Add(top5_steps + i, is5 ? 1 : -1);
      top1 = is1;
      top5 = is5;
    }
    if (a.edges == nullptr) continue;
    const std::int64_t rows = static_cast<std::int64_t>(a.shot_counts) * a.betas;
    std::int64_t* edges = a.edges + 2 * (place.sample * rows + place.row + j);
    edges[0] = shared.begin[j];
    edges[1] = shared.end[j];
  }
}

}  // namespace grid_kernel

// The phases, to be separated by a barrier of the thread block.
inline constexpr int kGridPhases = 4;
CLIPSWEEP_HD inline void GridPhase(int phase, const GridKernelArgs& args,
                                   const grid_kernel::Place& place, const GridShared& shared,
                                   int thread, int threads) {
  if (phase == 0) grid_kernel::Clear(args, place, shared, thread, threads);
  if (phase == 1) grid_kernel::SumLabel(args, place, shared, thread, threads);
  if (phase == 2) grid_kernel::MeetClasses(args, place, shared, thread, threads);
  if (phase == 3) grid_kernel::Count(args, place, shared, thread, threads);
}

// Runs the kernel for `args` and returns nullptr, or what went wrong. Shared memory a launch may
// use: kSharedBytes.
using GridLaunchFunction = const char*(const GridKernelArgs& args, int device);
using GridLaunch = GridLaunchFunction*;
inline constexpr std::int64_t kSharedBytes = 96 << 10;

}  // namespace clipsweep
