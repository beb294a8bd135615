"""The report: opened in a headless browser, inert whatever names are in it, small, and refused when its numbers were touched."""
import csv
import hashlib
import html
import html.parser
import io
import json
import re
import shutil
import subprocess

import h5py
import numpy as np
import pytest

import import_tip_adapter as importer
import results_tools as made_up
from conftest import DEMO_MODEL, reseal, run, run_ok, study_arguments
from results_tools import seal

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SECTIONS = ["table", "shots", "prompts", "grid", "training", "classes", "confusion", "calibration", "gallery", "map",
            "time", "provenance"]


def open_in_browser(page, tmp_path, *options):
    """Its document after loading and what the console said."""
    if BROWSER is None:
        pytest.skip("no Chromium here: the page is not looked at in a browser")
    done = subprocess.run([BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0",
                           f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=2000", *options, "--dump-dom",
                           f"file://{page}"], capture_output=True, text=True, timeout=120)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.fixture(scope="module")
def report(study, tmp_path_factory):
    out = tmp_path_factory.mktemp("report") / "report.html"
    result = run_ok("report", "--run", study, "--out", out)
    assert str(out) in result.out and "tuned on val" in result.out
    return out


def test_it_loads_in_a_browser_without_a_complaint(report, tmp_path):
    document, console = open_in_browser(report, tmp_path)
    assert console == []
    assert [s for s in SECTIONS if f'<section id="{s}">' not in document] == []
    assert document.count("<svg") > 30 and document.count("<img") > 0


def test_it_needs_no_network_and_runs_no_script(report):
    page = report.read_text()
    assert "default-src 'none'" in page and "<script" not in page and "javascript:" not in page
    assert not re.search(r"(src|href)=\"(?!data:|#)", page) and "url(" not in page and "@import" not in page
    assert "prefers-color-scheme: dark" in page and "@media print" in page and "width=device-width" in page


def test_every_chart_has_a_title_axes_and_units(report):
    charts = re.findall(r"<svg class=\"chart\".*?</svg>", report.read_text(), re.S)
    lines = [c for c in charts if "class=\"title\"" in c]
    assert len(lines) >= 7
    for chart in lines:
        assert "aria-label=" in chart
        assert len(re.findall(r"class=\"across label\"", chart)) >= (1 if "gain over" in chart else 2)


def test_the_table_is_that_of_the_results(report, study):
    results = json.loads((study / "results.json").read_text())
    rows = list(csv.DictReader(io.StringIO(report.with_suffix(".csv").read_text())))
    assert len(rows) == len(results["rows"])
    for row, result in zip(rows, results["rows"]):
        assert (row["method"], int(row["shots"])) == (result["method"], result["shots"])
        assert abs(float(row["top1_mean"]) - 100 * result["top1_mean"]) < 1e-4 and row["published"] == ""
    best = max(results["rows"], key=lambda r: r["top1_mean"])
    assert f"{100 * best['top1_mean']:.2f} ± {100 * best['top1_half_width_95']:.2f}" in report.read_text()


def test_what_was_tuned_on_test_says_so(digits, tmp_path):
    arguments = study_arguments(digits)
    run_ok(*arguments, "--tune", "test", "--run", tmp_path / "run")
    run_ok("report", "--run", tmp_path / "run", "--out", tmp_path / "r.html")
    assert (tmp_path / "r.html").read_text().count("tuned on test") >= 6
    rows = list(csv.DictReader(io.StringIO((tmp_path / "r.csv").read_text())))
    assert {r["tuned_on"] for r in rows if r["method"] != "zero-shot"} == {"test"}


class Elements(html.parser.HTMLParser):
    """The names of all elements and of all their attributes."""

    def __init__(self):
        super().__init__()
        self.names, self.attributes = set(), set()

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}


NAMES = ["<script>alert(1)</script>", "\" onload=\"alert(2)", "'single', with comma", "=1+1", "\u202egnp.exe\u202c", "a\u200fb\u2067c",
         "&amp; &lt;b&gt;", "]]><svg onload=alert(3)>", "line\u2028separator", "\x1b[31mred"]


def test_hostile_names_are_inert(digits, tmp_path):
    folders = [n.replace("/", "_") for n in NAMES]
    for split in ("train", "val", "test"):
        for digit, folder in enumerate(folders):
            target = tmp_path / split / folder
            target.mkdir(parents=True)
            for picture in sorted((digits / split / str(digit)).glob("*.png"))[:8]:
                shutil.copy(picture, target / f"{folder[:9]}{picture.name}")
    names = tmp_path / "names.json"
    names.write_text(json.dumps(dict(zip(folders, NAMES))))
    arguments = study_arguments(digits)
    for option, value in (("--train", tmp_path / "train"), ("--val", tmp_path / "val"), ("--test", tmp_path / "test"),
                          ("--classnames", names), ("--title", NAMES[0])):
        arguments[arguments.index(option) + 1] = value
    told = run_ok(*arguments, "--run", tmp_path / "run")
    run_ok("report", "--run", tmp_path / "run", "--out", tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    document, console = open_in_browser(tmp_path / "r.html", tmp_path)
    assert console == []
    for text in (page, document):
        elements = Elements()
        elements.feed(text)
        assert "script" not in elements.names and not any(a.startswith("on") for a in elements.attributes)
        assert not set("\u202e\u202c\u200f\u2067\x1b") & set(text)
    assert html.escape(NAMES[0]) in page  # shown as it is
    cells = (tmp_path / "r.csv").read_text()
    assert "\x1b" not in told.out + told.err and "\u202e" not in cells
    for name in ("train", "val", "test"):
        shutil.rmtree(tmp_path / name / folders[4])
    told = run(*arguments, "--run", tmp_path / "run2")
    assert told.code == 3 and "\u202e" not in told.err and "\\xe2\\x80\\xae" in told.err
    # The sweep's own page and table, and the similarity page, stand on the same functions.
    run_ok("similarity", "--model", DEMO_MODEL, "--images", *sorted((tmp_path / "test" / folders[3]).glob("*"))[:2],
           "--texts", names_as_lines(tmp_path), "--csv", tmp_path / "s.csv", "--out", tmp_path / "s.html")
    _, console = open_in_browser(tmp_path / "s.html", tmp_path)
    assert console == []
    for row in csv.reader(io.StringIO((tmp_path / "s.csv").read_text())):
        assert not row[0].startswith(("=", "+", "-", "@"))


def names_as_lines(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("".join(n.replace("\u2028", " ").replace("\x1b", "") + "\n" for n in NAMES))
    return path


def refused(out, folder, *words):
    result = run("report", "--run", folder, "--out", out)
    assert result.code == 3 and len(result.errors) == 1, result.err
    for word in words:
        assert word in result.errors[0], result.errors[0]
    assert not out.exists()


def set_in(*path_and_value):
    *path, last, value = path_and_value

    def change(results):
        for step in path:
            results = results[step]
        results[last] = value
    return change


HOSTILE = [
    (set_in("class_names", ["one"]), "class_names"),
    (set_in("class_samples", [1] * 11), "class_samples"),
    (set_in("evaluations", 0, "class_top1", [1] * 100000), "class_top1"),
    (set_in("evaluations", 0, "class_top1", [-1] * 10), "no count"),
    (set_in("evaluations", 0, "confusions", [[0, 10, 1]]), "confusions"),
    (set_in("evaluations", 0, "ece", 1e300), "fraction"),
    (set_in("rows", 0, "top1_mean", 1e15), "fraction"),
    (set_in("config", "shots", [0]), "shots"),
    (set_in("class_folders", []), "class_folders"),
    (lambda results: results["files"].update({"../x.h5": {"sha256": "", "made_from": {}}})
     or results["evaluations"][0].update(file="../x.h5"), "outside the run folder"),
]


def test_what_was_touched_is_refused(study, tmp_path):
    folder, out = tmp_path / "run", tmp_path / "r.html"
    shutil.copytree(study, folder)
    results = folder / "results.json"
    whole = results.read_text()
    top1 = re.search(r"\"top1\": (\d+)", whole)
    results.write_text(whole[:top1.start(1)] + str(int(top1[1]) + 1) + whole[top1.end(1):])
    refused(out, folder, "results.json", "was changed after it was written")
    results.write_text(whole.replace("clipsweep-results-2", "clipsweep-results-3"))
    refused(out, folder, "results.json", "clipsweep-results-3", "clipsweep-results-2")
    results.write_text(whole[:5000])
    refused(out, folder, "results.json", "JSON")
    broken = json.loads(whole)
    broken["rows"] = "none"
    seal(results, broken)
    refused(out, folder, "results.json", "schema")
    # A seal can be made by anybody: numbers that do not fit one another are refused.
    for change, word in HOSTILE:
        broken = json.loads(whole)
        change(broken)
        seal(results, broken)
        refused(out, folder, "results.json", word)
    results.write_text('{"schema":' + "[" * 200_000 + "]" * 200_000 + "}")
    refused(out, folder, "results.json", "64 levels")
    results.write_text(whole)
    run_json = (folder / "run.json").read_text()
    (folder / "run.json").write_text(run_json.replace('"stages": {', '"stages": 5, "x": {'))
    told = run_ok("report", "--run", folder, "--out", out)  # no number stands on it
    assert "run.json: was changed" in told.err and "times are left out" in told.err
    out.unlink()
    seal(folder / "run.json", dict(json.loads(run_json), stages=5))
    refused(out, folder, "run.json", "schema")
    (folder / "run.json").write_text(run_json)
    sweep = (folder / "sweep.h5").read_bytes()
    (folder / "sweep.h5").write_bytes(sweep[:-1] + bytes([sweep[-1] ^ 1]))
    refused(out, folder, "sweep.h5", "damaged")
    shutil.copy(folder / "text.h5", folder / "sweep.h5")
    refused(out, folder, "sweep.h5", "results.json")
    (folder / "sweep.h5").unlink()
    assert run_ok("report", "--run", folder, "--out", out, json_path=tmp_path / "r.json").json["absent"] == ["sweep.h5"]
    assert "not shown: sweep.h5" in out.read_text()
    out.unlink()
    refused(out, tmp_path, "results.json", "run an experiment")
    refused(out, tmp_path / "none", "is not a folder")
    assert run("report", "--run", study, "--out", tmp_path / "r.csv").code == 2
    for name in ("results.json", "run.json", "sweep.h5"):  # its own numbers
        before = (folder / name).read_bytes() if (folder / name).exists() else None
        told = run("report", "--run", folder, "--out", folder / "." / name)
        assert (told.code == 2 and name in told.errors[0]) == (before is not None)
        assert before is None or (folder / name).read_bytes() == before
    assert run("report", "--run", study, "--out", out, "--images", tmp_path / "none").code == 3


def large_run(folder, classes=1000, shots=(1, 2, 4, 8, 16, 32), seeds=10, samples=5000, width=64):
    """A run folder as an experiment of this size leaves it: features are random, numbers are made up but sealed."""
    rng = np.random.default_rng(1)
    folder.mkdir()
    names = [f"class number {c}, a rather long name as ImageNet has them" for c in range(classes)]
    folders = [f"n{c:08d}" for c in range(classes)]
    folders[0] = "n01440764"
    centres = rng.normal(size=(classes, width)).astype(np.float32)
    labels = np.sort(np.arange(samples) % classes)
    for name, rows in (("train", np.sort(np.arange(classes * 32) % classes)), ("val", labels), ("test", labels)):
        importer.write_features(folder / f"{name}.h5", centres[rows] + rng.normal(size=(len(rows), width)).astype(np.float32) * 2,
                                rows, folders, name, {})
    importer.write_text(folder / "text.h5", centres + rng.normal(size=centres.shape).astype(np.float32), names, folders, {})
    inputs = ["--cache", folder / "train.h5", "--features", folder / "test.h5", "--text", folder / "text.h5", "--quiet"]
    run_ok("sweep", *inputs, "--tune-on", folder / "val.h5", "--alpha", "0.1:4:0.05", "--beta", "1:7:0.2", "--shots",
           ",".join(map(str, shots)), "--subset-seeds", f"1:{seeds + 1}", "--out", folder / "sweep.h5")
    run_ok("finetune", *inputs, "--sweep", folder / "sweep.h5", "--shots", 1, "--epochs", 2, "--out",
           folder / "adapter-1shot-seed1.h5")

    methods = [("zero-shot", "imagenet-1", 0), ("zero-shot", "imagenet-7", 0), ("zero-shot", "imagenet-80", 0)]
    methods += [(m, "imagenet-1", s) for s in shots for m in ("Tip-Adapter", "Tip-Adapter-F")]
    files = {p.name: {"format": "", "sha256": hashlib.sha256(p.read_bytes()[512:]).hexdigest(), "made_from": {}}
             for p in folder.glob("*.h5")}
    each = samples // classes
    results = {
        "schema": "clipsweep-results-2", "sha256": "", "program_version": "0.1.0", "title": "ImageNet", "tuned_on": "val",
        "config": {"templates": "imagenet-1", "shots": list(shots), "subset_seeds": list(range(1, seeds + 1)), "alpha": "0.1:4:0.05",
                   "beta": "1:7:0.2", "views": 1, "epochs": 2, "batch": 256, "lr": 0.001, "seed": 1},
        "classes": classes, "class_names": names, "class_folders": folders, "class_samples": [each] * classes, "most_keys": 32,
        "cells": [{"shots": s, "subset_seed": r, "alpha": 1.0, "beta": 5.0, "tip_adapter_f_epoch": 1,
                   **{key: made_up.counts(samples, int(rng.integers(samples // 2, samples * 7 // 10)), samples)
                      for key in ("tip_adapter", "tip_adapter_f")}} for s in shots for r in range(1, seeds + 1)],
        "evaluations": [made_up.evaluation(*m, [each] * classes, rng.integers(0, each + 1, size=classes).tolist()) for m in methods],
        "skipped_images": {}, "files": files}
    results |= {"rows": made_up.rows(results), "test": results["evaluations"][-1]["counts"]}
    seal(folder / "results.json", results)


def test_pictures_stay_below_their_folder(study, tmp_path):
    """A file of features that names a picture elsewhere does not get it into the page."""
    folder = tmp_path / "run"
    shutil.copytree(study, folder)
    whole = (folder / "results.json").read_text()
    secret = tmp_path / "secret.png"
    shutil.copy(next(p for p in study.parents[1].rglob("test/*/*.png")), secret)
    for name in (str(secret), "../secret.png"):
        with h5py.File(study / "test.h5") as file:
            count = len(file["paths"])

        def change(file, name=name):
            del file["paths"]
            file["paths"] = np.array([name.encode()] * count)
        shutil.copy(study / "test.h5", folder / "test.h5")
        reseal(folder / "test.h5", change)
        results = json.loads(whole)
        results["files"]["test.h5"]["sha256"] = (folder / "test.h5").read_bytes()[17:81].decode()
        seal(folder / "results.json", results)
        (tmp_path / "images").mkdir(exist_ok=True)
        run_ok("report", "--run", folder, "--out", tmp_path / "r.html", "--images", tmp_path / "images")
        page = (tmp_path / "r.html").read_text()
        assert "no picture" in page and "data:image" not in page


def test_a_thousand_classes_fit_into_five_megabytes(tmp_path):
    large_run(tmp_path / "run")
    result = run_ok("report", "--run", tmp_path / "run", "--out", tmp_path / "r.html", json_path=tmp_path / "r.json")
    assert result.json["bytes"] == (tmp_path / "r.html").stat().st_size < 5_000_000
    print(f"1000 classes, 5 methods, 6 shot counts, 10 seeds: {result.json['bytes']} bytes in {result.json['seconds']:.2f} s")
    page = (tmp_path / "r.html").read_text()
    # ImageNet's folders: published figures stand beside.
    for figure in ("60.32", "58.11", "62.01", "60.41", "65.51", "63.64"):
        assert figure in page
    document, console = open_in_browser(tmp_path / "r.html", tmp_path)
    assert console == [] and document.count("<section") >= 9
