#!/usr/bin/env python3
"""Times the sweep at a stated size beside the bare affinity product in PyTorch, in one run.

    .venv/bin/python tests/bench/sweep_scale.py --samples 50000 --shots 16 --classes 1000 --width 1024
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "launch"))
import import_tip_adapter as importer  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=50_000)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--shots", type=int, default=16)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--alpha", default="0.5:2.5:0.02")
    parser.add_argument("--beta", default="3:7:0.1")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(args.classes, args.width)).astype(np.float32)
    classes = [f"c{i:04d}" for i in range(args.classes)]

    def near(labels, spread):
        # A shared direction makes all cosines high, as CLIP's are.
        noise = rng.normal(size=(len(labels), args.width)).astype(np.float32)
        return centres[labels] + spread * noise + 2.0

    key_labels = np.arange(args.classes * args.shots) % args.classes
    labels = np.arange(args.samples) % args.classes
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder)
        keys, queries = near(key_labels, 1.0), near(labels, 1.5)
        importer.write_features(out / "cache.h5", keys, key_labels, classes, "cache", {})
        importer.write_features(out / "test.h5", queries, labels, classes, "test", {})
        importer.write_text(out / "text.h5", near(np.arange(args.classes), 1.5), classes, classes, {})
        command = [ROOT / "build/clipsweep", "sweep", "--cache", out / "cache.h5", "--features", out / "test.h5", "--text",
                   out / "text.h5", "--tune-on", "test", "--alpha", args.alpha, "--beta", args.beta, "--out",
                   out / "s.h5", "--json", out / "s.json", "--threads", str(args.threads), "--quiet"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        result = json.loads((out / "s.json").read_text())
    torch.set_num_threads(args.threads)
    f, k = torch.from_numpy(queries), torch.from_numpy(keys).T
    started = time.time()
    for block in f.split(256):
        block @ k
    product = time.time() - started
    print(f"{args.samples} x {len(keys)} x {args.width}, {args.classes} classes, {result['grid_points']} points, "
          f"{args.threads} threads: sweep {result['seconds']:.1f} s (reading and checking the files included), "
          f"affinity product in PyTorch in the same blocks {product:.1f} s, ratio {result['seconds'] / product:.2f}")


if __name__ == "__main__":
    main()
