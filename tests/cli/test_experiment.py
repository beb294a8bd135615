"""The study in one call: what is reused, what is made anew, what results.json says, where images come from."""
import json
import os
import random
import shutil
import signal
import subprocess

import h5py
import jsonschema
import numpy as np
import pytest

from conftest import DEMO_TEMPLATES, ROOT, command_line, mpi_environment, run, run_ok, study_arguments, wait_until_free
from test_commands import sha256


def files_of(folder):
    return {p.name: (sha256(p), p.stat().st_mtime_ns) for p in folder.glob("*.h5")}


def replaced(arguments, name, value):
    at = arguments.index(name)
    return [*arguments[:at + 1], value, *arguments[at + 2:]]


def plan_of(tmp_path, *arguments):
    stages = run_ok(*arguments, "--plan", json_path=tmp_path / "plan.json").json["plan"]
    return {stage["stage"]: stage for stage in stages}


def test_results_fit_their_schema(study):
    schema = json.loads((ROOT / "docs/results.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    results = json.loads((study / "results.json").read_text())
    jsonschema.validate(results, schema)
    assert set(results["files"]) == {p.name for p in study.glob("*.h5")}
    run_ok("verify", study)


def test_evaluations_are_what_the_predictions_say(study):
    results = json.loads((study / "results.json").read_text())
    by_method = {(e["method"], e["templates"], e["shots"]): e for e in results["evaluations"]}
    main = DEMO_TEMPLATES.stem
    assert set(by_method) == {("zero-shot", t, 0) for t in (main, "imagenet-1", "imagenet-7", "imagenet-80")} | {
        (m, main, s) for m in ("Tip-Adapter", "Tip-Adapter-F") for s in (1, 4)}
    for evaluation in results["evaluations"]:
        with h5py.File(study / evaluation["file"]) as file:
            predicted, labels = file["predicted"][:], file["labels"][:]
            probability = file["probability"][:, 0].astype(float)
        right = predicted[:, 0] == labels
        assert evaluation["counts"]["top1"] == right.sum()
        assert evaluation["counts"]["top5"] == (predicted == labels[:, None]).any(1).sum()
        assert evaluation["class_top1"] == np.bincount(labels[right], minlength=10).tolist()
        confusion = np.zeros((10, 10), int)
        np.add.at(confusion, (labels, predicted[:, 0]), 1)
        assert evaluation["confusions_left_out"] == 0
        for label, guess, count in evaluation["confusions"]:
            assert confusion[label, guess] == count and label != guess
        assert sum(c for _, _, c in evaluation["confusions"]) == (~right).sum()
        bins = np.clip(np.ceil(probability * 15).astype(int) - 1, 0, 14)
        ece = sum(abs(right[bins == b].mean() - probability[bins == b].mean()) * (bins == b).mean()
                  for b in range(15) if (bins == b).any())
        assert np.isclose(evaluation["ece"], ece)
    # The same answers as the sweep's and the training's own counts.
    for cell in results["cells"]:
        if cell["subset_seed"] == 1:
            for method, key in (("Tip-Adapter", "tip_adapter"), ("Tip-Adapter-F", "tip_adapter_f")):
                assert by_method[method, main, cell["shots"]]["counts"] == cell[key]


@pytest.mark.parametrize("np_", [0, 1, 3, 4])
def test_the_same_bytes_on_any_number_of_ranks(digits, study, tmp_path, np_):
    run_ok(*study_arguments(digits), "--run", tmp_path / "run", np=np_)
    assert {n: h for n, (h, _) in files_of(tmp_path / "run").items()} == {n: h for n, (h, _) in files_of(study).items()}
    assert (tmp_path / "run/results.json").read_bytes() == (study / "results.json").read_bytes()


def test_nothing_changed_nothing_made(digits, study, tmp_path):
    arguments = [*study_arguments(digits), "--run", tmp_path / "run"]
    shutil.copytree(study, tmp_path / "run")
    before = files_of(tmp_path / "run")
    assert {s["what"] for s in plan_of(tmp_path, *arguments).values()} == {"kept"}
    again = run_ok(*arguments, json_path=tmp_path / "a.json").json
    assert all(stage["reused"] for stage in again["stages"].values())
    assert files_of(tmp_path / "run") == before
    # Times are those of the run that made the files.
    assert json.loads((tmp_path / "run/run.json").read_text()) == json.loads((study / "run.json").read_text())


@pytest.mark.parametrize("option,value,made,may_be_made", [
    ("--beta", "1:10:1", ["sweep"], ["finetune", "evaluate Tip-Adapter"]),
    ("--templates", "imagenet-7", ["text", "sweep", "finetune 1-shot seed 1"], ["finetune", "evaluate"]),
    ("--epochs", "2", ["finetune 4-shot seed 2"], ["finetune", "evaluate Tip-Adapter-F"]),
])
def test_a_change_makes_only_what_follows_from_it(digits, study, tmp_path, option, value, made, may_be_made):
    arguments = replaced([*study_arguments(digits), "--run", tmp_path / "run"], option, value)
    shutil.copytree(study, tmp_path / "run")
    everything = {p: p.stat().st_mtime_ns for p in (tmp_path / "run").rglob("*")}
    plan = plan_of(tmp_path, *arguments)
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "run").rglob("*")} == everything  # planning writes nothing
    stages = run_ok(*arguments, json_path=tmp_path / "a.json").json["stages"]
    assert not any(stages[name]["reused"] for name in made)
    for name, stage in stages.items():
        if name not in made and not name.startswith(tuple(may_be_made)):
            assert stage["reused"] and plan[name]["what"] == "kept", name
    for name, stage in stages.items():  # what the plan keeps is kept; what it runs may come out the same
        if plan[name]["what"] == "kept":
            assert stage["reused"], name


def test_the_plan_of_an_empty_folder_says_what_is_missing(digits, tmp_path):
    plan = plan_of(tmp_path, *study_arguments(digits), "--run", tmp_path / "run")
    assert {s["what"] for s in plan.values()} == {"runs"} and not (tmp_path / "run").exists()
    assert plan["extract train"]["why"] == "is not there" and plan["sweep"]["why"] == "extract train runs"


def test_the_plan_says_when_features_would_be_refused(digits, study, tmp_path):
    shutil.copytree(study, tmp_path / "run")
    arguments = [*study_arguments(digits), "--views", "2", "--run", tmp_path / "run"]
    told = run(*arguments, "--plan", np=2, json_path=tmp_path / "plan.json")
    assert told.code == 3 and "cannot" in told.out
    plan = {stage["stage"]: stage for stage in told.json["plan"]}
    assert plan["extract train"]["what"] == "refuses" and "views" in plan["extract train"]["why"]
    assert run(*arguments).code == 3


def coop_split(digits, names, parts=("train", "val", "test")):
    return {part: [[f"{part}/{p.parent.name}/{p.name}", int(p.parent.name), names[int(p.parent.name)]]
                   for p in sorted((digits / part).rglob("*.png"))] for part in parts}


def test_coops_splits(digits, study, tmp_path):
    names = [line.split("\t")[-1] for line in (digits / "classnames.txt").read_text().splitlines()]
    (tmp_path / "split_zhou_Digits.json").write_text(json.dumps(coop_split(digits, names)))
    arguments = study_arguments(digits)
    for name in ("--train", "--val", "--test", "--classnames"):
        at = arguments.index(name)
        arguments = [*arguments[:at], *arguments[at + 2:]]
    arguments += ["--split", tmp_path / "split_zhou_Digits.json", "--images", digits, "--run", tmp_path / "run"]
    run_ok(*arguments, np=2)
    ours, folders = (json.loads((f / "results.json").read_text()) for f in (tmp_path / "run", study))
    assert ours["rows"] == folders["rows"] and ours["class_names"] == folders["class_names"]
    assert run("experiment", *arguments[1:], "--train", digits / "train").code == 2

    def refused(content, *words):
        (tmp_path / "split_zhou_Digits.json").write_text(content)
        result = run(*arguments)
        assert result.code == 3 and len(result.errors) == 1, result.err
        for word in ("split_zhou_Digits.json", *words):
            assert word in result.errors[0], result.errors[0]

    refused("{", "JSON")
    refused('{"train": ' + "[" * 200_000 + "]" * 200_000 + "}", "64 levels")
    refused(json.dumps({"train": [["a.png", "0", "x"]]}), "train", "[path, label, class name]")
    split = coop_split(digits, names)
    refused(json.dumps({"train": split["train"]}), "'test'")
    split["train"][0][2] = "else"
    refused(json.dumps(split), "label 0")
    split = coop_split(digits, names)
    split["test"][0][0] = "../outside.png"
    result = run(*[*arguments[:arguments.index("--split") + 1], tmp_path / "split_zhou_Digits.json",
                   *arguments[arguments.index("--images"):]])
    assert result.code == 3


def test_without_validation_images_some_of_the_training_images_are_held_out(digits, tmp_path):
    arguments = study_arguments(digits)
    for name in ("--val", "--classnames"):
        at = arguments.index(name)
        arguments = [*arguments[:at], *arguments[at + 2:]]
    result = run_ok(*arguments, "--run", tmp_path / "run", np=2, json_path=tmp_path / "a.json").json
    assert result["tuned_on"] == "val"
    train, val = ((tmp_path / f"run/lists/{n}.txt").read_text().splitlines() for n in ("train", "val"))
    assert len(val) == 4 * 10 and len(train) == 640 - 40 and not set(train) & set(val)
    results = json.loads((tmp_path / "run/results.json").read_text())
    assert results["class_names"] == [str(d) for d in range(10)]  # folder names
    stages = run_ok(*arguments, "--run", tmp_path / "run", json_path=tmp_path / "b.json").json["stages"]
    assert all(stage["reused"] for stage in stages.values())


def test_shots_that_held_out_images_do_not_leave_are_refused_at_once(digits, tmp_path):
    arguments = replaced([*study_arguments(digits), "--run", tmp_path / "run"], "--shots", "61")
    at = arguments.index("--val")
    result = run(*arguments[:at], *arguments[at + 2:])
    assert result.code == 3 and "--shots: 61" in result.errors[0] and "60 images" in result.errors[0]
    assert not list((tmp_path / "run").glob("*.h5"))


def test_images_are_in_one_of_train_val_and_test(digits, tmp_path):
    for option, other in (("--test", "train"), ("--val", "train"), ("--val", "test")):
        arguments = replaced([*study_arguments(digits), "--run", tmp_path / "run"], option, digits / "." / other)
        result = run(*arguments, np=2)
        assert result.code == 2 and len(result.errors) == 1 and "one folder" in result.errors[0]
    arguments = replaced([*study_arguments(digits), "--run", tmp_path / "run"], "--test", digits / "train")
    at = arguments.index("--val")  # also where some of train would be held out
    assert "one folder" in run(*arguments[:at], *arguments[at + 2:]).errors[0]
    names = [str(d) for d in range(10)]
    split = coop_split(digits, names)
    split["test"].append(split["train"][5])
    (tmp_path / "split.json").write_text(json.dumps(split))
    arguments = study_arguments(digits)
    for name in ("--train", "--val", "--test", "--classnames"):
        at = arguments.index(name)
        arguments = [*arguments[:at], *arguments[at + 2:]]
    result = run(*arguments, "--split", tmp_path / "split.json", "--images", digits, "--run", tmp_path / "run")
    assert result.code == 3 and "two of" in result.errors[0] and split["train"][5][0] in result.errors[0]
    assert not list((tmp_path / "run").glob("*.h5"))


def test_every_folder_is_looked_at_first(digits, tmp_path):
    (tmp_path / "empty").mkdir()
    for test in (tmp_path / "empty", tmp_path / "none"):
        arguments = replaced([*study_arguments(digits), "--run", tmp_path / "run"], "--test", test)
        for more in ([], ["--plan"]):
            result = run(*arguments, *more, np=2)
            assert result.code == 3 and len(result.errors) == 1 and str(test) in result.errors[0]
        assert not list((tmp_path / "run").glob("*.h5"))
    assert run(*replaced([*study_arguments(digits), "--run", "x"], "--run", "")).code == 2


def test_refused_features_leave_their_lists(digits, study, tmp_path):
    """Another split than that of the features: the plan says so, the run refuses, nothing is touched."""
    names = [line.split("\t")[-1] for line in (digits / "classnames.txt").read_text().splitlines()]
    arguments = study_arguments(digits)
    for name in ("--train", "--val", "--test", "--classnames"):
        at = arguments.index(name)
        arguments = [*arguments[:at], *arguments[at + 2:]]
    split = tmp_path / "split.json"
    arguments += ["--split", split, "--images", digits, "--run", tmp_path / "run"]
    split.write_text(json.dumps(coop_split(digits, names)))
    run_ok(*arguments)
    lists = {p.name: p.read_text() for p in (tmp_path / "run/lists").iterdir()}
    other = coop_split(digits, names)
    other["train"] = other["train"][:-1]
    split.write_text(json.dumps(other))
    plan = {s["stage"]: s for s in run(*arguments, "--plan", json_path=tmp_path / "plan.json").json["plan"]}
    assert plan["extract train"]["what"] == "refuses" and plan["sweep"]["what"] == "blocked"
    result = run(*arguments, np=2)
    assert result.code == 3 and len(result.errors) == 1 and "train.h5" in result.errors[0] and "list_sha256" in result.errors[0]
    assert {p.name: p.read_text() for p in (tmp_path / "run/lists").iterdir()} == lists
    # Lists that went missing are made again; what they made is kept.
    split.write_text(json.dumps(coop_split(digits, names)))
    shutil.rmtree(tmp_path / "run/lists")
    assert {s["what"] for s in plan_of(tmp_path, *arguments).values()} == {"kept"}
    stages = run_ok(*arguments, json_path=tmp_path / "a.json").json["stages"]
    assert all(stage["reused"] for stage in stages.values())


@pytest.mark.parametrize("option,value", [("--epochs", "0"), ("--batch", "0"), ("--lr", "-1"), ("--views", "0")])
def test_what_would_fail_late_fails_at_once(digits, tmp_path, option, value):
    arguments = [*study_arguments(digits), "--run", tmp_path / "run"]
    if option in arguments:
        arguments = replaced(arguments, option, value)
    else:
        arguments.append(f"{option}={value}")
    result = run(*arguments, np=2)
    assert result.code in (2, 3) and len(result.errors) == 1 and option in result.errors[0]
    assert not list((tmp_path / "run").glob("*.h5"))


def test_killed_at_any_point_it_goes_on(digits, study, tmp_path):
    whole, out, rng = (study / "results.json").read_bytes(), tmp_path / "run", random.Random(5)
    arguments = [*study_arguments(digits), "--threads", "1", "--run", out]
    kills = 0
    for attempt in range(40):
        job = subprocess.Popen(command_line(arguments, rng.choice([0, 2])), env=mpi_environment(), start_new_session=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            job.wait(timeout=0.7 + 0.1 * attempt)
            assert job.returncode == 0
            break
        except subprocess.TimeoutExpired:
            os.killpg(job.pid, signal.SIGKILL)
            job.wait()
            subprocess.run(["pkill", "-KILL", "-f", "--", str(out)])
            wait_until_free(out)
            kills += 1
    run_ok(*arguments)
    assert kills >= 2 and (out / "results.json").read_bytes() == whole


@pytest.mark.parametrize("change,code,words", [
    (["--run", "", "--tune", "vall"], 2, ["--tune", "vall"]),
    (["--shots", "0"], 2, ["--shots"]),
    (["--alpha", "1:2"], 2, ["--alpha"]),
    (["--train", "/nowhere/train"], 3, ["/nowhere/train"]),
    (["--compare-templates", "imagenet-8"], 2, ["imagenet-8"]),
    (["--shots", "1000"], 3, ["1000"]),
])
def test_bad_input(digits, tmp_path, change, code, words):
    arguments = [*study_arguments(digits), "--run", tmp_path / "run"]
    for name, value in zip(change[::2], change[1::2]):
        arguments = replaced(arguments, name, value or tmp_path / "run") if name in arguments else [*arguments, name, value]
    for np_ in (0, 2):
        result = run(*arguments, np=np_)
        assert result.code == code and len(result.errors) == 1, result.err
        for word in words:
            assert word in result.errors[0]


def test_an_unknown_key_is_named_with_the_nearest(digits, tmp_path):
    config = tmp_path / "run.ini"
    for key, near in (("epoch", "epochs"), ("subset-seed", "subset-seeds"), ("classname", "classnames"),
                      ("tune-on", "tune"), ("x" * 3000, "")):
        config.write_text(f"run = {tmp_path / 'run'}\n{key} = 5\n")
        result = run("experiment", "--config", config)
        assert result.code == 2 and len(result.errors) == 1, result.err
        assert f"'{key}'" in result.errors[0] and "did you mean" in result.errors[0]
        assert f"'{near}" in result.errors[0].split("did you mean")[1]
        assert str(config) in result.errors[0]
    result = run("experiment", "--traim", "x")
    assert result.code == 2 and "'--train'" in result.errors[0]
    config.write_bytes(b"\xef\xbb\xbftitle = x\r\nepoch = 1\r\n")  # as Windows' editors write it
    assert "'epoch'" in run("experiment", "--config", config).errors[0]


def test_two_classes_of_one_name(digits, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("zero\none\nzero\n")
    result = run(*replaced([*study_arguments(digits), "--run", tmp_path / "run"], "--classnames", names))
    assert result.code == 3 and len(result.errors) == 1 and "'zero'" in result.errors[0] and "twice" in result.errors[0]
