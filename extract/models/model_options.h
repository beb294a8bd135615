// Which checkpoint, and how to run it: what every command with --model asks for.
#pragma once

#include <memory>
#include <string>

#include "common/compute/device.h"
#include "extract/checkpoints/checkpoint.h"
#include "extract/images/image_decode.h"
#include "extract/models/encoder_options.h"

namespace clipsweep {

struct ModelOptions : CheckpointOptions {
  std::string model;              // path or name, see FindModel
  std::string precision = "f32";  // of the encoders' arithmetic: f32, f16, bf16
  DecodeLimits decode;            // of the pictures it is given
};

// Finds, opens and checks it. While somebody holds a checkpoint, it is not opened again: whoever
// runs several stages with a model holds it over all of them. Throws InputError and UsageError.
std::shared_ptr<const Checkpoint> OpenCheckpoint(const ModelOptions& options);

// Throws UsageError for f16 on a CPU, which would emulate it; warns of bf16 where the processor
// lacks it.
EncoderOptions MakeEncoderOptions(const ModelOptions& options, const Compute& compute);

}  // namespace clipsweep
