"""What cannot be estimated is written as such, never as 0, and whatever an experiment writes its report and its nights can read."""
import csv
import json
import re
import shutil

import jsonschema
import numpy as np
import pytest

from conftest import ROOT, run, run_ok, study_arguments
from results_tools import seal, without_images_of
from test_experiment import replaced

T_975 = {2: 12.7062, 3: 4.30265, 10: 2.26216}
SCHEMA = json.loads((ROOT / "docs/results.schema.json").read_text())
ERROR_BAR = re.compile(r"V[\d.-]+M[\d.]+ [\d.-]+h8")


@pytest.fixture(scope="module")
def small(digits, tmp_path_factory):
    """Arguments of a quick experiment and its run folder: further runs keep the features."""
    arguments = study_arguments(digits)
    for name, value in (("--shots", "1"), ("--epochs", "1"), ("--alpha", "1:3:1"), ("--beta", "1:9:4")):
        arguments = replaced(arguments, name, value)
    return [*arguments, "--compare-templates", "none"], tmp_path_factory.mktemp("intervals") / "run"


def experiment(small, seeds, *more, json_path=None):
    arguments, folder = small
    result = run_ok(*replaced(arguments, "--subset-seeds", seeds), *more, "--run", folder, json_path=json_path)
    results = json.loads((folder / "results.json").read_text())
    jsonschema.validate(results, SCHEMA)
    return result, results


def report_of(folder, out):
    run_ok("report", "--run", folder, "--out", out / "report.html", "--quiet")
    with open(out / "report.csv", newline="") as file:
        return (out / "report.html").read_text(), list(csv.DictReader(file))


@pytest.mark.parametrize("seeds, subsets", [("1", 1), ("1:3", 2), ("1:4", 3), ("1:11", 10)])
def test_an_interval_needs_two_subsets(small, tmp_path, seeds, subsets):
    result, results = experiment(small, seeds, json_path=tmp_path / "e.json")
    assert result.json["rows"] == results["rows"]
    table = {line.split()[0]: line for line in result.out.splitlines() if line.startswith(("zero-shot", "Tip-Adapter"))}
    page, cells = report_of(small[1], tmp_path)
    assert len(cells) == len(results["rows"]) == 3
    for row, cell in zip(results["rows"], cells):
        assert cell["method"] == row["method"]
        for top in ("top1", "top5"):
            values, half = row[f"{top}_accuracy"], row[f"{top}_half_width_95"]
            mean = f"{100 * row[f'{top}_mean']:.2f}"
            if row["shots"] == 0 or subsets == 1:
                assert len(values) == 1 and half is None
                shown = f"{mean} ± –"
                assert cell[f"{top}_half_width_95"] == ""
            else:
                assert np.isclose(half, T_975[subsets] * np.std(values, ddof=1) / subsets ** .5, rtol=1e-4)
                shown = f"{mean} ± {100 * half:.2f}"
                assert cell[f"{top}_half_width_95"] == f"{100 * half:.4f}"
            assert shown in table[row["method"]] and f">{shown}<" in page
    bars = len(ERROR_BAR.findall(page))
    assert bars == sum(bool(row[f"{top}_half_width_95"]) for row in results["rows"] for top in ("top1", "top5"))
    assert bars == 0 if subsets == 1 else bars > 0
    run_ok("verify", small[1])


def test_two_subsets_far_apart(small, digits, tmp_path):
    """The half-width of two subsets may be more than 100 %: the report and the nights read it all the same."""
    arguments, folder = small
    cache = ["--alpha", "1000", "--beta", "5"]  # the keys alone decide
    found = run_ok("sweep", "--cache", folder / "train.h5", "--features", folder / "test.h5", "--text", folder / "text.h5",
                   "--tune-on", "test", *cache, "--shots", "1", "--subset-seeds", "1:1001", "--out", tmp_path / "s.h5",
                   "--quiet", json_path=tmp_path / "s.json").json["cells"]
    found.sort(key=lambda cell: cell["test"]["top1"])
    seeds = f"{found[0]['subset_seed']},{found[-1]['subset_seed']}"
    for name, value in (("--alpha", "1000"), ("--beta", "5"), ("--subset-seeds", seeds)):
        arguments = replaced(arguments, name, value)
    nightly = ["nightly", *arguments[1:], "--run", tmp_path / "nights", "--machine", "test", "--time-floor", "60",
               "--prometheus", tmp_path / "c.prom", "--reuse"]
    run_ok(*nightly)
    results = json.loads((tmp_path / "nights/reused/results.json").read_text())
    jsonschema.validate(results, SCHEMA)
    [row] = [row for row in results["rows"] if row["method"] == "Tip-Adapter"]
    assert row["top1_half_width_95"] > 1
    again = run_ok(*nightly, json_path=tmp_path / "n.json")
    assert again.json["status"] == "ok" and again.json["answers_compared_with"] == 1
    page, cells = report_of(tmp_path / "nights/reused", tmp_path)
    assert f"± {100 * row['top1_half_width_95']:.2f}" in page and ERROR_BAR.search(page)
    for text in ((tmp_path / "c.prom").read_text(), (tmp_path / "nights/trend.html").read_text(), page):
        assert not re.search(r"\b(nan|inf|null)\b", text)


def test_results_of_the_first_schema_are_read(study, tmp_path):
    """They had 0 where there is no half-width, and for bins without images."""
    shutil.copytree(study, tmp_path / "run")
    path = tmp_path / "run/results.json"
    results = json.loads(path.read_text())
    now = report_of(tmp_path / "run", tmp_path)
    assert "± –" in now[0]
    empty = 0
    for row in results["rows"]:
        for name in ("top1_half_width_95", "top5_half_width_95"):
            row[name] = 0.0 if row[name] is None else row[name]
    for done in results["evaluations"]:
        for b in done["calibration_bins"]:
            empty += b[0] == 0
            assert (b[0] == 0) == (b[1] is None) == (b[2] is None)
            b[1:] = [b[1] or 0.0, b[2] or 0.0]
    assert empty > 0
    seal(path, dict(results, schema="clipsweep-results-1"))
    assert report_of(tmp_path / "run", tmp_path) == now
    seal(path, dict(results, schema="clipsweep-results-2"))
    assert run("report", "--run", tmp_path / "run", "--out", tmp_path / "r.html").code == 3


@pytest.mark.parametrize("row, half", [(0, 0.01), (-1, None), (-1, -0.01), (-1, "1")])
def test_half_widths_that_cannot_be_are_refused(study, tmp_path, row, half):
    shutil.copytree(study, tmp_path / "run")
    results = json.loads((study / "results.json").read_text())
    results["rows"][row]["top1_half_width_95"] = half
    seal(tmp_path / "run/results.json", results)
    result = run("report", "--run", tmp_path / "run", "--out", tmp_path / "r.html")
    assert result.code == 3 and len(result.errors) == 1 and "results.json" in result.errors[0]


def test_a_sweep_of_one_subset_gives_no_interval(demo, tmp_path):
    inputs = ["--cache", demo / "train.h5", "--features", demo / "test.h5", "--text", demo / "text.h5", "--tune-on",
              demo / "val.h5", "--alpha", "1:3:1", "--beta", "1:9:4", "--quiet"]
    for seeds, shots, subsets in (("1", "1", 1), ("1:4", "64", 1), ("1:4", "1", 3)):
        result = run_ok("sweep", *inputs, "--shots", shots, "--subset-seeds", seeds, "--out", tmp_path / "s.h5", "--fresh",
                        json_path=tmp_path / "s.json")
        [summary] = result.json["summary"]
        assert summary["subsets"] == subsets
        assert (summary["top1_half_width"] is None) == (summary["top5_half_width"] is None) == (subsets == 1)
        assert ("±" in result.out) == (subsets > 1)


def test_classes_without_test_images_have_no_accuracy(small, study, tmp_path):
    """As many classes in every file, but no test image of some."""
    shutil.copytree(study, tmp_path / "run")
    path = tmp_path / "run/results.json"
    results = json.loads(path.read_text())
    assert results["class_samples"][3] > 0
    without_images_of(results, 3)
    seal(path, results)
    page, _ = report_of(tmp_path / "run", tmp_path)
    [line] = [line for line in page.splitlines() if '<td class="n">–</td>' in line]
    assert line.count('<td class="n">–</td>') == 3 and '<td class="n">0</td>' in line
