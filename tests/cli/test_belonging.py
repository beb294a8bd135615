"""What does not belong together is refused: files of two models, pictures in two roles, pictures that were replaced."""
import hashlib
import itertools
import json
import os
import shutil
import subprocess
import time

import h5py
import numpy as np
import pytest
from PIL import Image

from conftest import (DEMO_MODEL, DEMO_TEMPLATES, command_line, mpi_environment, reseal, run, run_ok, study_arguments,
                      wait_until)

GRID = ["--alpha", "1:3:1", "--beta", "1:3:1"]
POINT = ["--alpha", "1", "--beta", "2"]


def stages(cache, features, text, val, out):
    """Every stage that takes two files or more."""
    files = ["--features", features, "--text", text]
    return {
        "zeroshot": ["zeroshot", *files],
        "tip": ["tip", "--cache", cache, *files, *POINT],
        "sweep": ["sweep", "--cache", cache, *files, *GRID, "--tune-on", val, "--out", out / "s.h5", "--fresh"],
        "finetune": ["finetune", "--cache", cache, *files, *POINT, "--epochs", "1", "--select", "val", "--val", val, "--out",
                     out / "a.h5", "--fresh"],
    }


@pytest.fixture(scope="module")
def other(digits, tmp_path_factory):
    """Files of a model of the same width with one changed value, and of the same model in bf16."""
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file
    out = tmp_path_factory.mktemp("other")
    state = load_file(DEMO_MODEL)
    state["text_projection"][0, 0] += 1
    with safe_open(DEMO_MODEL, "pt") as file:
        save_file(state, out / "other.safetensors", metadata=file.metadata())
    for name, model, more in (("model", out / "other.safetensors", []), ("bf16", DEMO_MODEL, ["--precision", "bf16"])):
        run_ok("extract", "--model", model, *more, "--images", digits / "val", "--out", out / f"{name}.h5", "--quiet")
        run_ok("text", "--model", model, *more, "--classnames", digits / "classnames.txt", "--templates", DEMO_TEMPLATES,
               "--out", out / f"text-{name}.h5", "--quiet")
    return out


@pytest.mark.parametrize("kind,field", [("model", "model_sha256"), ("bf16", "precision")])
def test_files_of_another_model_or_precision_are_refused(demo, other, tmp_path, kind, field):
    good = dict(cache=demo / "train.h5", features=demo / "test.h5", text=demo / "text.h5", val=demo / "val.h5")
    for role, path in {"text": other / f"text-{kind}.h5", "features": other / f"{kind}.h5", "cache": other / f"{kind}.h5",
                       "val": other / f"{kind}.h5"}.items():
        for name, arguments in stages(**{**good, role: path}, out=tmp_path).items():
            if role == "cache" and name == "zeroshot" or role == "val" and name in ("zeroshot", "tip"):
                continue
            if kind == "bf16" and name not in ("zeroshot", "tip"):
                continue
            overlap = ["--allow-overlap"] if name != "zeroshot" else []
            result = run(*arguments, *overlap, np=2 if name == "tip" else 0)
            assert result.code == 3 and len(result.errors) == 1, (role, name, result.err)
            assert field in result.errors[0] and path.name in result.errors[0] and "--allow-mixed" in result.errors[0]
            result = run_ok(*arguments, *overlap, "--allow-mixed", json_path=tmp_path / "r.json")
            assert field in result.json["inputs"]["mixed_inputs"][0] and "mixed inputs: " in result.out


def test_an_adapter_remembers_what_it_was_made_with(demo, other, digits, tmp_path):
    files = ["--cache", demo / "train.h5", "--features", demo / "test.h5", "--text", other / "text-model.h5", "--allow-mixed"]
    run_ok("finetune", *files, *POINT, "--epochs", "1", "--out", tmp_path / "mixed.h5")
    predict = ["predict", "--model", DEMO_MODEL, "--images", next((digits / "test/3").iterdir())]
    result = run_ok(*predict, "--adapter", tmp_path / "mixed.h5", json_path=tmp_path / "p.json")
    assert "model_sha256" in result.json["inputs"]["mixed_inputs"][0] and "mixed inputs: " in result.out
    result = run(*predict, "--adapter", tmp_path / "mixed.h5", "--precision", "bf16")
    assert result.code == 3 and "precision" in result.errors[0] and "mixed.h5" in result.errors[0]
    run_ok(*predict, "--adapter", tmp_path / "mixed.h5", "--precision", "bf16", "--allow-mixed")
    # Its keys are pictures that must not be measured.
    sweep = ["sweep", "--adapter", tmp_path / "mixed.h5", "--text", other / "text-model.h5", *GRID, "--out", tmp_path / "s.h5",
             "--allow-mixed"]
    for features, tune in (("train", "val"), ("val", "train")):
        result = run(*sweep, "--features", demo / f"{features}.h5", "--tune-on", demo / f"{tune}.h5")
        assert result.code == 3 and "train.h5" in result.errors[0], result.err
    run_ok(*sweep, "--features", demo / "test.h5", "--tune-on", demo / "val.h5")


@pytest.mark.parametrize("pair", list(itertools.combinations(("cache", "features", "val"), 2)))
def test_no_picture_plays_two_roles(demo, digits, tmp_path, pair):
    """The same file in two roles, and one picture alone, under another name and class."""
    files = dict(cache=demo / "train.h5", features=demo / "test.h5", val=demo / "val.h5")
    rng = np.random.default_rng(7)
    for c in range(10):  # pictures of nothing, and one of the pair's second file
        (tmp_path / "one" / str(c)).mkdir(parents=True)
        for i in range(3):
            Image.fromarray(rng.integers(0, 255, (8, 8), dtype=np.uint8)).save(tmp_path / f"one/{c}/{i}.png")
    source = {"features": "test", "val": "val"}[pair[1]]
    shutil.copy(next((digits / source / "7").iterdir()), tmp_path / "one/0/renamed.png")
    run_ok("extract", "--model", DEMO_MODEL, "--images", tmp_path / "one", "--out", tmp_path / "one.h5", "--quiet")
    for path in (files[pair[1]], tmp_path / "one.h5"):
        arguments = stages(**{**files, pair[0]: path}, text=demo / "text.h5", out=tmp_path)
        for name in ("tip", "sweep", "finetune"):
            if "val" in pair and name == "tip":
                continue
            result = run(*arguments[name], np=2 if name == "finetune" else 0)
            assert result.code == 3 and len(result.errors) == 1 and path.name in result.errors[0], (name, result.err)
            if path.name == "one.h5":
                assert "1 of the" in result.errors[0] and "0/renamed.png" in result.errors[0] and "--allow-overlap" in result.errors[0]
            result = run_ok(*arguments[name], "--allow-overlap", json_path=tmp_path / "r.json")
            if path == demo / "val.h5" and pair == ("features", "val"):
                assert result.json["tuned_on"] == "test"  # whatever it was given as
                continue
            assert result.json["inputs"]["shared_pictures"] and "not disjoint: " in result.out


def test_imported_features_pass_and_say_that_they_are_unknown(caltech, tmp_path):
    files = ["--cache", caltech / "cache.h5", "--features", caltech / "val.h5", "--text", caltech / "text.h5"]
    result = run_ok("tip", *files, "--alpha", 1, "--beta", 5.5, json_path=tmp_path / "t.json")
    assert result.json["test"]["top1"] == 808 and len(result.json["inputs"]["provenance_unknown"]) == 3
    assert "provenance unknown: " in result.out
    result = run("tip", *files[:2], "--features", caltech / "cache.h5", *files[4:], "--alpha", 1, "--beta", 5.5)
    assert result.code == 3 and "672 of the 672 pictures" in result.errors[0]
    # Half of test among the keys, known by the rows alone.
    def put_in(file):
        rows = file["features"][:]
        with h5py.File(caltech / "val.h5") as val:
            rows[:300] = val["features"][:300]
        file["features"][:] = rows
        digest = hashlib.sha256(rows.tobytes() + file["labels"][:].tobytes()).hexdigest()
        file.attrs.create("content_sha256", digest, dtype=h5py.string_dtype("utf-8", 64))
    shutil.copy(caltech / "cache.h5", tmp_path / "leak.h5")
    reseal(tmp_path / "leak.h5", put_in)
    result = run("tip", "--cache", tmp_path / "leak.h5", *files[2:], "--alpha", 1, "--beta", 5.5)
    assert result.code == 3 and "300 of the 854 pictures" in result.errors[0], result.err


def test_text_of_other_classes_is_not_taken_by_position(demo, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("".join(f"thing {c}\n" for c in "jihgfedcba"))
    run_ok("text", "--model", DEMO_MODEL, "--classnames", names, "--templates", DEMO_TEMPLATES, "--out", tmp_path / "t.h5", "--quiet")
    arguments = stages(demo / "train.h5", demo / "test.h5", tmp_path / "t.h5", demo / "val.h5", tmp_path)
    for name, command in arguments.items():
        result = run(*command)
        assert result.code == 3 and len(result.errors) == 1 and "--match-by-position" in result.errors[0], (name, result.err)
        assert "t.h5" in result.errors[0] and ("test.h5" in result.errors[0] or "train.h5" in result.errors[0])
        result = run_ok(*command, "--match-by-position", json_path=tmp_path / "r.json")
        assert len(result.json["inputs"]["matched_by_position"]) == 1 and "matched by position: " in result.out


def replace(path):
    """Another picture of the same number of bytes and the same time."""
    before, content = path.stat(), bytearray(path.read_bytes())
    picture = np.asarray(Image.open(path)).copy()
    for step in range(1, 256):
        changed = picture.copy()
        changed[0, 0] = (int(picture[0, 0]) + step) % 256
        Image.fromarray(changed).save(path)
        if path.stat().st_size == len(content) and path.read_bytes() != bytes(content):
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
            return
    pytest.fail("no picture of equal size found")


@pytest.fixture
def images(digits, tmp_path):
    shutil.copytree(digits / "val", tmp_path / "images")
    return tmp_path / "images"


def test_a_replaced_picture_of_equal_size_is_noticed(images, tmp_path):
    arguments = ["extract", "--model", DEMO_MODEL, "--images", images, "--out", tmp_path / "f.h5"]
    run_ok(*arguments)
    first = (tmp_path / "f.h5").read_bytes()
    victim = sorted((images / "3").iterdir())[5]
    for np_ in (0, 2):
        assert "up to date" in run_ok(*arguments, np=np_).out
    replace(victim)
    for np_ in (0, 3):
        result = run(*arguments, np=np_)
        assert result.code == 3 and len(result.errors) == 1 and f"3/{victim.name}" in result.errors[0], result.err
        assert "1 picture has changed" in result.errors[0] and "--fresh" in result.errors[0]
    assert (tmp_path / "f.h5").read_bytes() == first
    run_ok(*arguments, "--fresh")
    assert (tmp_path / "f.h5").read_bytes() != first
    assert "up to date" in run_ok(*arguments).out


def test_equal_content_is_up_to_date_wherever_it_lies(images, tmp_path):
    """Copied, touched, without the note of times, with a note of other pictures: nothing is computed again."""
    out = tmp_path / "f.h5"
    arguments = ["extract", "--model", DEMO_MODEL, "--out", out]
    run_ok(*arguments, "--images", images)
    content, note = out.read_bytes(), out.with_name("f.h5.times")
    assert note.exists()
    shutil.copytree(images, tmp_path / "copy")
    assert "up to date" in run_ok(*arguments, "--images", tmp_path / "copy").out
    os.utime(next((images / "5").iterdir()), (1, 1))
    assert "up to date" in run_ok(*arguments, "--images", images).out
    for damage in (note.unlink, lambda: note.write_bytes(b"nonsense"), lambda: note.write_bytes(content)):
        damage()
        assert "up to date" in run_ok(*arguments, "--images", images).out
    assert out.read_bytes() == content
    with h5py.File(out) as file:
        paths = [p.decode() for p in file["paths"]]
        assert [h.decode() for h in file["image_sha256"]] == [hashlib.sha256((images / p).read_bytes()).hexdigest() for p in paths]


def test_only_pictures_with_other_times_are_read_again(images, tmp_path):
    """Once their times are old enough to be trusted, the files are looked at and not opened."""
    if shutil.which("strace") is None or subprocess.run(["strace", "-o", tmp_path / "probe", "true"]).returncode != 0:
        pytest.skip("strace is not installed, or may not trace here")
    pictures = list(images.rglob("*.png"))
    arguments = ["extract", "--model", DEMO_MODEL, "--images", images, "--out", tmp_path / "f.h5"]

    def opened():
        log = tmp_path / "strace.log"
        subprocess.run(["strace", "-f", "-e", "trace=openat", "-o", log, *command_line(arguments)], check=True, capture_output=True,
                       env=mpi_environment())
        return {line.split('"')[1] for line in log.read_text().splitlines() if '.png"' in line}

    run_ok(*arguments)  # times may be fresh here: a change right after the reading could leave them as they are
    wait_until(lambda: time.time() - max(path.stat().st_ctime for path in pictures) > 3.5)  # three seconds, and clocks' steps
    opened()  # once more, and now they are trusted
    assert opened() == set()
    os.utime(pictures[0], (10**9, 10**9))
    assert opened() == {str(pictures[0])}


def test_a_picture_replaced_between_a_kill_and_its_resumption(images, tmp_path):
    """Shards on disk of pictures that are others now are computed again; the result is that of a run from nothing."""
    out = tmp_path / "f.h5"
    broken = sorted((images / "9").iterdir())[-1]
    whole = broken.read_bytes()
    broken.write_bytes(whole[:50])
    arguments = ["extract", "--model", DEMO_MODEL, "--images", images, "--out"]
    assert run(*arguments, out).code == 3
    assert len(list((tmp_path / "f.h5.parts").glob("*.h5"))) > 0
    broken.write_bytes(whole)
    replace(sorted((images / "0").iterdir())[0])
    result = run_ok(*arguments, out, json_path=tmp_path / "r.json")
    assert result.json["shards_reused"] > 0 and "1 picture has changed" in result.err
    run_ok(*arguments, tmp_path / "g.h5")
    assert out.read_bytes() == (tmp_path / "g.h5").read_bytes()


def test_the_same_picture_twice_is_said(images, tmp_path):
    a, b = sorted((images / "1").iterdir())[:2]
    shutil.copy(a, images / "1" / "again.png")
    shutil.copy(b, images / "2" / "elsewhere.png")
    result = run_ok("extract", "--model", DEMO_MODEL, "--images", images, "--out", tmp_path / "f.h5", json_path=tmp_path / "r.json")
    assert result.json["duplicates"]["pictures"] == 2 and result.json["duplicates"]["across_classes"] == 1
    assert "2/elsewhere.png" in result.err and f"1/{b.name}" in result.err
    result = run_ok("extract", "--model", DEMO_MODEL, "--images", images, "--out", tmp_path / "f.h5", json_path=tmp_path / "r.json")
    assert result.json["up_to_date"] and result.json["duplicates"]["across_classes"] == 1


def test_an_experiment_notices_both(digits, tmp_path):
    for split in ("train", "val", "test"):
        shutil.copytree(digits / split, tmp_path / split)
    arguments = study_arguments(digits)
    for split in ("train", "val", "test"):
        arguments[arguments.index(f"--{split}") + 1] = tmp_path / split
    arguments += ["--run", tmp_path / "run", "--shots", "1", "--subset-seeds", "1", "--compare-templates", "none"]
    arguments = [a for i, a in enumerate(arguments) if not (a in ("--shots", "--subset-seeds") and arguments.index(a) == i)
                 and not (i > 0 and arguments[i - 1] in ("--shots", "--subset-seeds") and arguments.index(arguments[i - 1]) == i - 1)]
    leaked = tmp_path / "test/4/leaked.png"
    shutil.copy(sorted((tmp_path / "train/4").iterdir())[0], leaked)
    result = run(*arguments)
    assert result.code == 3 and "4/leaked.png" in result.errors[0] and "--allow-overlap" in result.errors[0], result.err
    run_ok(*arguments, "--allow-overlap", json_path=tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text())["inputs"]["shared_pictures"]
    assert "leaked.png" in (tmp_path / "run/table.txt").read_text()
    results = json.loads((tmp_path / "run/results.json").read_text())
    assert "leaked.png" in results["inputs"]["shared_pictures"][0]
    run_ok("report", "--run", tmp_path / "run", "--out", tmp_path / "report.html")
    assert "leaked.png" in (tmp_path / "report.html").read_text()
    replace(sorted((tmp_path / "train/2").iterdir())[3])
    plan = {s["stage"]: s for s in run(*arguments, "--allow-overlap", "--plan", json_path=tmp_path / "plan.json").json["plan"]}
    assert plan["extract train"]["what"] == "refuses" and "1 picture has changed" in plan["extract train"]["why"]
    result = run(*arguments, "--allow-overlap")
    assert result.code == 3 and "1 picture has changed" in result.errors[0]
