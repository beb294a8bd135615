"""An experiment, its nights and its report from stored features: no image and no checkpoint, and the folder is only read."""
import json
import os
import shutil

import h5py
import jsonschema
import numpy as np
import pytest

from conftest import DEMO_MODEL, DEMO_TEMPLATES, ROOT, reseal, run, run_ok, study_arguments
from test_commands import sha256
from test_experiment import plan_of, replaced

SMALL = ["--title", "Digits", "--shots", "1,4", "--subset-seeds", "1:3", "--alpha", "0.5:10:0.5", "--beta", "1:20:1", "--epochs", "3",
         "--quiet"]


def arguments(folder, run_folder, *more):
    words = ["experiment", "--features-from", folder, "--run", run_folder, *SMALL]
    for name, value in zip(more[::2], more[1::2]):  # instead of those of SMALL
        if name in SMALL:
            words = replaced(words, name, value)
            more = [word for word in more if word not in (name, value)]
    return [*words, *more]


def results_of(folder):
    return json.loads((folder / "results.json").read_text())


def state(folder):
    return {p.name: (sha256(p), p.stat().st_mtime_ns) for p in folder.iterdir() if p.is_file()}


@pytest.fixture
def stored(demo, tmp_path):
    """A folder of features that a test may change: train.h5, val.h5, test.h5, text.h5."""
    folder = tmp_path / "features"
    shutil.copytree(demo, folder)
    for extra in (p for p in folder.iterdir() if p.suffix != ".h5"):
        extra.unlink()
    return folder


def test_a_study_from_its_own_features_is_the_same_study(study, tmp_path):
    before = state(study)
    run_ok(*arguments(study, tmp_path / "run0"))
    ours, theirs = results_of(tmp_path / "run0"), results_of(study)
    made = {p.name for p in (tmp_path / "run0").glob("*.h5")}
    assert {"train.h5", "val.h5", "test.h5"} & made == set() and not any(name.startswith("text") for name in made)
    for name in [n for n in made if n.startswith(("sweep", "adapter"))]:
        assert sha256(tmp_path / "run0" / name) == sha256(study / name), name
    assert ours["cells"] == theirs["cells"] and ours["class_names"] == theirs["class_names"]

    def unlabelled(results):  # what templates are called in text.h5 nobody knows
        return [dict(row, templates=row["templates"].replace(DEMO_TEMPLATES.stem, "text")) for row in results["rows"]]

    assert unlabelled(ours) == unlabelled(theirs)
    for name in ("classes", "class_folders", "class_samples", "most_keys", "test", "tuned_on", "inputs", "duplicate_pictures"):
        assert ours[name] == theirs[name], name
    jsonschema.validate(ours, json.loads((ROOT / "docs/results.schema.json").read_text()))
    stored_ones = {name for name, file in ours["files"].items() if file.get("stored")}
    assert stored_ones == {"train.h5", "val.h5", "test.h5", "text.h5", *(f"text-imagenet-{n}.h5" for n in (1, 7, 80))}
    assert set(ours["files"]) - stored_ones == made
    for name in stored_ones:
        assert ours["files"][name]["sha256"] == theirs["files"][name]["sha256"]
        assert ours["files"][name]["made_from"] == theirs["files"][name]["made_from"]
    assert str(study) not in (tmp_path / "run0/results.json").read_text()
    assert json.loads((tmp_path / "run0/run.json").read_text())["features_from"] == str(study)
    run_ok("verify", tmp_path / "run0")
    for np_ in (1, 2, 3):
        run_ok(*arguments(study, tmp_path / f"run{np_}"), np=np_)
        assert (tmp_path / f"run{np_}/results.json").read_bytes() == (tmp_path / "run0/results.json").read_bytes(), np_
    assert state(study) == before


def test_images_are_held_out_of_train_as_from_pictures(digits, stored, tmp_path):
    """The same pictures in the same order: keys, alpha, beta and answers are those of the run that extracted them."""
    names = digits / "classnames.txt"
    run_ok("experiment", "--model", DEMO_MODEL, "--train", digits / "train", "--test", digits / "test", "--classnames", names, "--templates",
           DEMO_TEMPLATES, "--compare-templates", "none", "--run", tmp_path / "pictures", *SMALL)
    (stored / "val.h5").unlink()
    before = state(stored)
    for np_ in (0, 2, 3):
        run_ok(*arguments(stored, tmp_path / f"run{np_}"), np=np_)
    ours, theirs = results_of(tmp_path / "run0"), results_of(tmp_path / "pictures")
    assert ours["cells"] == theirs["cells"] and ours["tuned_on"] == "val"
    for name in ("train.h5", "val.h5"):
        with h5py.File(tmp_path / "run0" / name) as a, h5py.File(tmp_path / "pictures" / name) as b:
            assert a.attrs["content_sha256"] == b.attrs["content_sha256"]
            for data in ("paths", "image_sha256", "labels"):
                assert (a[data][:] == b[data][:]).all(), data
    for name in ("run2", "run3"):
        assert (tmp_path / name / "results.json").read_bytes() == (tmp_path / "run0/results.json").read_bytes()
    assert state(stored) == before
    run_ok("verify", tmp_path / "run0")
    # Another seed draws others; the same again keeps all.
    assert {s["what"] for s in plan_of(tmp_path, *arguments(stored, tmp_path / "run0")).values()} == {"kept"}
    plan = plan_of(tmp_path, *arguments(stored, tmp_path / "run0", "--seed", "2"))
    assert plan["hold out train"]["what"] == "runs" and "seed was '1', now '2'" in plan["hold out train"]["why"]
    assert plan["sweep"]["what"] == "runs"
    run_ok(*arguments(stored, tmp_path / "run0", "--seed", "2"))
    with h5py.File(tmp_path / "run0/val.h5") as a, h5py.File(tmp_path / "run2/val.h5") as b:
        assert set(a["paths"][:]) != set(b["paths"][:]) and len(a["paths"]) == 40
    # The features that they were taken from have changed: the run notices, and so does verify.
    reseal(stored / "train.h5", lambda f: f.attrs.__setitem__("made_from.batch", np.bytes_("9")))
    result = run("verify", tmp_path / "run0")
    assert result.code == 3 and "another 'train.h5'" in result.errors[0]
    assert plan_of(tmp_path, *arguments(stored, tmp_path / "run0", "--seed", "2"))["hold out val"]["what"] == "runs"


def test_views_and_what_was_left_out_go_along(digits, demo, stored, tmp_path):
    (stored / "val.h5").unlink()
    shutil.copytree(digits / "train", tmp_path / "train")
    (tmp_path / "train/3/broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnonsense")
    run_ok("extract", "--model", DEMO_MODEL, "--images", tmp_path / "train", "--views", "3", "--on-bad-image", "skip", "--dtype", "f16",
           "--out", tmp_path / "train.h5")
    os.replace(tmp_path / "train.h5", stored / "train.h5")
    result = run_ok(*arguments(stored, tmp_path / "run"), json_path=tmp_path / "out.json")
    with h5py.File(tmp_path / "run/train.h5") as keys, h5py.File(tmp_path / "run/val.h5") as val, h5py.File(stored / "train.h5") as all_:
        place = {path: row for row, path in enumerate(all_["paths"][:])}
        rows = [place[path] for path in keys["paths"][:]]
        assert (keys["features"][:] == all_["features"][:][rows]).all() and (keys["views"][:] == all_["views"][:][rows]).all()
        assert "views" not in val and (val["features"][:] == all_["features"][:][[place[p] for p in val["paths"][:]]]).all()
        assert len(rows) == 600 and keys.attrs["views"] == 3
    results = results_of(tmp_path / "run")
    assert results["config"]["views"] == 3 and results["skipped_images"] == {"train.h5": 1}
    assert "unreadable images: 1 of train.h5" in (tmp_path / "run/table.txt").read_text() and result.code == 0
    run_ok("verify", tmp_path / "run")


def test_tuned_on_test_needs_no_val(stored, tmp_path):
    (stored / "val.h5").unlink()
    run_ok(*arguments(stored, tmp_path / "run", "--tune", "test"))
    results = results_of(tmp_path / "run")
    assert results["tuned_on"] == "test" and not (tmp_path / "run/train.h5").exists()
    assert "val.h5" not in results["files"]
    run_ok("verify", tmp_path / "run")


def test_features_that_were_extracted_into_the_run_are_not_written_over(digits, demo, stored, tmp_path):
    (stored / "val.h5").unlink()
    run_ok(*[*study_arguments(digits), "--run", tmp_path / "run"])
    before = state(tmp_path / "run")
    for more in ([], ["--plan"]):
        result = run(*arguments(stored, tmp_path / "run", *more))
        assert result.code == 3 and len(result.errors) == 1 and "train.h5" in result.errors[0] and "--fresh" in result.errors[0]
    assert {n: s for n, s in state(tmp_path / "run").items() if n.endswith(".h5")} == {n: s for n, s in before.items() if n.endswith(".h5")}
    run_ok(*arguments(stored, tmp_path / "run", "--fresh", "train,val"))
    run_ok("verify", tmp_path / "run")


def test_what_is_there_is_kept_and_what_changed_is_made_again(stored, tmp_path):
    assert {s["what"] for s in plan_of(tmp_path, *arguments(stored, tmp_path / "run")).values()} == {"runs"}
    assert not (tmp_path / "run").exists()
    run_ok(*arguments(stored, tmp_path / "run"))
    plan = plan_of(tmp_path, *arguments(stored, tmp_path / "run"))
    assert {s["what"] for s in plan.values()} == {"kept"}
    assert not any(name.startswith(("extract", "text", "hold")) for name in plan)
    stages = run_ok(*arguments(stored, tmp_path / "run"), json_path=tmp_path / "a.json").json["stages"]
    assert all(stage["reused"] for stage in stages.values())
    assert {n for n, s in plan_of(tmp_path, *arguments(stored, tmp_path / "run", "--fresh", "sweep")).items() if s["what"] == "kept"} == {
        "evaluate zero-shot text"}
    result = run(*arguments(stored, tmp_path / "run", "--fresh", "train"))
    assert result.code == 2 and "'train'" in result.errors[0] and "sweep" in result.errors[0]
    # Other test features: all is made again; the old results are no longer those of the folder.
    with h5py.File(stored / "val.h5") as val, h5py.File(stored / "test.h5") as test:
        assert val["features"].shape[1] == test["features"].shape[1]
    os.replace(stored / "test.h5", tmp_path / "kept.h5")
    os.replace(stored / "val.h5", stored / "test.h5")
    os.replace(tmp_path / "kept.h5", stored / "val.h5")
    result = run("verify", tmp_path / "run")
    assert result.code == 3 and "another 'test.h5'" in result.errors[0] and str(stored) in result.errors[0]
    stages = run_ok(*arguments(stored, tmp_path / "run"), json_path=tmp_path / "a.json").json["stages"]
    assert not any(stage["reused"] for stage in stages.values())
    run_ok("verify", tmp_path / "run")


def test_texts(digits, stored, tmp_path):
    """Other templates are compared, a text may have more classes in another order, its names are those of results.json."""
    lines = (digits / "classnames.txt").read_text().splitlines()
    (tmp_path / "names.txt").write_text("\n".join(["x\tletter x", *reversed(lines)]) + "\n")
    for name, templates in (("text", "imagenet-7"), ("text-many", "imagenet-80")):
        run_ok("text", "--model", DEMO_MODEL, "--classnames", tmp_path / "names.txt", "--templates", templates, "--out", tmp_path / "t.h5")
        os.replace(tmp_path / "t.h5", stored / f"{name}.h5")
    run_ok(*arguments(stored, tmp_path / "run"))
    results = results_of(tmp_path / "run")
    assert [r["templates"] for r in results["rows"] if r["method"] == "zero-shot"] == ["imagenet-7", "many"]
    assert results["config"]["templates"] == "imagenet-7"
    assert results["class_folders"] == [str(d) for d in range(10)]
    assert results["class_names"] == [line.split("\t")[1] for line in lines]
    # Two files of one label: the other keeps it.
    shutil.copy(stored / "text.h5", stored / "text-imagenet-7.h5")
    shutil.copy(stored / "text-many.h5", stored / "text-text.h5")
    run_ok(*arguments(stored, tmp_path / "other"))
    assert [r["templates"] for r in results_of(tmp_path / "other")["rows"] if r["method"] == "zero-shot"] == [
        "text-h5", "imagenet-7", "many", "text"]
    run_ok("verify", tmp_path / "other")
    run_ok("report", "--run", tmp_path / "other", "--out", tmp_path / "r.html")


def refused(code, words, *given, np=0):
    for more in ([], ["--plan"]) if given[0] == "experiment" else ([],):
        result = run(*given, *more, np=np)
        assert result.code == code and len(result.errors) == 1, (result.code, result.err)
        for word in words:
            assert str(word) in result.errors[0], result.errors[0]


@pytest.mark.parametrize("more", [
    ("--model", "m.pt"), ("--train", "x"), ("--val", "x"), ("--test", "x"), ("--split", "x"), ("--images", "x"), ("--classnames", "x"),
    ("--templates", "imagenet-1"), ("--compare-templates", "none"), ("--views", "1"), ("--dtype", "f32"), ("--workers", "2"),
    ("--on-bad-image", "fail"), ("--max-bad", "1"), ("--extract-batch", "8"), ("--precision", "bf16"), ("--activation", "gelu"),
    ("--trust-checkpoint",), ("--max-pixels", "100")])
def test_options_of_images_are_refused(demo, tmp_path, more):
    refused(2, ["--features-from", more[0]], *arguments(demo, tmp_path / "run", *more))
    (tmp_path / "c.ini").write_text(f"{more[0][2:]} = {more[1] if len(more) > 1 else 'true'}\n")
    refused(2, ["--features-from", more[0]], *arguments(demo, tmp_path / "run", "--config", tmp_path / "c.ini"))
    assert not (tmp_path / "run").exists()


def test_one_source_is_needed(digits, tmp_path):
    refused(2, ["--model", "--features-from"], "experiment", "--run", tmp_path / "run")
    refused(2, ["--train", "--features-from"], "experiment", "--model", DEMO_MODEL, "--run", tmp_path / "run")


def test_the_folder(demo, stored, tmp_path):
    refused(3, [tmp_path / "none", "--features-from"], *arguments(tmp_path / "none", tmp_path / "run"))
    refused(3, ["is a file"], *arguments(stored / "train.h5", tmp_path / "run"), np=2)
    (tmp_path / "empty").mkdir()
    refused(3, [tmp_path / "empty", "train.h5, test.h5, text.h5"], *arguments(tmp_path / "empty", tmp_path / "run"))
    (stored / "train.h5").unlink()
    (stored / "text.h5").unlink()
    refused(3, ["has no train.h5, text.h5;"], *arguments(stored, tmp_path / "run"), np=2)
    # It is only read.
    (tmp_path / "link").symlink_to(demo)
    for run_folder in (demo, tmp_path / "link", demo / "run", tmp_path / "link/run", f"{demo}/"):
        refused(2, ["--run"], *arguments(demo, run_folder))
    refused(2, [""], *arguments("", tmp_path / "run"))
    assert not (demo / "run").exists() and not (demo / "run.json").exists()


def test_a_slash_behind_the_folder_is_no_other_folder(demo, tmp_path):
    refused(2, ["--run"], *arguments(f"{demo}/", demo / "run"))
    run_ok(*arguments(f"{demo}/", tmp_path / "run"))
    run_ok("verify", tmp_path / "run")


def wider(file):
    features = file["features"][:]
    del file["features"]
    file["features"] = np.concatenate([features, features], 1)


def other_model(file):
    file.attrs["made_from.model_sha256"] = np.bytes_("0" * 64)


def renamed(file):
    classes = file["classes"][:].copy()
    classes[3] = b"Q"
    file["classes"][...] = classes


def text_without(file):
    for name in ("classes", "classnames"):
        values = file[name][:].copy()
        values[3] = b"Q"
        file[name][...] = values


def fewer(file):
    """The last class and its images are gone."""
    keep = file["labels"][:] < 9
    for name in ("features", "labels", "paths", "image_sha256"):
        values = file[name][:][keep]
        del file[name]
        file[name] = values
    classes = file["classes"][:9]
    del file["classes"]
    file["classes"] = classes


def rehashed(change):
    """`change`, then the hash of features and labels made right again."""
    def both(file):
        import hashlib
        change(file)
        content = file["features"][:].astype("<f4").tobytes() + file["labels"][:].astype("<i4").tobytes()
        file.attrs["content_sha256"] = np.bytes_(hashlib.sha256(content).hexdigest())
    return both


@pytest.mark.parametrize("name, change, words", [
    ("test.h5", rehashed(wider), ["test.h5", "wide"]), ("val.h5", rehashed(wider), ["val.h5", "wide"]),
    ("text.h5", other_model, ["text.h5", "model_sha256"]), ("val.h5", other_model, ["val.h5", "model_sha256"]),
    ("text-more.h5", other_model, ["text-more.h5", "model_sha256"]),
    ("test.h5", renamed, ["test.h5", "'Q'"]), ("val.h5", renamed, ["val.h5", "'Q'"]), ("train.h5", renamed, ["'Q'"]),
    ("text.h5", text_without, ["text.h5", "no text for class '3'"]), ("text-more.h5", text_without, ["text-more.h5", "'3'"]),
    ("test.h5", rehashed(fewer), ["other classes, 10 and 9", "--classnames"]),
    ("test.h5", lambda f: f.attrs.__setitem__("format", np.bytes_("clipsweep-text")), ["test.h5"]),
    ("train.h5", lambda f: f["labels"].write_direct(np.full(len(f["labels"]), 99, np.int32)), ["train.h5", "label 99"]),
])
def test_files_that_do_not_belong_together(stored, tmp_path, name, change, words):
    shutil.copy(stored / "text.h5", stored / "text-more.h5")
    reseal(stored / name, change)
    refused(3, words, *arguments(stored, tmp_path / "run"))
    refused(3, words, *arguments(stored, tmp_path / "run"), np=2)
    assert not list((tmp_path / "run").glob("*.h5"))


def test_files_that_are_none(demo, stored, tmp_path):
    for name in ("train.h5", "val.h5", "test.h5", "text.h5"):
        whole = (stored / name).read_bytes()
        for content in (b"", b"nonsense", whole[:-100], whole[:2000] + bytes([whole[2000] ^ 1]) + whole[2001:]):
            (stored / name).write_bytes(content)
            refused(3, [name], *arguments(stored, tmp_path / "run"))
        (stored / name).unlink()
        os.mkfifo(stored / name)
        refused(3, [name], *arguments(stored, tmp_path / "run"))
        (stored / name).unlink()
        (stored / name).mkdir()
        refused(3, [name], *arguments(stored, tmp_path / "run"))
        (stored / name).rmdir()
        (stored / name).symlink_to(tmp_path / "nowhere.h5")
        refused(3, [name], *arguments(stored, tmp_path / "run"))
        (stored / name).unlink()
        (stored / name).write_bytes(whole)
    shutil.copy(stored / "text.h5", stored / "text-a b.h5")
    refused(3, ["text-a b.h5"], *arguments(stored, tmp_path / "run"))
    assert not list((tmp_path / "run").glob("*.h5"))


def test_shared_pictures_and_shots(demo, stored, tmp_path):
    refused(3, ["--shots: 65", "64 keys"], *arguments(stored, tmp_path / "run", "--shots", "65"))
    shutil.copy(stored / "test.h5", stored / "val.h5")
    refused(3, ["test.h5", "val.h5"], *arguments(stored, tmp_path / "run"))
    (stored / "val.h5").unlink()
    refused(3, ["--shots: 61", "60 images", "val.h5"], *arguments(stored, tmp_path / "run", "--shots", "61"))
    shutil.copy(stored / "test.h5", stored / "train.h5")
    refused(3, ["train.h5", "test.h5", "--allow-overlap"], *arguments(stored, tmp_path / "run", "--shots", "1"), np=2)
    assert not list((tmp_path / "run").glob("*.h5"))


def test_the_report_has_no_pictures_at_hand(digits, stored, tmp_path):
    run_ok(*arguments(stored, tmp_path / "run"))
    result = run_ok("report", "--run", tmp_path / "run", "--out", tmp_path / "r.html", cwd=digits / "test")  # pictures of those names
    page = (tmp_path / "r.html").read_text()
    assert "no pictures at hand" in page and "<img" not in page and '<section id="map">' in page
    assert '<section id="gallery">' in page and "made from features" in result.err
    run_ok("report", "--run", tmp_path / "run", "--out", tmp_path / "r.html", "--images", digits / "test")
    page = (tmp_path / "r.html").read_text()
    assert "no pictures at hand" not in page and "<img" in page
    # The features are gone, others, or nobody knows where: the numbers stand.
    whole = (stored / "test.h5").read_bytes()
    reseal(stored / "test.h5", other_model)
    assert "test.h5" in run_ok("report", "--run", tmp_path / "run", "--out", tmp_path / "r.html", json_path=tmp_path / "j").json["absent"]
    (stored / "test.h5").write_bytes(whole)
    stored.rename(tmp_path / "moved")
    for _ in range(2):
        run_ok("report", "--run", tmp_path / "run", "--out", tmp_path / "r.html")
        page = (tmp_path / "r.html").read_text()
        assert "No longer there, so not shown: test.h5" in page and '<section id="map">' not in page and '<section id="table">' in page
        result = run_ok("verify", tmp_path / "run")
        assert "'train.h5'" in result.err and "not there" in result.err
        (tmp_path / "run/run.json").unlink(missing_ok=True)


def test_results_that_lie_about_stored_files(stored, tmp_path):
    from results_tools import seal
    run_ok(*arguments(stored, tmp_path / "run"))
    results = results_of(tmp_path / "run")
    for value in (1, "true", None, {}):
        results["files"]["test.h5"]["stored"] = value
        seal(tmp_path / "run/results.json", results)
        result = run("verify", tmp_path / "run/results.json")
        assert result.code == 3 and "stored" in result.errors[0], result.err
    results["files"]["test.h5"]["stored"] = True
    results["files"]["test.h5"]["sha256"] = "0" * 64
    seal(tmp_path / "run/results.json", results)
    assert run("verify", tmp_path / "run/results.json").code == 3


def nights(stored, folder, *more):
    return ["nightly", "--features-from", stored, "--run", folder, "--machine", "m", "--time-floor", "3600", *SMALL, *more]


def test_nights_from_features(stored, tmp_path):
    first = run_ok(*nights(stored, tmp_path / "n"), json_path=tmp_path / "1.json").json
    second = run_ok(*nights(stored, tmp_path / "n"), np=2, json_path=tmp_path / "2.json").json
    assert first["status"] == second["status"] == "ok" and second["answers_compared_with"] == 1
    assert "sweep seconds" in second["figures"] and "extract train seconds" not in second["figures"]
    assert first["figures"]["Tip-Adapter 4-shot seed 1 top1"] == second["figures"]["Tip-Adapter 4-shot seed 1 top1"]
    assert "no pictures at hand" in next((tmp_path / "n").glob("night-*/report.html")).read_text()
    # Other features are other inputs, also where only the part that is held out differs.
    for name in ("val.h5", "train.h5"):
        if name == "train.h5":
            (stored / "val.h5").unlink()
            run_ok(*nights(stored, tmp_path / "n"))
            assert run_ok(*nights(stored, tmp_path / "n"), json_path=tmp_path / "3.json").json["answers_compared_with"] is not None
        reseal(stored / name, lambda f: f.attrs.__setitem__("made_from.batch", np.bytes_("9")))
        run_ok(*nights(stored, tmp_path / "n"))
        assert "none: the first with these inputs" in (tmp_path / "n/summary.md").read_text(), name
    # A configuration; a folder that is gone is a failed night.
    (tmp_path / "n.ini").write_text(f"features-from = {stored}\nrun = {tmp_path / 'n'}\nshots = 1\nsubset-seeds = 1\nepochs = 1\n")
    run_ok("nightly", "--config", tmp_path / "n.ini")
    stored.rename(tmp_path / "moved")
    result = run("nightly", "--config", tmp_path / "n.ini")
    assert result.code == 3 and len(result.errors) == 1 and str(stored) in result.errors[0]
    assert "failed" in (tmp_path / "n/summary.md").read_text()


def test_nights_do_not_remove_the_features(demo, tmp_path):
    shutil.copytree(demo, tmp_path / "n/night-20260101T000000Z")
    refused(2, ["--features-from", "--run"], *nights(tmp_path / "n/night-20260101T000000Z", tmp_path / "n"))
    refused(2, ["--model"], "nightly", "--run", tmp_path / "n")
