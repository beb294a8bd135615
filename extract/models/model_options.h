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

// Finds, opens and checks it. Throws InputError and UsageError.
std::unique_ptr<Checkpoint> OpenCheckpoint(const ModelOptions& options);

EncoderOptions MakeEncoderOptions(const ModelOptions& options, const Compute& compute);

}  // namespace clipsweep
