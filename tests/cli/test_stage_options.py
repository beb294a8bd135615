"""Whatever a stage can be told, an experiment can be told; and its files are opened once a process."""
import collections
import re
import shutil
import subprocess

import h5py
import pytest

from conftest import DEMO_MODEL, command_line, mpi_environment, run, run_ok, study_arguments

# Options of the stages that an experiment fills in itself, or has under another name.
FILLED_IN = {
    "extract": {"images", "out", "list", "batch"},  # --train, --val, --test; --extract-batch
    "sweep": {"cache", "adapter", "features", "text", "tune-on", "subset-file", "out", "csv", "html", "resume", "allow-mixed",
              "match-by-position"},
    "finetune": {"cache", "features", "text", "sweep", "subset-seed", "val", "out", "resume", "allow-mixed", "match-by-position"},
}


def options_of(command):
    return set(re.findall(r"^\s+(?:-\w \[ )?--([a-z0-9-]+)", run_ok(command, "--help").out, re.MULTILINE))


def test_every_option_of_a_stage_is_one_of_experiment():
    of_experiment, of_nightly = options_of("experiment"), options_of("nightly")
    assert {"extract-batch", "subset-seeds", "eps", "patience", "grid"} <= of_experiment
    for stage, filled_in in FILLED_IN.items():
        assert filled_in <= options_of(stage)
        assert options_of(stage) - filled_in - of_experiment == set(), stage
        assert options_of(stage) - filled_in - of_nightly == set(), stage


def small(digits, folder, *more):
    arguments = study_arguments(digits)
    at = arguments.index("--shots")
    arguments[at + 1] = "2"
    at = arguments.index("--subset-seeds")
    arguments[at + 1] = "1"
    for name in ("--alpha", "--beta"):
        if "--grid" in more:
            at = arguments.index(name)
            del arguments[at:at + 2]
    return [*arguments, "--run", folder, *more]


def test_they_reach_the_stages(digits, tmp_path):
    run_ok(*small(digits, tmp_path / "run", "--grid", "official", "--dataset", "caltech101", "--dtype", "f16", "--workers", "1",
                  "--extract-batch", "4", "--eps", "1e-5", "--weight-decay", "0.02", "--patience", "2", "--learn", "keys,alpha",
                  "--partition", "classes", "--save-every", "0"), json_path=tmp_path / "out.json")
    with h5py.File(tmp_path / "run" / "train.h5") as file:
        assert file.attrs["made_from.batch"] == b"4" and file["features"].dtype == "f2"
    with h5py.File(tmp_path / "run" / "sweep.h5") as file:
        assert file["top1"].shape[2:] == (200, 20)
        assert file.attrs["made_from.alpha"] == b"official caltech101"
    with h5py.File(tmp_path / "run" / "adapter-2shot-seed1.h5") as file:
        made = {name: file.attrs[f"made_from.{name}"].decode() for name in ("eps", "weight_decay", "patience", "learn", "select")}
    assert made == {"eps": "1e-05", "weight_decay": "0.02", "patience": "2", "learn": "keys,alpha", "select": "val"}
    run_ok("report", "--run", tmp_path / "run", "--out", tmp_path / "report.html")
    run_ok("verify", tmp_path / "run")


@pytest.mark.parametrize("more, wrong", [
    (("--select", "test"), "--select test: "), (("--select", "best"), "--select: 'best' is not one of last, val, test"),
    (("--patience", "1", "--select", "last"), "--patience: "), (("--extract-batch", "0"), "--extract-batch: 0 is not in 1..512"),
    (("--learn", "values"), "--learn: 'values' is not one of "), (("--dtype", "f8"), "f8"),
    (("--partition", "rows"), "--partition: 'rows' is not one of "), (("--dataset", "dtd"), "--dataset: goes with --grid official"),
    (("--grid", "other"), "--grid: 'other' is not 'official'"), (("--save-every", "-1"), "--save-every: "),
    (("--workers", "-1"), "--workers: -1 is not in 0..4096"),
])
def test_wrong_ones_are_refused_before_any_work(digits, tmp_path, more, wrong):
    result = run(*small(digits, tmp_path / "run", *more))
    assert result.code in (2, 3) and len(result.errors) == 1 and wrong in result.errors[0], result.err
    assert not list((tmp_path / "run").glob("*.h5"))


def test_the_last_epoch_is_not_said_to_be_chosen(digits, tmp_path):
    said = run_ok(*small(digits, tmp_path / "run", "--select", "last")).out
    assert "alpha and beta chosen on val" in said and "epoch chosen" not in said


def opens_of(log, main):
    """{path: how often the process `main` opened it}, forked children left aside."""
    counts = collections.Counter()
    for line in log.read_text(errors="replace").splitlines():
        found = re.match(r'(\d+)\s+openat\(AT_FDCWD, "([^"]+)", [^)]*\) = (\d+)', line)
        if found and int(found[1]) == main:
            counts[found[2]] += 1
    return counts


def traced(tmp_path, *arguments):
    log = tmp_path / "strace.log"
    process = subprocess.run(["strace", "-f", "-e", "trace=openat", "-o", log, *command_line(arguments)], capture_output=True,
                             text=True, env=mpi_environment())
    assert process.returncode == 0, process.stderr
    return opens_of(log, int(log.read_text(errors="replace").split(maxsplit=1)[0]))


def test_a_run_that_keeps_everything_opens_each_file_once(study, digits, tmp_path):
    if shutil.which("strace") is None or subprocess.run(["strace", "-o", tmp_path / "probe", "true"]).returncode != 0:
        pytest.skip("strace is not installed, or may not trace here")
    shutil.copytree(study, tmp_path / "run")
    arguments = [*study_arguments(digits), "--run", tmp_path / "run"]
    run_ok(*arguments)  # notes of the copies' times are written
    opens = traced(tmp_path, *arguments)
    files = {path.name: opens[str(path)] for path in (tmp_path / "run").glob("*.h5")}
    # To check its seal, and for HDF5.
    assert set(files.values()) == {2}, files
    alone = traced(tmp_path, "inspect", DEMO_MODEL)
    assert 0 < opens[str(DEMO_MODEL)] <= alone[str(DEMO_MODEL)]
