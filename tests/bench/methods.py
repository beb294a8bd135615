#!/usr/bin/env python3
"""Each few-shot method beside the same formula in PyTorch on the same threads: seconds of a fit without training, seconds
of a training step (median), and the most memory a process held.

    tests/bench/methods.py                                # 16,000 keys x 1000 classes x 1024
    tests/bench/methods.py --classes 42 --keys 672        # small
    tests/bench/methods.py --only lp++,gda
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

import bench_python

bench_python.require(__name__, "numpy", "h5py", "torch")
import h5py  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402

from problems import MPI_ENVIRONMENT, ROOT, Problem  # noqa: E402

STEPS = 12


class Official:
    """The official formulas, float32, on stored features."""

    def __init__(self, folder):
        with h5py.File(folder / "cache.h5") as file:
            self.x = F.normalize(torch.from_numpy(file["features"][()]))
            self.y = torch.from_numpy(file["labels"][()]).long()
        with h5py.File(folder / "text.h5") as file:
            self.t = torch.from_numpy(file["text"][()])
        self.classes = len(self.t)
        self.one_hot = F.one_hot(self.y, self.classes).float()

    def gda(self):
        mu = torch.stack([self.x[self.y == c].mean(0) for c in range(self.classes)])
        r = self.x - mu[self.y]
        cov = r.T.cov()
        d = self.x.shape[1]
        precision = d * torch.linalg.pinv((len(r) - 1) * cov + cov.trace() * torch.eye(d))
        w = mu @ precision
        return w, -torch.tensor(self.classes).log() - (w * mu).sum(1) / 2

    def proker(self):
        k = (-1.7 * (1 - self.x @ self.x.T)).exp()
        return torch.linalg.solve(k / 0.1 + torch.eye(len(k)), self.one_hot - self.x @ self.t.T)

    def ape(self):
        s = self.t.clone().index_add_(0, self.y, self.x) / (1 + self.one_hot.sum(0)[:, None])
        sim = (s.sum(0) ** 2 - (s ** 2).sum(0)) / (self.classes * (self.classes - 1))
        kept = (-0.5 * sim + 0.5 * self.t.var(0)).topk(800 * self.x.shape[1] // 1024).indices
        x, t = F.normalize(self.x[:, kept]), F.normalize(self.t[:, kept])
        p = (x @ t.T).softmax(1)[torch.arange(len(x)), self.y]
        return x, (0.1 * torch.log2((1 + 1e-6) / (p + 1e-6))).exp()

    def steps(self, parameters, optimizer, loss, batch):
        times = []
        for _ in range(STEPS):
            rows = torch.randperm(len(self.x))[:batch]
            started = time.perf_counter()
            optimizer.zero_grad()
            loss(rows).backward()
            optimizer.step()
            times.append(time.perf_counter() - started)
        return statistics.median(times[2:])

    def linear_probe(self):
        w = (10 * self.t).requires_grad_(True)
        return self.steps([w], torch.optim.SGD([w], lr=0.1, momentum=0.9),
                          lambda r: F.cross_entropy(100 * self.x[r] @ F.normalize(w).T, self.y[r]), 256)

    def clap(self):
        start = 10 * self.t
        w, pull = start.clone().requires_grad_(True), torch.rand(self.classes)
        return self.steps([w], torch.optim.SGD([w], lr=0.1, momentum=0.9),
                          lambda r: F.cross_entropy(100 * self.x[r] @ F.normalize(w).T, self.y[r])
                          + (pull * (w - start).pow(2).sum(1)).mean(), 256)

    def taskres(self):
        start, r_ = 10 * self.t, torch.zeros_like(self.t).requires_grad_(True)
        return self.steps([r_], torch.optim.Adam([r_], lr=2e-3, weight_decay=5e-4),
                          lambda r: F.cross_entropy(100 * self.x[r] @ F.normalize(start + 0.5 * r_).T, self.y[r]), 256)

    def lp(self):
        w = torch.zeros_like(self.t).index_add_(0, self.y, self.x).requires_grad_(True)
        b = torch.zeros(self.classes, requires_grad=True)
        a = torch.ones(1, self.classes).mul_(50).requires_grad_(True)
        return self.steps([w, b], torch.optim.SGD([w, b], lr=1.0, momentum=0.9),
                          lambda r: F.cross_entropy(self.x @ w.T + b + torch.ones(len(self.x), 1) @ a * (self.x @ self.t.T), self.y), 1)

    def ape_t(self):
        d = self.x.shape[1]
        kept = torch.arange(900 * d // 1024)
        r_ = torch.zeros(self.classes, len(kept)).requires_grad_(True)
        v = torch.ones(len(self.x), 1).requires_grad_(True)

        def loss(r):
            wide = torch.zeros(self.classes, d)
            wide[:, kept] = r_
            keys = self.x + wide[self.y]
            cache = (-(1 - self.x[r] @ keys.T)).exp() @ (self.one_hot * v)
            return F.cross_entropy(100 * self.x[r] @ (self.t + wide).T + cache, self.y[r])
        return self.steps([r_, v], torch.optim.AdamW([r_, v], lr=1e-3, eps=1e-3, weight_decay=0.1), loss, 256)

    def tip_f(self):
        keys = self.x.clone().requires_grad_(True)
        return self.steps([keys], torch.optim.AdamW([keys], lr=1e-3, eps=1e-4), lambda r: F.cross_entropy(
            100 * self.x[r] @ self.t.T + (-5.5 * (1 - self.x[r] @ keys.T)).exp() @ self.one_hot, self.y[r]), 256)

    def clip_adapter(self):
        d = self.x.shape[1]
        down, up = torch.nn.Linear(d, d // 4, bias=False), torch.nn.Linear(d // 4, d, bias=False)

        def loss(r):
            mixed = 0.2 * F.relu(up(F.relu(down(self.x[r])))) + 0.8 * self.x[r]
            return F.cross_entropy(100 * F.normalize(mixed) @ self.t.T, self.y[r])
        parameters = [down.weight, up.weight]
        return self.steps(parameters, torch.optim.SGD(parameters, lr=2e-3, momentum=0.9, weight_decay=5e-4), loss, 32)

    def cross_modal(self):
        w = self.t.clone().requires_grad_(True)

        def loss(r):
            t = torch.randperm(self.classes)[:16]
            return F.cross_entropy(100 * torch.cat([self.x[r], self.t[t]]) @ w.T, torch.cat([self.y[r], t]))
        return self.steps([w], torch.optim.AdamW([w], lr=1e-4, weight_decay=0.01), loss, 16)


# Our name, the official formula, and settings that keep a training short; None: does not train.
ROWS = [("gda", "gda", None), ("ape", "ape", None), ("proker", "proker", None),
        ("linear-probe", "linear_probe", "epochs=1"), ("clap", "clap", "epochs=1"), ("taskres", "taskres", "epochs=1"),
        ("lp++", "lp", "epochs=12"), ("ape-t", "ape_t", "epochs=1"), ("tip-adapter-f", "tip_f", "epochs=1"),
        ("clip-adapter", "clip_adapter", "epochs=1"), ("cross-modal", "cross_modal", "steps=300")]


def ours(program, arguments, method, settings, threads, folder):
    words = [program, "fit", *arguments, "--method", method, "--threads", threads, "--out", folder / "c.h5", "--fresh",
             "--quiet", "--json", folder / "c.json", *(["--set", settings] if settings else [])]
    subprocess.run([str(word) for word in words], check=True, env=MPI_ENVIRONMENT,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    result = json.loads((folder / "c.json").read_text())
    return result["seconds_per_step"] if settings else result["seconds"], result["peak_memory"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=ROOT / "build/clipsweep", type=pathlib.Path)
    parser.add_argument("--keys", default=16_000, type=int)
    parser.add_argument("--classes", default=1000, type=int)
    parser.add_argument("--width", default=1024, type=int)
    parser.add_argument("--threads", default=os.cpu_count(), type=int)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        words = Problem(args.classes, args.width).write_all(folder, args.keys, 2_000)
        arguments = [word for word in words if word not in ("--features", folder / "test.h5")]
        official = Official(folder)
        print(f"{args.keys} keys, {args.classes} classes, width {args.width}, {args.threads} threads")
        print(f"{'method':<14} {'':<5} {'clipsweep':>10} {'PyTorch':>10} {'ratio':>6} {'memory':>9}")
        for method, formula, settings in ROWS:
            if args.only and method not in args.only.split(","):
                continue
            mine, memory = ours(args.program, arguments, method, settings, args.threads, folder)
            started = time.perf_counter()
            value = getattr(official, formula)()
            theirs = value if settings else time.perf_counter() - started
            del value
            print(f"{method:<14} {'step' if settings else 'fit':<5} {mine:>8.4f} s {theirs:>8.4f} s {theirs / mine:>6.2f} "
                  f"{memory / 2**20:>5.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
