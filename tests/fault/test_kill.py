"""Nothing computed is lost at kill -9, and what a later run finishes is the undisturbed file."""
import os
import signal
import subprocess

import h5py
import pytest

from conftest import DEMO_MODEL, DEMO_TEMPLATES, command_line, run, run_ok, wait_until, wait_until_free
from kills import long_list, long_sweep, ranks_of, sha256, start  # noqa: F401


def arguments(digits, long_list, out):
    return ["extract", "--model", DEMO_MODEL, "--images", digits / "train", "--list", long_list, "--threads", "1",
            "--out", out]


@pytest.fixture(scope="module")
def undisturbed(digits, long_list, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "f.h5"
    run_ok(*arguments(digits, long_list, out))
    return sha256(out)


@pytest.mark.parametrize("before,after", [(0, 0), (2, 3), (3, 0)])
def test_killed_after_the_first_shard(digits, long_list, undisturbed, tmp_path, before, after):
    out = tmp_path / "f.h5"
    process = start(arguments(digits, long_list, out), before)
    parts = tmp_path / "f.h5.parts"
    wait_until(lambda: list(parts.glob("*.h5")), process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    subprocess.run(["pkill", "-9", "-f", str(out)])  # ranks that mpirun had put in sessions of their own
    wait_until_free(tmp_path)
    assert not out.exists() and list(parts.glob("*.h5")), "the kill came too late to test anything"
    result = run_ok(*arguments(digits, long_list, out), np=after, json_path=tmp_path / "e.json")
    assert result.json["shards_reused"] >= 1 and result.json["shards_computed"] >= 1
    assert sha256(out) == undisturbed
    assert sorted(p.name for p in tmp_path.iterdir()) == ["e.json", "f.h5", "f.h5.times"]


def test_a_damaged_shard_is_computed_again(digits, long_list, undisturbed, tmp_path):
    out = tmp_path / "f.h5"
    process = start(arguments(digits, long_list, out), 0)
    parts = tmp_path / "f.h5.parts"
    wait_until(lambda: len(list(parts.glob("*.h5"))) >= 2, process)
    process.kill()
    process.wait()
    shard = sorted(parts.glob("*.h5"))[0]
    content = bytearray(shard.read_bytes())
    content[3000] ^= 1
    shard.write_bytes(content)
    (parts / "shard-00007.h5.tmp").write_bytes(b"half")
    result = run_ok(*arguments(digits, long_list, out), json_path=tmp_path / "e.json")
    assert "computed again" in result.err
    assert sha256(out) == undisturbed


def test_sigterm_keeps_finished_shards_and_says_so(digits, long_list, undisturbed, tmp_path):
    out = tmp_path / "f.h5"
    process = subprocess.Popen(command_line(arguments(digits, long_list, out)), stderr=subprocess.PIPE, text=True)
    parts = tmp_path / "f.h5.parts"
    wait_until(lambda: list(parts.glob("*.h5")), process)
    process.terminate()
    _, err = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM and "finished parts are kept" in err
    assert not out.exists() and not list(parts.glob("*.tmp"))
    run_ok(*arguments(digits, long_list, out))
    assert sha256(out) == undisturbed


def test_two_jobs_on_one_output(digits, long_list, undisturbed, tmp_path):
    out = tmp_path / "f.h5"
    first = start(arguments(digits, long_list, out), 0)
    wait_until((tmp_path / "f.h5.parts").exists, first)
    second = run(*arguments(digits, long_list, out))
    assert second.code == 3 and "another job" in second.err
    assert first.wait(timeout=60) == 0
    assert sha256(out) == undisturbed


def test_a_full_disk_leaves_one_line_and_no_file(digits, tmp_path):
    """A limit on file size stands for a full disk: HDF5 fails in the middle of a write."""
    import resource

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))

    process = subprocess.run(command_line(["text", "--model", DEMO_MODEL, "--classnames", digits / "classnames.txt",
                                           "--out", tmp_path / "t.h5", "--quiet"]), capture_output=True, text=True,
                             preexec_fn=limit)
    assert process.returncode == 3, (process.returncode, process.stderr)
    assert process.stderr.count("\n") == 1 and "t.h5" in process.stderr and "free space" in process.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_failure_on_one_rank_ends_all_with_one_line(digits, tmp_path):
    """The broken picture is in the second shard, of rank 1; rank 0 is busy with its own."""
    images = tmp_path / "images"
    paths = sorted((digits / "train").rglob("*.png"))
    for i, path in enumerate(paths):
        target = images / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes() if i != 40 else b"\xff\xd8\xffbroken")
    result = run("extract", "--model", DEMO_MODEL, "--images", images, "--out", tmp_path / "f.h5", np=2, timeout=120)
    assert result.code == 3
    assert len(result.errors) == 1 and "JPEG decoder" in result.errors[0]
    assert not (tmp_path / "f.h5").exists()


@pytest.fixture(scope="module")
def undisturbed_sweep(long_sweep, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "s.h5"
    run_ok(*long_sweep, "--out", out)
    return sha256(out)


@pytest.mark.parametrize("before,after,partition", [(0, 2, "samples"), (2, 0, "grid"), (3, 3, "samples"),
                                                    (2, 3, "classes")])
def test_a_killed_sweep_is_taken_up(long_sweep, undisturbed_sweep, tmp_path, before, after, partition):
    out = tmp_path / "s.h5"
    base, long_sweep = long_sweep, [*long_sweep, "--partition", partition]
    parts = tmp_path / "s.h5.parts"
    process = start([*long_sweep, "--out", out], before)
    files = 1 if partition == "classes" else max(before, 1)
    wait_until(lambda: len(list(parts.glob("*.h5"))) >= files, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    subprocess.run(["pkill", "-9", "-f", "--", f"--out {out}"])
    wait_until_free(tmp_path)
    assert not out.exists() and list(parts.glob("*.h5")), "the kill came too late to test anything"
    refused = run(*long_sweep, "--out", out)
    assert refused.code == 3 and "--resume" in refused.err
    other = run(*base, "--out", out, "--resume", "--partition", "grid" if partition != "grid" else "samples")
    assert other.code == 3 and "partition" in other.err
    first = sorted(parts.glob("*.h5"))[0]
    if before == 3:  # a damaged part is computed again
        first.write_bytes(first.read_bytes()[:-700])
    result = run_ok(*long_sweep, "--out", out, "--resume", np=after, json_path=tmp_path / "s.json")
    assert result.json["resumed_items"] >= 1
    assert sha256(out) == undisturbed_sweep
    assert not parts.exists()


def test_an_experiment_goes_on_over_what_others_left(long_sweep, digits, tmp_path):
    """Killed at three points and run again; parts of another sweep and of another training are no hindrance."""
    arguments = ["experiment", "--model", DEMO_MODEL, "--train", digits / "train", "--val", digits / "val", "--test",
                 digits / "test", "--classnames", digits / "classnames.txt", "--templates", DEMO_TEMPLATES, "--shots",
                 "1,4", "--subset-seeds", "1:4", "--alpha", "0.5:10:0.5", "--beta", "1:20:1", "--epochs", "5", "--views", "2",
                 "--quiet", "--run"]
    run_ok(*arguments, tmp_path / "whole")
    whole = {path.name: sha256(path) for path in (tmp_path / "whole").glob("*.h5")}
    with h5py.File(tmp_path / "whole/train.h5") as file:
        assert file.attrs["views"] == 2
    run_folder = tmp_path / "run"
    other = start([*long_sweep, "--out", run_folder / "sweep.h5"], 0)
    wait_until(lambda: list((run_folder / "sweep.h5.parts").glob("*.h5")), other)
    other.kill()
    other.wait()
    for files in (0, 2, 5):
        process = start([*arguments, run_folder], 2)
        wait_until(lambda: ranks_of(run_folder) and len(list(run_folder.glob("*.h5"))) >= files, process)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        subprocess.run(["pkill", "-9", "-f", "--", f"--run {run_folder}"])
        wait_until_free(run_folder)
    run_ok(*arguments, run_folder, np=3)
    assert {path.name: sha256(path) for path in run_folder.glob("*.h5")} == whole
    assert not list(run_folder.glob("*.parts"))
