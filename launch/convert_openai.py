#!/usr/bin/env python3
"""Turn OpenAI's CLIP archive (RN50.pt, ..) into safetensors, the form clipsweep reads.

    .venv/bin/python launch/convert_openai.py RN50.pt --out RN50.safetensors

Such an archive is TorchScript, which can run code when it is opened. So its SHA-256 must be the published one of
a known model; for an archive of your own making give --trust-checkpoint.
"""
import argparse
import hashlib
import json
import pathlib
import re
import sys

import torch
from safetensors.torch import save_file

TABLE = pathlib.Path(__file__).resolve().parent.parent / "extract" / "model_config.cpp"


def published():
    """{sha256: model name}, from the program's own table."""
    names = re.findall(r'\{(?:ResNet|ViT)\("([^"]+)".*?\),\s*"([0-9a-f]{64})"\}', TABLE.read_text(), re.S)
    return {digest: name for name, digest in names}


def refuse(message):
    print(f"convert_openai: {message}", file=sys.stderr)
    sys.exit(3)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--trust-checkpoint", action="store_true")
    args = parser.parse_args()
    if not args.archive.is_file():
        refuse(f"{args.archive}: no such file")
    digest = hashlib.sha256(args.archive.read_bytes()).hexdigest()
    name = published().get(digest)
    if name is None and not args.trust_checkpoint:
        refuse(f"{args.archive}: SHA-256 {digest} is of no published model; opening it could run code; give "
               "--trust-checkpoint if you made it yourself")
    model = torch.jit.load(str(args.archive), map_location="cpu")
    state = {k: v.contiguous() for k, v in model.state_dict().items() if v.is_floating_point()}
    config = {"model_cfg": {"quick_gelu": True}}  # as all of OpenAI's models
    save_file(state, args.out, metadata={"open_clip_config": json.dumps(config), "source_sha256": digest})
    print(f"{args.out}: {name or 'unknown model'}, {sum(v.numel() for v in state.values())} values")


if __name__ == "__main__":
    main()
