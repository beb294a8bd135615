#!/usr/bin/env python3
"""The memory a sweep takes over a cache as large as ImageNet's training set.

    tests/bench/sweep_memory.py --keys 1280000 --samples 2000 --partition samples
    tests/bench/sweep_memory.py --partition classes --ranks 2
"""
import argparse
import pathlib
import resource
import subprocess
import tempfile
import time

import bench_python

bench_python.require(__name__, "numpy", "h5py", "torch")
from problems import MPI_ENVIRONMENT, ROOT, Problem  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=1_280_000)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--shots", help="as in 16,128; all keys when not given")
    parser.add_argument("--partition", default="samples")
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", help="where the files are kept; a temporary folder when not given")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(args.folder or temporary)
        files = ["--cache", folder / "cache.h5", "--features", folder / "test.h5", "--text", folder / "text.h5"]
        if not (folder / "text.h5").exists():
            Problem(args.classes, args.width).write_all(folder, args.keys, args.samples)
        command = [ROOT / "build/clipsweep", "sweep", *files, "--tune-on", "test", "--alpha", "0.5:2.5:0.02", "--beta",
                   "3:7:0.1", "--out", pathlib.Path(temporary) / "s.h5", "--partition", args.partition, "--threads",
                   str(args.threads), *(["--shots", args.shots] if args.shots else [])]
        if args.ranks > 1:
            command = ["mpirun", "--oversubscribe", "-np", str(args.ranks), *command]
        started = time.time()
        subprocess.run([str(word) for word in command], check=True, env=MPI_ENVIRONMENT)
        seconds = time.time() - started
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(f"{args.keys} keys x {args.width}, {args.classes} classes, {args.samples} samples, --partition {args.partition}, "
          f"{args.ranks} ranks x {args.threads} threads: {seconds:.0f} s, at most {largest:.2f} GiB a rank "
          f"(features of the keys: {args.keys * args.width * 4 / 2**30:.2f} GiB)")


if __name__ == "__main__":
    main()
