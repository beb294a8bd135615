#!/usr/bin/env python3
"""How large the report of a large experiment is, and how long it takes: 1000 classes, 5 methods (three of them
zero-shot), 6 shot counts, 10 seeds, 50,000 test images with features of 1024 numbers.

    tests/bench/report_size.py

The numbers in it are made up, the features are random; the files are as large as those of a real run.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import bench_python

bench_python.require(__name__, "pytest", "h5py", "numpy")
sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / "cli"), str(pathlib.Path(__file__).resolve().parents[1])]
from conftest import PROGRAM  # noqa: E402
from test_report import large_run  # noqa: E402

with tempfile.TemporaryDirectory() as folder:
    run = pathlib.Path(folder) / "run"
    large_run(run, samples=50_000, width=1024)
    subprocess.run([PROGRAM, "report", "--run", run, "--out", f"{folder}/report.html", "--json", f"{folder}/report.json"],
                   check=True, stdout=subprocess.DEVNULL)
    report = json.loads(pathlib.Path(f"{folder}/report.json").read_text())
    print(f"report: {report['bytes'] / 1e6:.2f} MB in {report['seconds']:.1f} s; "
          f"test.h5 {(run / 'test.h5').stat().st_size / 1e6:.0f} MB, sweep.h5 {(run / 'sweep.h5').stat().st_size / 1e6:.0f} MB")
