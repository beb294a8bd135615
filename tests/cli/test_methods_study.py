"""experiment --methods and --leak: stages, rows, page, results that fit one another, on any number of ranks and after changes."""
import json
import re

import pytest

from conftest import run, run_ok
from test_fit import write

METHODS = "gda,lp++,ape"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = write(tmp_path_factory.mktemp("stored"), classes=12, per_class=lambda c: 4)
    (made / "cache.h5").rename(made / "train.h5")
    return made


def study(folder, run_folder, *more, **options):
    return run_ok("experiment", "--features-from", folder, "--shots", "1,3", "--subset-seeds", "1:3", "--epochs", 2, "--alpha",
                  "0:5:1", "--beta", "1:8:1", "--run", run_folder, "--quiet", *more, **options)


@pytest.fixture(scope="module")
def leaky(folder, tmp_path_factory):
    run_folder = tmp_path_factory.mktemp("leak") / "run"
    study(folder, run_folder, "--methods", METHODS, "--leak")
    return run_folder


def results_of(run_folder):
    return json.loads((run_folder / "results.json").read_text())


def test_every_method_has_rows_fits_and_evaluations(leaky):
    results = results_of(leaky)
    assert results["config"]["methods"] == ["gda", "ape", "lp++"]  # as the table has them
    for title in ("GDA", "APE", "LP++"):
        assert [row["shots"] for row in results["rows"] if row["method"] == title] == [1, 3]
        assert [done["shots"] for done in results["evaluations"] if done["method"] == title] == [1, 3]
    chosen = {(fit["method"], fit["chosen_on"]) for fit in results["fits"]}
    assert chosen == {(name, on) for name in ("gda", "ape", "lp++", "tip-adapter", "tip-adapter-f") for on in ("val", "test")}
    assert all(fit["tuned"] or fit["epoch"] for fit in results["fits"])
    run_ok("verify", leaky)


def test_the_table_and_the_page_show_the_leak(leaky, tmp_path):
    table = (leaky / "table.txt").read_text()
    leak = {(match[1].strip(), match[2]): float(match[3]) for match in re.finditer(r"^(.{18}) +(\d+) .* ([+-]\d+\.\d\d)$", table, re.M)}
    assert set(leak) == {(title, shots) for title in ("GDA", "APE", "LP++", "Tip-Adapter", "Tip-Adapter-F") for shots in "13"}
    # Where images choose among the same things by the same rule, those that are measured cannot choose worse ones.
    assert all(value >= 0 for (title, _), value in leak.items() if title in ("GDA", "APE", "Tip-Adapter"))
    run_ok("report", "--run", leaky, "--out", tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert '<section id="methods">' in page and "The leak" in page and "seconds a fit" in page and "arXiv 2402.04087" in page


def test_the_same_results_on_ranks_and_kept_when_run_again(folder, leaky, tmp_path):
    run_folder = tmp_path / "run"
    study(folder, run_folder, "--methods", METHODS, "--leak", np=3)
    assert (run_folder / "results.json").read_bytes() == (leaky / "results.json").read_bytes()
    again = study(folder, run_folder, "--methods", METHODS, "--leak", json_path=tmp_path / "j.json")
    assert all(stage["reused"] for stage in again.json["stages"].values())
    assert (run_folder / "results.json").read_bytes() == (leaky / "results.json").read_bytes()


def test_methods_come_and_go_and_the_rest_is_kept(folder, tmp_path):
    run_folder = tmp_path / "run"
    study(folder, run_folder)
    plain = results_of(run_folder)
    assert "fits" not in plain and "methods" not in plain["config"]
    more = study(folder, run_folder, "--methods", "gda", json_path=tmp_path / "j.json")
    made = {name for name, stage in more.json["stages"].items() if not stage["reused"]}
    assert made and all(name.startswith(("fit gda", "evaluate gda")) for name in made)
    assert [row for row in results_of(run_folder)["rows"] if row["method"] != "GDA"] == plain["rows"]
    study(folder, run_folder)
    assert results_of(run_folder) == plain


def test_all_and_unknown_methods(folder, tmp_path):
    result = run("experiment", "--features-from", folder, "--run", tmp_path / "run", "--methods", "gda,lp+")
    assert result.code == 2 and len(result.errors) == 1 and "did you mean 'lp++'" in result.errors[0]
    wrong = run("experiment", "--features-from", folder, "--run", tmp_path / "run", "--leak", "--tune", "test")
    assert wrong.code == 2 and "--leak" in wrong.err
    plan = run_ok("experiment", "--features-from", folder, "--shots", "1", "--subset-seeds", "1", "--methods", "all", "--run",
                  tmp_path / "run", "--plan", json_path=tmp_path / "p.json")
    fits = [stage["stage"] for stage in plan.json["plan"] if stage["stage"].startswith("fit ")]
    assert len(fits) == 10 and not (tmp_path / "run").exists()


@pytest.mark.parametrize("change, expected", [
    (lambda r: r["fits"][0].update(shots=2), "shots"),
    (lambda r: r["fits"][0]["counts"].update(top1=r["fits"][0]["counts"]["top1"] + 1), "fits"),
    (lambda r: r["fits"][0].update(chosen_on="train"), "chosen_on"),
    (lambda r: r["fits"].clear(), ""),
    (lambda r: r["config"].update(methods=["gda"]), ""),
])
def test_results_that_do_not_fit_one_another_are_refused(leaky, tmp_path, change, expected):
    from results_tools import seal
    results = results_of(leaky)
    change(results)
    seal(tmp_path / "results.json", results)
    refused = run("verify", tmp_path / "results.json")
    assert refused.code == 3 and expected in refused.err, refused.err


def test_a_night_with_methods(folder, tmp_path):
    words = ["nightly", "--features-from", folder, "--shots", "1", "--subset-seeds", "1", "--epochs", 1, "--alpha", "0:5:1", "--beta",
             "1:8:1", "--methods", "gda", "--run", tmp_path / "nights", "--quiet"]
    run_ok(*words)
    run_ok(*words)
