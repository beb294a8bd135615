#!/usr/bin/env python3
"""The sweep beside what it replaces, in one run, on the same features: the official code's loop over the grid in
PyTorch (timed on some points and scaled to all) and the bare affinity product; then what more points, more subsets
and more ranks cost.

    tests/bench/sweep_vs_pytorch.py                        # 50,000 x 16,000 x 1000 x 1024: 5 minutes
    tests/bench/sweep_vs_pytorch.py --samples 10000 --loop-points 1
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

from problems import MPI_ENVIRONMENT, ROOT, Problem  # noqa: E402

SMALL = ["--alpha", "0.5:2.5:0.02", "--beta", "3:7:0.1"]  # 100 x 40
LARGE = ["--alpha", "0.1:3:0.01", "--beta", "1:7:0.1"]  # 290 x 60


class Bench:
    def __init__(self, folder, files, threads):
        self.folder, self.files, self.threads = folder, files, threads

    def sweep(self, *options, ranks=1, threads=None):
        """The program's own clock: files read and checked, the grid counted, sweep.h5 written."""
        json_path = self.folder / "s.json"
        command = [ROOT / "build/clipsweep", "sweep", *self.files, "--tune-on", "test", "--out", self.folder / "s.h5", "--fresh",
                   "--json", json_path, "--threads", threads or self.threads, "--quiet", *options]
        if ranks > 1:
            command = ["mpirun", "--oversubscribe", "--bind-to", "none", "-np", ranks, *command]
        subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL,
                       env=MPI_ENVIRONMENT)
        self.last = json.loads(json_path.read_text())
        return self.last["seconds"]


def read(path, name):
    with h5py.File(path) as file:
        return torch.from_numpy(file[name][()])


def unit(rows):
    return rows / rows.norm(dim=1, keepdim=True)


def loop_point(features, keys, values, text, labels, alpha, beta):
    """One point as the official search_hp and cls_acc compute it: everything anew."""
    affinity = features @ keys
    cache_logits = ((-1) * (beta - beta * affinity)).exp() @ values
    clip_logits = 100.0 * features @ text
    logits = clip_logits + cache_logits * alpha
    top = logits.topk(1, 1, True, True)[1].t()
    return float(top.eq(labels.view(1, -1).expand_as(top))[:1].reshape(-1).float().sum())


def timed(work):
    started = time.time()
    result = work()
    return time.time() - started, result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=50_000)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--shots", type=int, default=16)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--loop-points", type=int, default=2, help="points the official loop is timed on")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        keys_count = args.classes * args.shots
        bench = Bench(folder, Problem(args.classes, args.width).write_all(folder, keys_count, args.samples), args.threads)
        print(f"{args.samples} samples x {keys_count} keys x {args.classes} classes x {args.width}, {args.threads} threads")

        features, keys = unit(read(folder / "test.h5", "features")), unit(read(folder / "cache.h5", "features")).T
        product, _ = timed(lambda: [block @ keys for block in features.split(256)])
        small = bench.sweep(*SMALL)
        cells, zero_shot = bench.last["cells"], bench.last["zero_shot"]
        print(f"zero-shot {100 * zero_shot['top1'] / args.samples:.1f} %, best of the grid "
              f"{100 * cells[0]['test']['top1'] / args.samples:.1f} % at alpha {cells[0]['alpha']}, beta {cells[0]['beta']}")
        print(f"affinity product in blocks of 256, PyTorch: {product:.2f} s")
        print(f"sweep, 4,000 points, top-1 and top-5: {small:.2f} s = {small / product:.2f} x the product")
        large = bench.sweep(*LARGE)
        print(f"sweep, 17,400 points: {large:.2f} s = {large / small:.2f} x 4,000 points")
        if args.loop_points:
            labels = read(folder / "test.h5", "labels").long()
            values = torch.nn.functional.one_hot(read(folder / "cache.h5", "labels").long(), args.classes).float()
            text = unit(read(folder / "text.h5", "text")).T
            points = [(0.5 + 0.02 * i, 3 + 0.1 * i) for i in range(args.loop_points)]
            loop, right = timed(lambda: [loop_point(features, keys, values, text, labels, *p) for p in points])
            full = loop / args.loop_points * 4000
            with h5py.File(folder / "s.h5") as file:
                alpha, beta, top1 = file["alpha"][()], file["beta"][()], file["top1"][0, 0]
            ours = [int(top1[abs(beta - b).argmin(), abs(alpha - a).argmin()]) for a, b in points]
            print(f"official loop, PyTorch: {loop / args.loop_points:.2f} s a point (of {args.loop_points}), so {full:.0f} s for "
                  f"4,000: {full / small:.0f} x the sweep; it counts {[int(r) for r in right]} right, the sweep {ours}")
        del features, keys

        one = bench.sweep(*SMALL)
        many = bench.sweep(*SMALL, "--shots", "1,2,4,5,8,16", "--subset-seeds", "31:41")
        print(f"6 shot counts x 10 seeds, 4,000 points each: {many:.2f} s = {many / one:.2f} x one subset ({one:.2f} s)")
        alone, together = bench.sweep(*SMALL, threads=1), bench.sweep(*SMALL, ranks=2, threads=1)
        print(f"2 ranks of 1 thread: {together:.2f} s, 1 rank of 1 thread: {alone:.2f} s: {alone / together:.2f} x faster")


if __name__ == "__main__":
    main()
