#!/usr/bin/env python3
"""Tip-Adapter-F's training step as the official code takes it, in PyTorch, beside ours: same features, same machine,
one run.

    tests/bench/finetune_vs_pytorch.py          # batch 256 x 16,000 keys x 1000 classes x 1024
"""
import argparse
import json
import os
import pathlib
import subprocess
import tempfile
import time

import bench_python

bench_python.require(__name__, "numpy", "h5py", "torch")
import h5py  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402

from problems import MPI_ENVIRONMENT, ROOT, Problem  # noqa: E402


def official_step(keys, values, text, optimizer, scheduler, features, labels, alpha, beta):
    """The loop body of run_tip_adapter_F, the encoder left out: features are at hand."""
    affinity = keys(features)
    cache_logits = ((-1) * (beta - beta * affinity)).exp() @ values
    clip_logits = 100.0 * features @ text
    loss = F.cross_entropy(clip_logits + cache_logits * alpha, labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    return loss.item()


def read(path, name):
    with h5py.File(path) as file:
        return torch.from_numpy(file[name][()])


def time_official(folder, batch, steps, threads):
    torch.set_num_threads(threads)
    features = F.normalize(read(folder / "cache.h5", "features"))
    labels = read(folder / "cache.h5", "labels").long()
    text = F.normalize(read(folder / "text.h5", "text")).T
    values = F.one_hot(labels).float()
    keys = torch.nn.Linear(features.shape[1], len(features), bias=False)
    keys.weight = torch.nn.Parameter(features.clone())
    optimizer = torch.optim.AdamW(keys.parameters(), lr=1e-3, eps=1e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20 * len(features) // batch)
    times = []
    for step in range(steps + 1):
        rows = torch.randperm(len(features))[:batch]
        started = time.time()
        official_step(keys, values, text, optimizer, scheduler, features[rows], labels[rows], 1.0, 5.5)
        times.append(time.time() - started)
    return sum(times[1:]) / steps  # the first allocates


def time_ours(folder, files, batch, keys, ranks, threads):
    """A run of three epochs less a run of one: two epochs' steps, files and evaluations aside."""
    steps = -(-keys // batch)

    def seconds(epochs):
        command = [ROOT / "build/clipsweep", "finetune", *files, "--alpha", 1, "--beta", 5.5, "--epochs", epochs, "--batch",
                   batch, "--out", folder / "a.h5", "--fresh", "--json", folder / "a.json", "--threads", threads,
                   "--save-every", 0, "--quiet"]
        if ranks > 1:
            command = ["mpirun", "--oversubscribe", "--bind-to", "none", "-np", ranks, *command]
        subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL,
                       env=MPI_ENVIRONMENT)
        return json.loads((folder / "a.json").read_text())["seconds"]

    return (seconds(3) - seconds(1)) / (2 * steps)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--shots", type=int, default=16)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--steps", type=int, default=20, help="steps the official code is timed on")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder, keys = pathlib.Path(temporary), args.classes * args.shots
        files = Problem(args.classes, args.width).write_all(folder, keys, 500)
        print(f"batch {args.batch} x {keys} keys x {args.classes} classes x {args.width}")
        official = time_official(folder, args.batch, args.steps, args.threads)
        ours = time_ours(folder, files, args.batch, keys, 1, args.threads)
        alone = time_ours(folder, files, args.batch, keys, 1, 1)
        together = time_ours(folder, files, args.batch, keys, 2, 1)
    print(f"official step, PyTorch, {args.threads} threads: {official:.3f} s")
    print(f"our step, {args.threads} threads: {ours:.3f} s: {official / ours:.2f} x faster")
    print(f"our step, 1 rank of 1 thread {alone:.3f} s, 2 ranks of 1 thread {together:.3f} s: {alone / together:.2f} x faster")


if __name__ == "__main__":
    main()
