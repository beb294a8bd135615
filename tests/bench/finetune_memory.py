#!/usr/bin/env python3
"""The memory a training takes, beside what docs/finetune.md says it should.

    tests/bench/finetune_memory.py --keys 64000
    tests/bench/finetune_memory.py --keys 64000 --ranks 2
"""
import argparse
import os
import pathlib
import resource
import subprocess
import tempfile

import bench_python

bench_python.require(__name__, "numpy", "h5py", "torch")
from problems import MPI_ENVIRONMENT, ROOT, Problem  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=64_000)
    parser.add_argument("--samples", type=int, default=1000, help="test images")
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--shots", type=int, default=0, help="0: all keys")
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--folder", help="where the files are kept; a temporary folder when not given")
    args = parser.parse_args()
    program = pathlib.Path(os.environ.get("CLIPSWEEP_BUILD", ROOT / "build")) / "clipsweep"
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(args.folder or temporary)
        files = ["--cache", folder / "cache.h5", "--features", folder / "test.h5", "--text", folder / "text.h5"]
        if not (folder / "text.h5").exists():
            Problem(args.classes, args.width).write_all(folder, args.keys, args.samples)
        command = [program, "finetune", *files, "--alpha", "1", "--beta", "5.5", "--shots", args.shots, "--epochs", "1",
                   "--select", "test", "--threads", "1", "--quiet", "--out", pathlib.Path(temporary) / "a.h5"]
        if args.ranks > 1:
            command = ["mpirun", "--oversubscribe", "-np", args.ranks, *command]
        subprocess.run([str(word) for word in command], check=True, env=MPI_ENVIRONMENT)
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**10
    print(f"{args.keys} keys x {args.width}, {args.shots or 'all'} shots, {args.classes} classes, {args.samples} test images, "
          f"{args.ranks} ranks: at most {largest:.0f} MiB a rank (features of the cache: {args.keys * args.width / 2**18:.0f} MiB)")


if __name__ == "__main__":
    main()
