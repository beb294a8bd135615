"""kill -9 of a random rank at a random point of progress, then the same job again, also at another number of ranks:
the bytes of an undisturbed run. CLIPSWEEP_FULL=1 does the full count, which docs/reliability.md records."""
import os
import random
import signal
import time

import pytest

from conftest import FULL, run_ok
from kills import (long_extraction, long_list, ranks_of, sha256, start, training_arguments, wait_until_gone,  # noqa: F401
                   write_problem)

SEED = int(os.environ.get("CLIPSWEEP_KILL_SEED", 1))


@pytest.fixture(scope="module")
def short_sweep(tmp_path_factory):
    inputs = write_problem(tmp_path_factory.mktemp("short"), 9, 64, 16, 32, 3000, (1.2, 1.6), 2)
    return ["sweep", *inputs, "--tune-on", "test", "--alpha", "0.1:20:0.1", "--beta", "1:12:0.05", "--shots", "2,8,16",
            "--subset-seeds", "1:6", "--threads", "1", "--save-every", "0.01", "--quiet"]


@pytest.fixture(scope="module")
def jobs(long_extraction, short_sweep, training_arguments):
    """name -> (arguments without --out, what a second run adds, kills in full, kills else)"""
    words = list(training_arguments)
    words[words.index("--epochs") + 1] = "60"
    words[words.index("--save-every") + 1] = "0.01"
    return {"extraction": ([*long_extraction, "--quiet"], [], 200, 4), "sweep": (short_sweep, ["--resume"], 100, 3),
            "training": (words, ["--resume"], 100, 3)}


def state_of(parts):
    """What a saved part changes."""
    try:
        return sorted((p.name, p.stat().st_mtime_ns, p.stat().st_size) for p in parts.iterdir())
    except OSError:  # not made yet, or a file of it was replaced just now
        return None


def wait_for_changes(process, out, count):
    """Until the job runs and its parts have changed `count` times; its ranks, none where it has ended."""
    parts, seen, last = out.parent / f"{out.name}.parts", 0, None
    while process.poll() is None and not out.exists():
        now = state_of(parts)
        seen, last = seen + (now not in (None, last)), now or last
        ranks = ranks_of(out) if seen >= count else None
        if ranks:
            return ranks
        time.sleep(0.002)
    return {}


@pytest.mark.parametrize("name", ["extraction", "sweep", "training"])
def test_killed_at_random_points(jobs, tmp_path, name):
    arguments, again, full, few = jobs[name]
    whole = tmp_path / "whole.h5"
    run_ok(*arguments, "--out", whole)
    expected = sha256(whole)
    rng, count, killed, taken_up, number = random.Random(SEED), full if FULL else few, 0, 0, 0
    while killed < count:  # a job that ended before its kill does not count
        number += 1
        assert number <= 6 * count + 20, f"only {killed} of {number} jobs were killed before their end"
        out = tmp_path / f"{number}.h5"
        before, after = rng.choice([0, 2, 3, 4]), rng.choice([0, 1, 2, 3, 4])
        process = start([*arguments, "--out", out], before)
        ranks = wait_for_changes(process, out, rng.randrange(0, 8) if killed else 2)
        if ranks:
            try:
                os.kill(ranks[rng.choice(sorted(ranks))], signal.SIGKILL)
                killed += not out.exists()
            except ProcessLookupError:
                pass
        process.wait(timeout=120)
        wait_until_gone(out)
        assert not out.exists() or sha256(out) == expected, (number, before)
        taken_up += (tmp_path / f"{number}.h5.parts").exists()
        run_ok(*arguments, *again, "--out", out, np=after)
        assert sha256(out) == expected, (number, before, after)
        assert not (tmp_path / f"{number}.h5.parts").exists()
        out.unlink()
        if number % 10 == 0 or killed == count:
            print(f"{name}: {number} runs, {killed} killed, {taken_up} left parts, all equal", flush=True)
    assert taken_up > 0
