"""Jobs of some seconds to be killed, as fixtures that tests import; starting, finding and killing their processes."""
import hashlib
import pathlib
import subprocess

import numpy as np
import pytest

import import_tip_adapter as importer
from conftest import DEMO_MODEL, command_line, living, mpi_environment, run_ok, wait_until_gone  # noqa: F401


def sha256(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def start(arguments, np):
    """The job in a session of its own; its output is dropped."""
    return subprocess.Popen(command_line(arguments, np), env=mpi_environment(), stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, start_new_session=True)


def rank_of(pid):
    try:
        words = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return None
    return next((int(w.split(b"=")[1]) for w in words if w.startswith(b"OMPI_COMM_WORLD_RANK=")), None)


def ranks_of(mark):
    """rank -> process of the job; a job without mpirun is rank 0."""
    found = {}
    for pid in living(mark):
        try:
            name = pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
        except OSError:
            continue
        if name == "clipsweep":
            found[rank_of(pid) or 0] = pid
    return found


def write_problem(folder, seed, classes, shots, width, samples, spreads, shift):
    """Features around class centres: cache.h5, test.h5, val.h5 (as many as test) and text.h5 in `folder`."""
    rng = np.random.default_rng(seed)
    names = [f"c{i:02d}" for i in range(classes)]
    centres = rng.normal(size=(classes, width))

    def near(labels, spread):
        return (centres[labels] + spread * rng.normal(size=(len(labels), width)) + shift).astype(np.float32)

    key_labels, labels = np.arange(classes * shots) % classes, np.arange(samples) % classes
    importer.write_features(folder / "cache.h5", near(key_labels, spreads[0]), key_labels, names, "cache", {})
    importer.write_features(folder / "test.h5", near(labels, spreads[1]), labels, names, "test", {})
    importer.write_features(folder / "val.h5", near(labels, spreads[1]), labels, names, "val", {})
    importer.write_text(folder / "text.h5", near(np.arange(classes), spreads[0]), names, names, {})
    return ["--cache", folder / "cache.h5", "--features", folder / "test.h5", "--text", folder / "text.h5"]


@pytest.fixture(scope="session")
def long_list(digits, tmp_path_factory):
    """32 shards: each training picture several times."""
    paths = sorted(p.relative_to(digits / "train") for p in (digits / "train").rglob("*.png"))
    path = tmp_path_factory.mktemp("list") / "list.tsv"
    path.write_text("".join(f"{p}\t{p.parts[0]}\n" for p in paths for _ in range(6)))
    return path


@pytest.fixture(scope="session")
def long_extraction(digits, long_list):
    return ["extract", "--model", DEMO_MODEL, "--images", digits / "train", "--list", long_list, "--threads", "1"]


@pytest.fixture(scope="session")
def long_sweep(tmp_path_factory):
    """A sweep of about ten seconds on one thread: its arguments without --out."""
    inputs = write_problem(tmp_path_factory.mktemp("sweep"), 3, 64, 16, 32, 8000, (1.2, 1.6), 2)
    return ["sweep", *inputs, "--tune-on", "test", "--alpha", "0.1:20:0.1", "--beta", "1:12:0.05", "--shots", "2,8,16",
            "--subset-seeds", "1:9", "--threads", "1", "--save-every", "1", "--quiet"]


@pytest.fixture(scope="session")
def training_arguments(tmp_path_factory):
    """Some six seconds on one thread."""
    folder = tmp_path_factory.mktemp("training")
    inputs = write_problem(folder, 5, 64, 16, 256, 600, (2, 2.5), 1)
    return ["finetune", *inputs, "--alpha", "2", "--beta", "5", "--epochs", "150", "--batch", "128", "--select", "val",
            "--val", folder / "val.h5", "--learn", "keys,alpha,beta,text", "--threads", "1", "--save-every", "1",
            "--quiet"]


@pytest.fixture(scope="session")
def training(training_arguments, tmp_path_factory):
    """Arguments without --out, and the adapter's hash."""
    out = tmp_path_factory.mktemp("whole") / "whole.h5"
    run_ok(*training_arguments, "--out", out)
    return training_arguments, sha256(out)
