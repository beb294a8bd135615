"""A training that is killed or stopped goes on where it was and gives the bytes of an undisturbed one."""
import os
import pathlib
import signal
import subprocess

import h5py
import pytest

import import_tip_adapter as importer
from conftest import command_line, mpi_environment, reseal, run, run_ok, wait_until
from kills import sha256, training, training_arguments  # noqa: F401

@pytest.mark.parametrize("np_", [0, 2])
def test_sigterm_finishes_the_step_and_saves(training, tmp_path, np_):
    arguments, whole = training
    out, parts = tmp_path / "a.h5", tmp_path / "a.h5.parts"
    process = subprocess.Popen(command_line([*arguments, "--out", out], np_), env=mpi_environment(),
                               stderr=subprocess.PIPE, text=True)
    wait_until((parts / "state.h5").exists, process)
    # To the ranks, as a scheduler does; mpirun itself would follow its SIGTERM with SIGKILL.
    for pid in subprocess.run(["pgrep", "-f", "--", f"--out {out}"], capture_output=True, text=True).stdout.split():
        if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "clipsweep":
            os.kill(int(pid), signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM and "finished parts are kept" in err
    assert (parts / "state.h5").exists() and len(list(parts.glob("part-*.h5"))) == max(np_, 1)
    refused = run(*arguments, "--out", out)
    assert refused.code == 3 and "--resume" in refused.err
    other = run(*arguments, "--out", out, "--resume", "--lr", "0.002")
    assert other.code == 3 and "lr was '0.001', now '0.002'" in other.err
    run_ok(*arguments, "--out", out, "--resume", np=3 - np_)
    assert sha256(out) == whole


def test_a_training_that_diverges_keeps_what_was_saved(training, tmp_path):
    arguments, _ = training
    out, parts = tmp_path / "a.h5", tmp_path / "a.h5.parts"
    process = subprocess.Popen(command_line([*arguments, "--out", out]), stderr=subprocess.DEVNULL)
    wait_until((parts / "state.h5").exists, process)
    process.terminate()
    process.wait()
    # The state's keys are made to overflow, as those of a rate far too high would.
    part = next(parts.glob("part-*.h5"))

    def overflow(file):
        file["block03_keys"][...] = 3e38

    reseal(part, overflow)
    saved = {path.name: sha256(path) for path in parts.iterdir()}
    result = run(*arguments, "--out", out, "--resume")
    assert result.code == 3 and "not finite at epoch" in result.err and "step" in result.err and "kept" in result.err
    assert {path.name: sha256(path) for path in parts.iterdir()} == saved and not out.exists()


def test_other_keys_and_classes_without_keys_are_refused(training, tmp_path):
    arguments, _ = training
    out, cache = tmp_path / "a.h5", arguments[arguments.index("--cache") + 1]
    process = subprocess.Popen(command_line([*arguments, "--out", out]), stderr=subprocess.DEVNULL)
    wait_until((tmp_path / "a.h5.parts/state.h5").exists, process)
    process.kill()
    process.wait()
    with h5py.File(cache) as file:
        features, labels = file["features"][()], file["labels"][()]
        names = [name.decode() for name in file["classes"]]
    importer.write_features(tmp_path / "other.h5", features * 0.5 + 0.1, labels, names, "cache", {})
    other = [tmp_path / "other.h5" if word == cache else word for word in arguments]
    result = run(*other, "--out", out, "--resume")
    assert result.code == 3 and "cache_sha256 was" in result.err
    kept = labels != 7
    importer.write_features(tmp_path / "lacking.h5", features[kept], labels[kept], names, "cache", {})
    lacking = [tmp_path / "lacking.h5" if word == cache else word for word in arguments]
    result = run(*lacking, "--out", tmp_path / "b.h5")
    assert result.code == 3 and "lacking.h5" in result.err and "'c07'" in result.err


def test_a_damaged_state_is_refused(training, tmp_path):
    arguments, whole = training
    out, parts = tmp_path / "a.h5", tmp_path / "a.h5.parts"
    process = subprocess.Popen(command_line([*arguments, "--out", out]), stderr=subprocess.DEVNULL)
    wait_until((parts / "state.h5").exists, process)
    process.terminate()
    process.wait()
    part = next(parts.glob("part-*.h5"))
    good = part.read_bytes()
    part.write_bytes(good[:2000] + bytes([good[2000] ^ 1]) + good[2001:])
    refused = run(*arguments, "--out", out, "--resume")
    assert refused.code == 3 and part.name in refused.err and "damaged" in refused.err
    part.unlink()
    refused = run(*arguments, "--out", out, "--resume")
    assert refused.code == 3 and part.name in refused.err
    run_ok(*arguments, "--out", out, "--fresh")
    assert sha256(out) == whole
