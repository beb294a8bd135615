"""fit, evaluate, methods: every method of the table on small stored features, on any number of ranks, and on bad input."""
import hashlib
import json
import pathlib
import subprocess

import h5py
import numpy as np
import pytest

import import_tip_adapter as importer
from conftest import command_line, reseal, run, run_ok, wait_until

CLASSES, WIDTH = 40, 24
NAMES = [f"c{c:02d}" for c in range(CLASSES)]
# Settings under which the slow ones are quick.
QUICK = {"cross-modal": ["steps=300"], "clip-adapter": ["epochs=6"], "linear-probe": ["epochs=40"], "clap": ["epochs=40"],
         "taskres": ["epochs=40"], "lp++": ["epochs=60"], "ape-t": ["epochs=6"], "tip-adapter-f": ["epochs=4"]}
METHODS = ["zero-shot", "tip-adapter", "tip-adapter-f", "gda", "ape", "ape-t", "proker", "linear-probe", "clap", "lp++",
           "taskres", "clip-adapter", "cross-modal"]


def sets(settings):
    return [word for setting in settings for word in ("--set", setting)]


def sha256(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def write(folder, classes=CLASSES, per_class=lambda c: 1 + c % 4, seed=3, width=WIDTH):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes, width))
    names = [f"c{c:02d}" for c in range(classes)]

    def near(labels, spread):
        return (centres[labels] + spread * rng.normal(size=(len(labels), width)) + 1).astype(np.float32)

    labels = rng.permutation(np.repeat(np.arange(classes), [per_class(c) for c in range(classes)]))
    importer.write_features(folder / "cache.h5", near(labels, 1.0), labels, names, "cache", {})
    for name, count in (("val", 3 * classes), ("test", 300)):
        of = np.arange(count) % classes
        importer.write_features(folder / f"{name}.h5", near(of, 1.2), of, names, name, {})
    importer.write_text(folder / "text.h5", 10 * near(np.arange(classes), 1.0), names, names, {})
    return folder


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    return write(tmp_path_factory.mktemp("few"))


def fit(folder, method, out, *more, **options):
    return run("fit", "--method", method, "--cache", folder / "cache.h5", "--text", folder / "text.h5", "--features",
               folder / "test.h5", "--out", out, "--quiet", *more, **options)


@pytest.mark.parametrize("method", METHODS)
def test_the_same_bytes_on_any_number_of_ranks_and_threads(few, tmp_path, method):
    first, counts = None, None
    for np_, threads in ((0, 1), (0, 3), (1, 1), (2, 1), (3, 2)):
        out = tmp_path / f"{np_}-{threads}.h5"
        result = fit(few, method, out, "--tune-on", few / "val.h5", *sets(QUICK.get(method, [])), "--threads", threads, np=np_,
                     json_path=tmp_path / "j.json")
        assert result.code == 0, result.err
        first, counts = first or sha256(out), counts or result.json["test"]
        assert (sha256(out), result.json["test"]) == (first, counts), (np_, threads)
    run_ok("verify", out)
    again = run_ok("evaluate", "--classifier", out, "--features", few / "test.h5", "--out", tmp_path / "p.h5", np=2,
                   json_path=tmp_path / "e.json")
    assert again.json["test"] == counts and again.json["method"] == method
    kept = fit(few, method, out, "--tune-on", few / "val.h5", *sets(QUICK.get(method, [])))
    assert kept.code == 0 and "up to date" in kept.out


@pytest.mark.parametrize("method", [m for m in METHODS if m in QUICK])
def test_a_killed_training_goes_on(few, tmp_path, method):
    long = {"cross-modal": ["steps=30000"], "clip-adapter": ["epochs=600", "ratio=0.2"], "tip-adapter-f": ["epochs=900"],
            "ape-t": ["epochs=1500"], "lp++": ["epochs=6000"]}.get(method, ["epochs=6000"])
    arguments = ["fit", "--method", method, "--cache", few / "cache.h5", "--text", few / "text.h5", "--tune-on", few / "val.h5",
                 "--save-every", "0.05", "--quiet", *sets(long)]
    out = tmp_path / "killed.h5"
    process = subprocess.Popen(command_line([*arguments, "--out", out]), stderr=subprocess.DEVNULL)
    wait_until((tmp_path / "killed.h5.parts/state.h5").exists, process)
    process.kill()
    process.wait()
    assert not out.exists()
    refused = run(*arguments, "--out", out)
    assert refused.code == 3 and "--resume" in refused.err
    run_ok(*arguments, "--out", out, "--resume", np=3)
    run_ok(*arguments, "--out", tmp_path / "whole.h5")
    assert sha256(out) == sha256(tmp_path / "whole.h5")


def test_what_is_chosen_and_by_what(few, tmp_path):
    def settings(*more):
        result = fit(few, "tip-adapter", tmp_path / "t.h5", "--fresh", *more, json_path=tmp_path / "t.json")
        assert result.code == 0, result.err
        return result.json

    plain = settings()
    assert plain["settings"] == {"alpha": 1.0, "beta": 5.5} and plain["tuned_on"] == "none" and plain["tuned"] == []
    on_val = settings("--tune-on", few / "val.h5")
    assert on_val["tuned"] == ["alpha", "beta"] and on_val["tuned_on"] == "val"
    fixed = settings("--tune-on", few / "val.h5", "--set", "beta=3")
    assert fixed["tuned"] == ["alpha"] and fixed["settings"]["beta"] == 3
    both = settings("--tune-on", few / "val.h5", "--set", "beta=3", "alpha=0.25")
    assert both["tuned"] == [] and both["tuned_on"] == "none" and both["settings"] == {"alpha": 0.25, "beta": 3}
    assert settings("--tune-on", "test")["tuned_on"] == "test"
    assert settings("--tune-on", "test")["test"]["top1"] >= on_val["test"]["top1"]
    more = write(tmp_path, per_class=lambda c: 3)
    split = fit(more, "tip-adapter", tmp_path / "s.h5", "--tune-on", "split", json_path=tmp_path / "s.json").json
    assert split["tuned_on"] == "split" and split["keys"] == 2 * CLASSES
    single = fit(few, "tip-adapter", tmp_path / "t.h5", "--tune-on", "split")
    assert single.code == 3 and "too few for --tune-on split" in single.err


@pytest.mark.parametrize("method, exact", [("tip-adapter", "alpha"), ("gda", "alpha"), ("ape", "alpha")])
def test_no_other_alpha_is_better(few, tmp_path, method, exact):
    """The exact counter's alpha against 200 others at the other settings it chose."""
    chosen = fit(few, method, tmp_path / "c.h5", "--tune-on", "test", json_path=tmp_path / "c.json").json
    best, settings = chosen["test"]["top1"], chosen["settings"]
    values = {}
    for alpha in [*np.geomspace(1e-3, 90, 25), 0.9 * settings[exact], 1.1 * settings[exact]]:
        others = [f"{name}={value}" for name, value in settings.items() if name != exact]
        values[alpha] = fit(few, method, tmp_path / "o.h5", "--fresh", *sets([*others, f"{exact}={alpha:.12g}"]),
                            json_path=tmp_path / "o.json").json["test"]["top1"]
    assert max(values.values()) <= best and min(values.values()) < best


def test_equal_text_rows_tie_for_the_lower_class(tmp_path):
    """Two classes of one text, no other help: the first of them has it, in every form of classifier."""
    rng = np.random.default_rng(0)
    classes, width = 35, 64
    names = [f"c{c:02d}" for c in range(classes)]
    text = rng.normal(size=(classes, width)) + 0.5
    text[33] = text[2]
    labels = np.repeat(np.arange(classes), 2)
    importer.write_text(tmp_path / "text.h5", text, names, names, {})
    # Keys far from every query, so that all say the same of each class.
    importer.write_features(tmp_path / "cache.h5", (rng.normal(size=(70, width)) - 3).astype(np.float32), labels, names, "cache", {})
    query = np.repeat(text[[2, 33]], 8, axis=0) + 0.01 * rng.normal(size=(16, width))
    importer.write_features(tmp_path / "test.h5", query.astype(np.float32), np.repeat([2, 33], 8), names, "test", {})
    for method, settings in (("zero-shot", []), ("tip-adapter", ["alpha=0"]), ("ape", ["alpha=0"]), ("gda", ["alpha=0"]),
                             ("clip-adapter", ["ratio=0", "epochs=1"]), ("tip-adapter", ["alpha=1", "beta=800"])):
        result = fit(tmp_path, method, tmp_path / "c.h5", "--fresh", *sets(settings), json_path=tmp_path / "c.json")
        assert result.json["test"]["top1"] == 8 and result.json["test"]["top5"] == 16, (method, result.json)


def test_one_key_a_class_two_classes_and_many_keys(tmp_path):
    for name, classes, keys in (("one", 6, lambda c: 1), ("two", 2, lambda c: 3), ("hundred", 5, lambda c: 100 if c == 3 else 1)):
        (tmp_path / name).mkdir()
        folder = write(tmp_path / name, classes, keys, width=300 if name == "two" else 24)
        for method in METHODS:
            result = fit(folder, method, folder / "c.h5", "--fresh", "--tune-on", folder / "val.h5",
                         *sets(QUICK.get(method, [])), json_path=folder / "c.json")
            assert result.code == 0, (name, method, result.err)
            assert result.json["test"]["top1"] > 300 / classes, (name, method, result.json["test"])
            if (name, method) == ("one", "gda"):
                assert "this is zero-shot" in result.out


@pytest.mark.parametrize("words, expected", [
    (["--method", "tip-adaptor"], "did you mean 'tip-adapter'"),
    (["--method", "gda", "--set", "alfa=1"], "did you mean 'alpha'"),
    (["--method", "gda", "--set", "alpha"], "is not of the form name=value"),
    (["--method", "gda", "--set", "alpha=big"], "is not a number"),
    (["--method", "gda", "--set", "alpha=nan"], "is not a number"),
    (["--method", "gda", "--set", "alpha=-1"], "is not in 0 .. 1000"),
    (["--method", "gda", "--set", "alpha=1", "--set", "alpha=2"], "given twice"),
    (["--method", "zero-shot", "--set", "alpha=1"], "has no settings"),
    (["--method", "lp++", "--set", "epochs=1.5"], "is not a whole number"),
    (["--method", "lp++", "--set", "variant=other"], "is not one of code, paper"),
    (["--method", "lp++", "--shots", "99"], "the largest class of"),
    (["--method", "lp++", "--resume", "--fresh"], "contradicts --fresh"),
])
def test_bad_settings_are_refused_in_one_line(few, tmp_path, words, expected):
    result = run("fit", "--cache", few / "cache.h5", "--text", few / "text.h5", "--features", few / "test.h5", "--out",
                 tmp_path / "c.h5", *words)
    assert result.code in (2, 3) and len(result.errors) == 1 and expected in result.errors[0], result.err
    assert not (tmp_path / "c.h5").exists()


def test_a_training_that_diverges_says_so(few, tmp_path):
    result = fit(few, "cross-modal", tmp_path / "c.h5", "--set", "lr=10", "--set", "weight-decay=10", "--set", "steps=5000", np=2)
    assert result.code == 3 and len(result.errors) == 1 and "finite" in result.errors[0], result.err


def test_tuning_on_what_is_measured_or_learned_from_is_refused(few, tmp_path):
    same = fit(few, "gda", tmp_path / "c.h5", "--tune-on", few / "test.h5")
    assert same.code == 3 and "--tune-on holds the same images as --features" in same.err
    own = fit(few, "gda", tmp_path / "c.h5", "--tune-on", few / "cache.h5")
    assert own.code == 3 and "cache's own images" in own.err
    absent = run("fit", "--method", "gda", "--cache", few / "cache.h5", "--text", few / "text.h5", "--tune-on", "test",
                 "--out", tmp_path / "c.h5")
    assert absent.code == 2 and "needs --features" in absent.err


def test_damaged_and_foreign_classifiers_are_refused(few, tmp_path):
    fit(few, "ape", tmp_path / "c.h5")
    whole = (tmp_path / "c.h5").read_bytes()

    def damage(change, expected):
        (tmp_path / "c.h5").write_bytes(whole)
        reseal(tmp_path / "c.h5", change)
        for command in (["verify", tmp_path / "c.h5"], ["evaluate", "--classifier", tmp_path / "c.h5", "--features", few / "test.h5"]):
            result = run(*command)
            assert result.code == 3 and expected in result.err, result.err

    def replace(name, values):
        def change(file):
            del file[name]
            file[name] = values
        return change

    damage(lambda file: file.__delitem__("array_keys"), "lacks 'keys'")
    damage(lambda file: file.attrs.create("form", "cubic", dtype=h5py.string_dtype("utf-8", 5)), "is not one that this program knows")
    damage(lambda file: file.attrs.__setitem__("number.beta", np.inf), "is not finite")
    damage(lambda file: file.attrs.__delitem__("number.beta"), "lacks the number 'beta'")
    damage(replace("index_channels", np.int32([0, WIDTH])), "is not one of its 24")
    damage(replace("index_class", np.int32([0])), "has not one class a key")
    damage(replace("array_text", np.zeros((3, WIDTH), "<f4")), "does not fit its 40 classes")
    damage(replace("array_text", np.full((CLASSES, WIDTH), np.nan, "<f4")), "not finite")
    (tmp_path / "c.h5").write_bytes(whole[:-100])
    assert run("evaluate", "--classifier", tmp_path / "c.h5", "--features", few / "test.h5").code == 3
    wrong = run("evaluate", "--classifier", few / "text.h5", "--features", few / "test.h5")
    assert wrong.code == 3 and "text.h5" in wrong.err


def test_a_finetuned_adapter_is_a_classifier_too(few, tmp_path):
    run_ok("finetune", "--cache", few / "cache.h5", "--features", few / "test.h5", "--text", few / "text.h5", "--alpha", 1,
           "--beta", 5.5, "--epochs", 3, "--out", tmp_path / "a.h5", json_path=tmp_path / "a.json")
    fit(few, "tip-adapter-f", tmp_path / "c.h5", "--set", "epochs=3", json_path=tmp_path / "c.json")
    counts = {run_ok("evaluate", "--classifier", tmp_path / name, "--features", few / "test.h5",
                     json_path=tmp_path / "e.json").json["test"]["top1"] for name in ("a.h5", "c.h5")}
    assert len(counts) == 1
    with h5py.File(tmp_path / "a.h5") as adapter, h5py.File(tmp_path / "c.h5") as classifier:
        order = np.argsort(adapter["cache_row"][:] + 1000 * adapter["class_index"][:])
        assert np.allclose(adapter["keys"][:][order], classifier["array_keys"][:], atol=1e-4)


def test_a_linear_classifier_is_exported_as_its_weights(few, tmp_path):
    fit(few, "lp++", tmp_path / "c.h5", "--set", "epochs=20", json_path=tmp_path / "c.json")
    run_ok("export", tmp_path / "c.h5", "--out", tmp_path / "c.npz")
    arrays = np.load(tmp_path / "c.npz")
    with h5py.File(few / "test.h5") as file:
        features, labels = file["features"][:].astype(np.float64), file["labels"][:]
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    right = ((features @ arrays["weight"].T + arrays["bias"]).argmax(1) == labels).sum()
    assert abs(right - json.loads((tmp_path / "c.json").read_text())["test"]["top1"]) <= 1
