"""experiment --plan says what the run would stop on, with its exit code; --fresh by name; whose time run.json has."""
import calendar
import fcntl
import json
import os
import shutil
import time

import pytest

from conftest import DEMO_MODEL, run, run_ok, study_arguments
from test_experiment import plan_of, replaced


def with_options(digits, run_folder, **options):
    arguments = [*study_arguments(digits), "--run", run_folder]
    for name, value in options.items():
        option = "--" + name.replace("_", "-")
        arguments = replaced(arguments, option, value) if option in arguments else [*arguments, f"{option}={value}"]
    return arguments


SMALL = {"compare_templates": "none", "shots": "1", "subset_seeds": "1"}


def planned_and_run(arguments, code, *words, same=True):
    """The plan ends as the run does, and says the same; -> its line."""
    plan, real = run(*arguments, "--plan"), run(*arguments)
    for result in (plan, real):
        assert result.code == code and len(result.errors) == 1, (result.out, result.err)
        for word in words:
            assert word in result.errors[0], result.errors[0]
    assert not same or plan.errors == real.errors
    return plan.errors[0]


@pytest.mark.parametrize("option,value,code,words", [
    ("model", "absent.pt", 3, ["absent.pt", "no such model"]), ("precision", "f8", 2, ["f8"]), ("views", "0", 2, ["--views"]),
    ("activation", "relu", 2, ["relu"]), ("alpha", "2:1:0.1", 3, ["--alpha"]), ("templates", "absent.txt", 2, ["absent.txt"]),
    ("compare_templates", "imagenet-7,absent.txt", 2, ["absent.txt"]), ("tune", "vall", 2, ["vall"])])
def test_options_and_the_files_they_name(digits, tmp_path, option, value, code, words):
    planned_and_run(with_options(digits, tmp_path / "run", **{option: value}), code, *words)
    assert not list((tmp_path / "run").glob("*.h5"))


def test_a_checkpoint_that_lacks_what_a_later_stage_wants(digits, tmp_path):
    from safetensors import safe_open
    from safetensors.torch import save_file
    with safe_open(DEMO_MODEL, "pt") as file:
        save_file({k: file.get_tensor(k) for k in file.keys() if k.startswith("visual.")}, tmp_path / "m.safetensors")
    planned_and_run(with_options(digits, tmp_path / "run", model=tmp_path / "m.safetensors", activation="gelu"), 3, "m.safetensors")
    assert not list((tmp_path / "run").glob("*.h5"))
    (tmp_path / "m.safetensors").write_bytes(b"nonsense")
    planned_and_run(with_options(digits, tmp_path / "run", model=tmp_path / "m.safetensors"), 3, "m.safetensors")


def test_folders_and_pictures(digits, tmp_path):
    shutil.copytree(digits / "train", tmp_path / "train")
    (tmp_path / "names.txt").write_text("".join(l for l in open(digits / "classnames.txt") if not l.startswith("3")))
    planned_and_run(with_options(digits, tmp_path / "run", classnames=tmp_path / "names.txt"), 3, "'3'")
    planned_and_run(with_options(digits, tmp_path / "run", train=tmp_path / "none"), 3, "none")
    (tmp_path / "train/3/empty.png").touch()
    arguments = with_options(digits, tmp_path / "run", train=tmp_path / "train")
    planned_and_run(arguments, 3, "3/empty.png", "--on-bad-image skip", same=False)
    assert run(*arguments, "--plan", "--on-bad-image", "skip", "--max-bad", "0").code == 3
    run_ok(*arguments, "--plan", "--on-bad-image", "skip")


def test_the_run_folder(digits, tmp_path):
    (tmp_path / "file").write_text("")
    planned_and_run(with_options(digits, tmp_path / "file/run"), 3, str(tmp_path / "file"), same=False)
    planned_and_run(with_options(digits, "/proc/1/run"), 3, "/proc", same=False)
    run_folder = tmp_path / "run"
    for locked, stage in (("results.json", None), ("sweep.h5", "sweep")):
        run_folder.mkdir(exist_ok=True)
        with open(run_folder / f"{locked}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            result = run(*with_options(digits, run_folder), "--plan", json_path=tmp_path / "plan.json")
            assert result.code == 3 and "another job is writing" in result.errors[0] and locked in result.errors[0]
            if stage:
                assert {s["stage"]: s["what"] for s in result.json["plan"]}[stage] == "refuses"
        os.unlink(run_folder / f"{locked}.lock")


def test_what_kept_files_do_not_allow(digits, study, tmp_path):
    """A picture in both train and test, and files made with leave to skip."""
    shutil.copytree(digits / "train", tmp_path / "train")
    shutil.copy(digits / "test/3" / sorted(os.listdir(digits / "test/3"))[0], tmp_path / "train/3/twin.png")
    arguments = with_options(digits, tmp_path / "run", train=tmp_path / "train", **SMALL)
    run_ok(*arguments, "--allow-overlap")
    planned_and_run(arguments, 3, "twin.png", "--allow-overlap", same=False)
    (tmp_path / "train/3/twin.png").write_bytes(b"\x89PNG\r\n\x1a\nnonsense")
    run_ok(*arguments, "--on-bad-image", "skip", "--fresh", "train")
    planned_and_run(arguments, 3, "train.h5", "--on-bad-image skip", same=False)


def test_pictures_that_differ_are_named_and_made_anew(digits, study, tmp_path):
    for split in ("train", "test"):
        shutil.copytree(digits / split, tmp_path / split)
    arguments = with_options(digits, tmp_path / "run", train=tmp_path / "train", test=tmp_path / "test")
    shutil.copytree(study, tmp_path / "run")
    pictures = sorted((tmp_path / "train/7").iterdir())
    for i in range(4):
        shutil.copy(digits / f"val/7/{sorted(os.listdir(digits / 'val/7'))[i]}", tmp_path / f"train/7/zz{i}.png")
    pictures[0].unlink()
    shutil.copy(pictures[2], pictures[1])
    line = planned_and_run(arguments, 3, "train.h5", "4 added (7/zz0.png, 7/zz1.png, 7/zz2.png, ..)", f"1 removed (7/{pictures[0].name})",
                           f"1 changed (7/{pictures[1].name})", "--fresh train", same=True)
    assert "val.h5" not in line and " was '" not in line  # no hashes
    for i in range(4):
        (tmp_path / f"train/7/zz{i}.png").unlink()
    shutil.copy(pictures[2], tmp_path / "train/7/new.png")
    (tmp_path / "test/1/copy.png").write_bytes((digits / "test/2" / sorted(os.listdir(digits / "test/2"))[0]).read_bytes())
    line = planned_and_run(arguments, 3, "1 added (7/new.png)", "test.h5", "1 added (1/copy.png)", "--fresh train,test")

    plan = plan_of(tmp_path, *arguments, "--fresh", "train,extract test")
    assert {name for name, stage in plan.items() if stage["what"] == "kept"} == {
        "extract val", "text", "text imagenet-1", "text imagenet-7", "text imagenet-80"}
    before = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "run").glob("*.h5")}
    stages = run_ok(*arguments, "--fresh", "train,extract test", "--allow-overlap", json_path=tmp_path / "a.json").json["stages"]
    after = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "run").glob("*.h5")}
    for name, stage in stages.items():
        assert stage["reused"] == (plan[name]["what"] == "kept"), name
        out = os.path.basename(plan[name]["out"])
        assert (before[out] == after[out]) == stage["reused"], name
    assert {s["what"] for s in plan_of(tmp_path, *arguments, "--allow-overlap").values()} == {"kept"}


def test_fresh_takes_stages_and_files(digits, study, tmp_path):
    shutil.copytree(study, tmp_path / "run")
    arguments = with_options(digits, tmp_path / "run")

    def runs(*fresh):
        return {name for name, stage in plan_of(tmp_path, *arguments, *fresh).items() if stage["what"] == "runs"}

    every = set(plan_of(tmp_path, *arguments))
    assert runs("--fresh") == every
    above = {name for name in every if name.startswith("evaluate Tip-Adapter-F 4")} | {"finetune 4-shot seed 1"}
    for name in ("finetune 4-shot seed 1", tmp_path / "run/adapter-4shot-seed1.h5"):
        assert runs("--fresh", name) == above
    assert runs("--fresh=text imagenet-7,adapter-4shot-seed1.h5") == above | {"text imagenet-7", "evaluate zero-shot imagenet-7"}
    assert runs("--fresh", "sweep") == {n for n in every if n.startswith(("sweep", "finetune", "evaluate Tip"))}
    (tmp_path / "c.ini").write_text("fresh = yes\n")
    assert runs("--config", tmp_path / "c.ini") == every
    planned_and_run([*arguments, "--fresh", "train,trian"], 2, "'trian'", "train, val, test, text", "sweep")


def test_each_stage_keeps_its_own_time(digits, tmp_path):
    def ended():
        stages = json.loads((tmp_path / "run/run.json").read_text())["stages"]
        return {name: calendar.timegm(time.strptime(s["ended"], "%Y-%m-%dT%H:%M:%SZ")) for name, s in stages.items()}

    arguments = with_options(digits, tmp_path / "run", views="8", threads="1", **SMALL)
    run_ok(*arguments)
    first = ended()
    for name, file in (("extract train", "train.h5"), ("extract test", "test.h5"), ("text", "text.h5"), ("sweep", "sweep.h5")):
        assert 0 <= first[name] - int((tmp_path / "run" / file).stat().st_mtime) <= 1, name
    assert sorted(first.values()) == list(first.values()) and len(set(first.values())) > 1
    out = {name: stage["out"] for name, stage in plan_of(tmp_path, *arguments).items()}
    time.sleep(2.1)
    os.unlink(tmp_path / "run/sweep.h5")
    os.unlink(out["evaluate Tip-Adapter-F 1-shot"])
    run_ok(*arguments)
    second = ended()
    for name, at in second.items():
        made = name in ("sweep", "evaluate Tip-Adapter-F 1-shot")
        assert at >= first[name] + 2 if made else at == first[name], name
    # Where nothing says when kept files were made, they do.
    os.unlink(tmp_path / "run/run.json")
    os.utime(out["text"], (1e9, 1e9))
    run_ok(*arguments)
    assert ended()["text"] == 1_000_000_000 and abs(ended()["sweep"] - second["sweep"]) <= 1
