"""launch/slurm/experiment.sbatch on a Slurm of one machine, brought up for the test."""
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import tempfile
import time

import pytest

from history_tools import change
from conftest import BUILD, DEMO_MODEL, ROOT, run_ok

SCRIPT = pathlib.Path(__file__).parent / "slurm.sh"
SIZES = ["--nodes=1", "--ntasks-per-node=2", "--gpus-per-node=0", "--cpus-per-task=1"]


@pytest.fixture(scope="module")
def slurm():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cs-slurm-", dir="/tmp"))
    up = subprocess.run([str(SCRIPT), "up", str(folder)], capture_output=True, text=True, timeout=60)
    if up.returncode != 0:
        shutil.rmtree(folder)
        pytest.skip(f"no Slurm can be brought up here: {up.stderr.strip()}")
    settings = dict(re.findall(r"(\w+)='?([^' ]+)'?", up.stdout.strip().removeprefix("export ")))
    yield dict(os.environ, CLIPSWEEP=str(BUILD / "clipsweep"), **settings)
    subprocess.run([str(SCRIPT), "down", str(folder)], timeout=60)
    shutil.rmtree(folder)


@pytest.fixture
def arguments(digits):
    return [ROOT / "launch/slurm/experiment.sbatch", ROOT / "launch/demo/demo.ini", "--model", DEMO_MODEL, "--templates",
            ROOT / "launch/demo/templates.txt", "--train", digits / "train", "--val", digits / "val", "--test",
            digits / "test", "--classnames", digits / "classnames.txt", "--shots", "1,4", "--subset-seeds", "1:3",
            "--threads", "1", "--quiet"]


def call(slurm, *words, **options):
    return subprocess.run([str(w) for w in words], env=slurm, capture_output=True, text=True, timeout=200, **options)


def submit(slurm, log, *words, options=(), **more):
    made = call({**slurm, **more}, "sbatch", "--parsable", "--output", log, "--time=10", *SIZES, *options, *words)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def wait_for(slurm, job, states, seconds=120):
    deadline = time.time() + seconds
    while time.time() < deadline:
        shown = call(slurm, "scontrol", "show", "job", job).stdout
        state = re.search(r"JobState=(\w+)", shown).group(1)
        if state in states:
            return state, int(re.search(r"Restarts=(\d+)", shown).group(1)), re.search(r"ExitCode=(\d+)", shown).group(1)
        time.sleep(0.3)
    raise AssertionError(f"job {job} is {state} after {seconds} s")


def test_an_experiment(slurm, arguments, tmp_path):
    job = submit(slurm, tmp_path / "log", *arguments, "--run", tmp_path / "run", "--json", tmp_path / "e.json")
    assert wait_for(slurm, job, {"COMPLETED", "FAILED"})[0] == "COMPLETED", (tmp_path / "log").read_text()
    assert '"ranks": 2' in (tmp_path / "e.json").read_text()
    run_ok("verify", tmp_path / "run")


def test_a_job_that_is_told_to_stop_is_queued_again_and_goes_on(slurm, arguments, digits, tmp_path):
    """SIGTERM to the step, as --signal sends it before the time limit."""
    run = tmp_path / "run"
    job = submit(slurm, tmp_path / "log", *arguments, "--views", "64", "--run", run)
    deadline = time.time() + 60
    while not list(run.glob("train.h5.parts/shard-*.h5")) and time.time() < deadline:
        time.sleep(0.05)
    assert call(slurm, "scancel", "-s", "TERM", job).returncode == 0
    state, restarts, _ = wait_for(slurm, job, {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT"})
    log = (tmp_path / "log").read_text()
    assert state == "COMPLETED" and restarts == 1, log
    assert "finished parts are kept" in log and "queued again" in log
    run_ok("verify", run)


def test_bad_input_ends_the_job_at_once(slurm, arguments, tmp_path):
    job = submit(slurm, tmp_path / "log", *arguments, "--run", tmp_path / "run", "--test", tmp_path / "absent")
    state, restarts, code = wait_for(slurm, job, {"COMPLETED", "FAILED"})
    assert state == "FAILED" and restarts == 0 and code in ("2", "3"), (tmp_path / "log").read_text()


def test_a_program_that_is_not_there_ends_the_job_at_once(slurm, arguments, tmp_path):
    job = submit(slurm, tmp_path / "log", *arguments, "--run", tmp_path / "run", CLIPSWEEP="/absent/clipsweep")
    state, restarts, code = wait_for(slurm, job, {"COMPLETED", "FAILED"})
    log = (tmp_path / "log").read_text()
    assert (state, restarts, code) == ("FAILED", 0, "127") and "not queued again" in log, log


def test_a_script_can_be_tried_without_running_it(slurm, arguments):
    fits = call(slurm, "sbatch", "--test-only", *SIZES, *arguments)
    assert fits.returncode == 0 and "to start at" in fits.stderr
    too_large = call(slurm, "sbatch", "--test-only", *SIZES[:1], "--ntasks-per-node=64", "--gpus-per-node=0", *arguments)
    assert too_large.returncode != 0 and "not available" in too_large.stderr


def test_nights(slurm, arguments, tmp_path):
    """launch/nightly/nightly.sbatch: a good night, and one whose answers differ from it."""
    words = [ROOT / "launch/nightly/nightly.sbatch", ROOT / "launch/nightly/nightly.ini", *arguments[2:], "--run",
             tmp_path / "nights", "--machine", "test"]
    job = submit(slurm, tmp_path / "log", *words, CLIPSWEEP_COMMIT="cafe")
    assert wait_for(slurm, job, {"COMPLETED", "FAILED"})[0] == "COMPLETED", (tmp_path / "log").read_text()
    with sqlite3.connect(tmp_path / "nights/history.sqlite") as history:
        assert history.execute("SELECT status, ranks, commit_id FROM nights").fetchall() == [("ok", 2, "cafe")]
    history.close()
    change(tmp_path / "nights", "UPDATE figures SET value = value + 1 WHERE kind = 'count'")
    state, restarts, code = wait_for(slurm, submit(slurm, tmp_path / "log", *words), {"COMPLETED", "FAILED"})
    assert (state, restarts, code) == ("FAILED", 0, "4"), (tmp_path / "log").read_text()
