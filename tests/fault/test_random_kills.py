"""kill -9 of a random rank at a random time, then the same job again, also at another number of ranks: the bytes of
an undisturbed run. CLIPSWEEP_KILLS=1 does the full count, which docs/reliability.md records."""
import os
import random
import signal
import time

import pytest

from conftest import run_ok
from kills import (long_extraction, long_list, ranks_of, sha256, start, training_arguments, wait_until_gone,  # noqa: F401
                   write_problem)

FULL = os.environ.get("CLIPSWEEP_KILLS") == "1"
SEED = int(os.environ.get("CLIPSWEEP_KILL_SEED", 1))


@pytest.fixture(scope="module")
def short_sweep(tmp_path_factory):
    inputs = write_problem(tmp_path_factory.mktemp("short"), 9, 64, 16, 32, 3000, (1.2, 1.6), 2)
    return ["sweep", *inputs, "--tune-on", "test", "--alpha", "0.1:20:0.1", "--beta", "1:12:0.05", "--shots", "2,8,16",
            "--subset-seeds", "1:6", "--threads", "1", "--save-every", "0.2", "--quiet"]


@pytest.fixture(scope="module")
def jobs(long_extraction, short_sweep, training_arguments):
    """name -> (arguments without --out, what a second run adds, kills in full, kills else)"""
    words = list(training_arguments)
    words[words.index("--epochs") + 1] = "60"
    words[words.index("--save-every") + 1] = "0.2"
    return {"extraction": ([*long_extraction, "--quiet"], [], 200, 6), "sweep": (short_sweep, ["--resume"], 100, 4),
            "training": (words, ["--resume"], 100, 4)}


@pytest.mark.parametrize("name", ["extraction", "sweep", "training"])
def test_killed_at_random_times(jobs, tmp_path, name):
    arguments, again, full, few = jobs[name]
    whole = tmp_path / "whole.h5"
    started = time.time()
    run_ok(*arguments, "--out", whole)
    seconds, expected = time.time() - started, sha256(whole)
    rng, count, killed, taken_up, number = random.Random(SEED), full if FULL else few, 0, 0, 0
    while killed < count and number < 6 * count:  # a job that ends before its kill does not count
        number += 1
        out = tmp_path / f"{number}.h5"
        before, after = rng.choice([0, 2, 3, 4]), rng.choice([0, 1, 2, 3, 4])
        process = start([*arguments, "--out", out], before)
        time.sleep(rng.uniform(0.1, 0.8) * seconds)
        ranks = ranks_of(out)
        if ranks:
            try:
                os.kill(ranks[rng.choice(sorted(ranks))], signal.SIGKILL)
                killed += not out.exists()
            except ProcessLookupError:
                pass
        process.wait(timeout=60)
        wait_until_gone(out)
        assert not out.exists() or sha256(out) == expected, (number, before)
        taken_up += (tmp_path / f"{number}.h5.parts").exists()
        run_ok(*arguments, *again, "--out", out, np=after)
        assert sha256(out) == expected, (number, before, after)
        assert not (tmp_path / f"{number}.h5.parts").exists()
        out.unlink()
        if number % 10 == 0 or killed == count:
            print(f"{name}: {number} runs, {killed} killed, {taken_up} left parts, all equal", flush=True)
    assert killed == count and taken_up > 0, "the kills came too late to test anything"
