"""A rank that throws, is killed or hangs, at any border of any stage, ends the job, with one line,
without orphans, and with nothing half-written under a final name."""
import os
import pathlib
import random
import re
import signal
import subprocess
import time

import pytest

from conftest import BUILD, DEMO_MODEL, DEMO_TEMPLATES, FULL, ROOT, mpi_environment, run_ok, wait_until
from kills import living, rank_of, sha256, wait_until_gone

FAULTY = BUILD / "tests" / "faulty_clipsweep"
RACES = 50 if FULL else 4
HANG = 90  # seconds after which a job is taken to hang; how long each takes is printed (pytest -s)


def jobs(digits, demo):
    """A small job of each stage: arguments without --out."""
    inputs = ["--cache", demo / "train.h5", "--features", demo / "test.h5", "--text", demo / "text.h5"]
    return {
        "extract": ["extract", "--model", DEMO_MODEL, "--images", digits / "val"],
        "text": ["text", "--model", DEMO_MODEL, "--classnames", digits / "classnames.txt", "--templates",
                 DEMO_TEMPLATES],
        "sweep": ["sweep", *inputs, "--tune-on", demo / "val.h5", "--alpha", "1:2:0.1", "--beta", "1:4:1", "--shots",
                  "1,4"],
        "finetune": ["finetune", *inputs, "--alpha", "1", "--beta", "5", "--epochs", "2", "--select", "val", "--val",
                     demo / "val.h5"],
    }


def start(arguments, np, fault=None, program=FAULTY, **options):
    env = mpi_environment()
    if fault:
        env["CLIPSWEEP_TEST_FAULT"] = fault
    words = ["mpirun", "-q", "-np", str(np), program, *arguments, "--threads", "1", "--quiet"]
    return subprocess.Popen([str(w) for w in words], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            start_new_session=True, **options)


def ended(process):
    """What it wrote to stderr; a job that hangs is a failure."""
    started = time.time()
    try:
        _, err = process.communicate(timeout=HANG)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    print(f"ended after {time.time() - started:.1f} s with {process.returncode}")
    return err


def own_lines(err):
    return [line for line in err.splitlines() if line.startswith("clipsweep: ")]


def stages_of(arguments, out):
    """The borders a job passes, as rank 0 of one sees them."""
    env = dict(os.environ, CLIPSWEEP_TEST_FAULT="list 0 -")
    process = subprocess.run([str(w) for w in [FAULTY, *arguments, "--out", out, "--threads", "1", "--quiet"]], env=env,
                             capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    seen = re.findall(r"^stage (.*)$", process.stderr, re.M)
    return list(dict.fromkeys(seen))


@pytest.mark.parametrize("job", ["extract", "text", "sweep", "finetune"])
def test_a_throw_on_any_rank_at_every_border(digits, demo, tmp_path, job):
    arguments = jobs(digits, demo)[job]
    whole = tmp_path / "whole.h5"
    stages = stages_of(arguments, whole)
    assert len(stages) >= 4
    for number, stage in enumerate(stages):
        ranks = range(4) if FULL else [number % 4]
        for rank in ranks:
            out = tmp_path / f"{number}-{rank}.h5"
            process = start([*arguments, "--out", out], 4, f"throw {rank} {stage}")
            err = ended(process)
            assert process.returncode == 1, (stage, rank, err)
            lines = own_lines(err)
            assert len(lines) == 1 and "thrown by the test" in lines[0] and f"rank {rank} of 4" in lines[0], err
            wait_until_gone(out)
            assert not out.exists() or sha256(out) == sha256(whole), (stage, rank)
            resume = ["--resume"] if job in ("sweep", "finetune") else []
            run_ok(*arguments, "--out", out, "--quiet", *resume)
            assert sha256(out) == sha256(whole)


@pytest.mark.parametrize("job", ["extract", "sweep", "finetune"])
@pytest.mark.parametrize("rank", [0, 2])
def test_a_rank_that_hangs(digits, demo, tmp_path, job, rank):
    arguments = jobs(digits, demo)[job]
    stages = stages_of(arguments, tmp_path / "whole.h5")
    for stage in stages[1::2]:
        out = tmp_path / f"{stages.index(stage)}.h5"
        # Long enough for the other ranks to start on a busy machine.
        process = start([*arguments, "--out", out, "--stall-timeout", "8"], 3, f"stop {rank} {stage}")
        err = ended(process)
        assert process.returncode != 0
        lines = own_lines(err)
        assert len(lines) == 1 and f"rank {rank} of 3 has not been heard of for 8 s" in lines[0], (stage, err)
        wait_until_gone(out)
        assert not out.exists() or sha256(out) == sha256(tmp_path / "whole.h5")


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_a_killed_rank(digits, demo, tmp_path, rank):
    for job, arguments in jobs(digits, demo).items():
        stages = stages_of(arguments, tmp_path / f"{job}.h5")
        out = tmp_path / f"{job}-killed.h5"
        process = start([*arguments, "--out", out], 3, f"kill {rank} {stages[2]}")
        err = ended(process)
        assert process.returncode == 137
        assert len(own_lines(err)) <= 1, err
        wait_until_gone(out)
        assert not out.exists()


def long_extraction(digits, out):
    return ["extract", "--model", DEMO_MODEL, "--images", digits / "train", "--views", "64", "--out", out]


def wait_for_parts(out, process):
    parts = pathlib.Path(f"{out}.parts")
    wait_until(lambda: list(parts.glob("shard-*.h5")), process)


def test_a_killed_launcher_leaves_no_orphans(digits, tmp_path):
    out = tmp_path / "f.h5"
    process = start(long_extraction(digits, out), 3, program=BUILD / "clipsweep")
    wait_for_parts(out, process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_until_gone(out)
    assert not out.exists()


def test_a_job_that_is_stopped_and_continued_is_not_blamed(digits, tmp_path):
    """Ctrl-Z and fg: every process stands still for longer than the stall time-out."""
    out = tmp_path / "f.h5"
    process = start([*long_extraction(digits, out), "--stall-timeout", "1"], 2, program=BUILD / "clipsweep")
    wait_for_parts(out, process)
    pids = [pid for pid in living(out) if rank_of(pid) is not None]
    assert len(pids) == 2
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(2.5)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err


def test_a_process_alone_that_does_not_get_on(digits, tmp_path):
    """Its images come from a pipe that nobody writes: a mount that hangs."""
    images = tmp_path / "images" / "cat"
    images.mkdir(parents=True)
    source = next((digits / "val").rglob("*.png"))
    (images / "1.png").write_bytes(source.read_bytes())
    victim = tmp_path / "out" / "f.h5"
    victim.parent.mkdir()
    env = dict(os.environ, CLIPSWEEP_TEST_FAULT="list 0 -")
    os.mkfifo(tmp_path / "names.txt")
    process = subprocess.run([str(FAULTY), "extract", "--model", str(DEMO_MODEL), "--images", str(images.parent),
                              "--classnames", str(tmp_path / "names.txt"), "--out", str(victim), "--stall-timeout", "1"],
                             env=env, capture_output=True, text=True, timeout=30)
    assert process.returncode == 1
    lines = own_lines(process.stderr)
    assert len(lines) == 1 and "has not got on for 1 s in 'extract: plan'" in lines[0]


@pytest.mark.parametrize("value", ["-1", "nan", "abc", "1e9"])
def test_bad_stall_timeouts(tmp_path, value):
    process = subprocess.run([str(FAULTY), "verify", str(tmp_path), f"--stall-timeout={value}"], capture_output=True,
                             text=True)
    assert process.returncode == 2 and len(own_lines(process.stderr)) == 1 and "stall-timeout" in process.stderr


def test_races_for_one_output(digits, demo, tmp_path):
    """Two jobs begin at once: one does the work, the other exits 3 or finds it done; nothing is mixed."""
    rng, lost = random.Random(3), 0
    arguments = ["extract", "--model", DEMO_MODEL, "--images", digits / "train", "--views", "8"]
    run_ok(*arguments, "--out", tmp_path / "whole.h5", "--quiet")
    whole = sha256(tmp_path / "whole.h5")
    for number in range(RACES):
        out = tmp_path / f"{number}.h5"
        first = start([*arguments, "--out", out], 2, program=BUILD / "clipsweep")
        time.sleep(rng.uniform(0, 0.2))
        second = start([*arguments, "--out", out], 1, program=BUILD / "clipsweep")
        errors = [p.communicate(timeout=120)[1] for p in (first, second)]
        codes = sorted([first.returncode, second.returncode])
        assert codes in ([0, 3], [0, 0]), errors
        if codes == [0, 3]:
            lost += 1
            assert "another job is writing this output" in errors[0] + errors[1]
        assert sha256(out) == whole
        assert sorted(p.name for p in tmp_path.glob(f"{number}.h5*")) == [out.name, out.name + ".times"]
        out.unlink()
    assert lost > 0


def test_equal_bytes_at_every_rank_count(digits, demo, tmp_path):
    for job, arguments in jobs(digits, demo).items():
        hashes = set()
        for np in range(5) if FULL else (0, 3):
            out = tmp_path / f"{job}-{np}.h5"
            run_ok(*arguments, "--out", out, "--quiet", np=np)
            hashes.add(sha256(out))
        assert len(hashes) == 1, job


# launch/run.sh

def run_script(*words, timeout=120, **env):
    root = ["--allow-root"] if os.geteuid() == 0 else []
    return subprocess.run([str(w) for w in [ROOT / "launch/run.sh", *root, *words]], capture_output=True, text=True,
                          timeout=timeout, env=dict(os.environ, **{"CLIPSWEEP": str(BUILD / "clipsweep"), **env}))


@pytest.mark.parametrize("oversubscribe", ["", "1"])  # mpirun fails when it is told both yes and no
def test_run_script_runs_and_passes_exit_codes_on(digits, tmp_path, oversubscribe):
    env = {"OMPI_MCA_rmaps_base_oversubscribe": oversubscribe} if oversubscribe else {}
    done = run_script("-n", "2", "--", *jobs(digits, tmp_path)["extract"], "--out", tmp_path / "f.h5", "--quiet", **env)
    assert done.returncode == 0 and (tmp_path / "f.h5").exists(), done.stderr
    wrong = run_script("-n", "2", "--", "extract", "--nonsense")
    assert wrong.returncode == 2 and "restart" not in wrong.stderr and len(own_lines(wrong.stderr)) == 1
    absent = run_script("--", "verify", tmp_path / "absent.h5")
    assert absent.returncode == 3 and "restart" not in absent.stderr


def test_run_script_restarts_a_bounded_number_of_times(digits, tmp_path):
    arguments = [*jobs(digits, tmp_path)["extract"], "--out", tmp_path / "f.h5", "--quiet"]
    failed = run_script("-n", "2", "--restarts", "1", "--", *arguments, CLIPSWEEP=str(FAULTY),
                        CLIPSWEEP_TEST_FAULT="kill 1 extract: merge")
    assert failed.returncode == 137
    said = [line for line in failed.stderr.splitlines() if line.startswith("run: ")]
    assert len(said) == 2 and "restart 1 of 1 in 2 s" in said[0] and "given up after 1 restarts" in said[1]
    again = run_script("-n", "2", "--", *arguments, "--json", tmp_path / "e.json")
    assert again.returncode == 0 and '"shards_computed": 0' in (tmp_path / "e.json").read_text()


def test_run_script_resumes_a_training(digits, demo, tmp_path):
    arguments = [*jobs(digits, demo)["finetune"], "--save-every", "0.001", "--out", tmp_path / "a.h5", "--quiet"]
    failed = run_script("-n", "2", "--restarts", "1", "--", *arguments, CLIPSWEEP=str(FAULTY),
                        CLIPSWEEP_TEST_FAULT="kill 1 finetune: measure")
    assert failed.returncode == 137 and "--resume takes it up" not in failed.stderr
    assert (tmp_path / "a.h5.parts/state.h5").exists()


@pytest.mark.parametrize("words,said", [
    (["-n", "0", "--", "text"], "-n: '0'"), (["-n", "999", "--", "text"], "give fewer ranks"), ([], "no command"),
    (["--hosts", "/absent", "--", "text"], "/absent does not exist"), (["--nonsense"], "is not an option"),
    (["--restarts", "x", "--", "text"], "--restarts: 'x'")])
def test_run_script_usage(words, said):
    process = run_script(*words)
    assert process.returncode == 2 and said in process.stderr and process.stderr.count("\n") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is asked for --allow-root")
def test_run_script_refuses_root_unless_asked():
    process = subprocess.run([str(ROOT / "launch/run.sh"), "--", "text"], capture_output=True, text=True)
    assert process.returncode == 2 and "--allow-root" in process.stderr
