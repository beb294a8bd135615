"""Where keys, grids and tuning images come from, and what a sweep writes beside sweep.h5."""
import csv
import hashlib
import html.parser
import json
import shutil

import h5py
import numpy as np
import pytest

from conftest import FULL, reseal, run, run_ok

GRID = ["--alpha", "0.5:4:0.5", "--beta", "1:9:0.5"]


def files(demo):
    return ["--cache", demo / "train.h5", "--features", demo / "test.h5", "--text", demo / "text.h5", "--quiet"]


def refused(code, *words, arguments):
    result = run("sweep", *arguments)
    assert result.code == code, (result.code, result.err)
    assert len(result.err.strip().splitlines()) == 1, result.err
    for word in words:
        assert word in result.err, result.err


def read(path):
    with h5py.File(path) as file:
        return {name: file[name][()] for name in file}


def test_a_split_of_the_cache_is_tuned_on_and_labelled(demo, tmp_path):
    base = [*files(demo), *GRID, "--tune-on", "split", "--shots", "2,8"]
    result = run_ok("sweep", *base, "--out", tmp_path / "a.h5", json_path=tmp_path / "a.json")
    with h5py.File(demo / "train.h5") as file:
        per_class = np.bincount(file["labels"][()])
    assert result.json["tuned_on"] == "split" and "(tuned on split)" in result.out
    assert result.json["cells"][0]["tune"]["samples"] == sum(min(8, 4, n // 2) for n in per_class)
    # Another seed holds out other images; the same seed the same.
    run_ok("sweep", *base, "--out", tmp_path / "b.h5", "--seed", 2)
    run_ok("sweep", *base, "--out", tmp_path / "c.h5", np=2)
    a, b, c = (read(tmp_path / f"{name}.h5")["top1"] for name in "abc")
    assert (a != b).any() and (a == c).all()
    refused(3, "--shots", "held out", arguments=[*files(demo), *GRID, "--tune-on", "split", "--shots",
                                                 int(per_class.max()), "--out", tmp_path / "d.h5"])


def test_the_official_grids(demo, tmp_path):
    result = run_ok("sweep", *files(demo), "--grid", "official", "--dataset", "caltech101", "--tune-on", "test", "--out",
                    tmp_path / "o.h5", json_path=tmp_path / "o.json")
    assert result.json["grid_points"] == 4000
    got = read(tmp_path / "o.h5")
    np.testing.assert_allclose(got["beta"], [i * (12 - 0.1) / 200 + 0.1 for i in range(200)], rtol=1e-12)
    np.testing.assert_allclose(got["alpha"], [i * (5 - 0.1) / 20 + 0.1 for i in range(20)], rtol=1e-12)
    base = [*files(demo), "--tune-on", "test", "--out", tmp_path / "p.h5"]
    refused(2, "--dataset", "imagenet", arguments=[*base, "--grid", "official", "--dataset", "mnist"])
    refused(2, "--dataset", arguments=[*base, "--grid", "official"])
    refused(2, "--grid", arguments=[*base, "--grid", "official", "--dataset", "dtd", "--alpha", "1"])
    refused(2, "--alpha", arguments=[*base, "--beta", "1:2:1"])


@pytest.fixture
def listed(demo):
    """Two keys a class by path, in the file's order."""
    with h5py.File(demo / "train.h5") as file:
        labels = file["labels"][()]
        names = [c.decode() for c in file["classes"][()]]
        paths = [p.decode() for p in file["paths"][()]]
    rows = {name: [int(r) for r in np.flatnonzero(labels == c)[[3, 1]]] for c, name in enumerate(names)}
    return rows, paths


def test_subset_files_name_the_keys(demo, listed, tmp_path):
    rows, paths = listed
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    (tmp_path / "paths.json").write_text(json.dumps({c: [paths[r] for r in rs] for c, rs in rows.items()}))
    (tmp_path / "list.tsv").write_text("# class, image\n" + "".join(
        f"{c}\t{paths[r]}\n" for c, rs in rows.items() for r in rs))
    base = [*files(demo), *GRID, "--tune-on", demo / "val.h5", "--shots", "1,2"]
    counts = {}
    for name in ("rows.json", "paths.json", "list.tsv"):
        run_ok("sweep", *base, "--subset-file", tmp_path / name, "--out", tmp_path / f"{name}.h5")
        counts[name] = read(tmp_path / f"{name}.h5")["top1"]
    assert (counts["rows.json"] == counts["paths.json"]).all() and (counts["rows.json"] == counts["list.tsv"]).all()
    # Two files are two subsets, summarised together; a cache of only these keys gives the same counts.
    other = {c: rs[::-1] for c, rs in rows.items()}
    (tmp_path / "other.json").write_text(json.dumps(other))
    result = run_ok("sweep", *base, "--subset-file", tmp_path / "rows.json", "--subset-file", tmp_path / "other.json",
                    "--out", tmp_path / "two.h5", json_path=tmp_path / "two.json")
    both = read(tmp_path / "two.h5")["top1"]
    assert (both[:, :1] == counts["rows.json"]).all()
    assert (both[1, 0] == both[1, 1]).all() and (both[0, 0] != both[0, 1]).any()
    assert [row["subsets"] for row in result.json["summary"]] == [2, 2]


def test_wrong_subset_files_are_refused(demo, listed, tmp_path):
    rows, paths = listed
    first, second = list(rows)[:2]

    def file_fails(*words, text=None, suffix=".json", **changes):
        path = tmp_path / f"bad{suffix}"
        path.write_text(text if text is not None else json.dumps({**rows, **changes}))
        refused(3, f"bad{suffix}", *words, arguments=[*files(demo), *GRID, "--tune-on", demo / "val.h5", "--subset-file",
                                                     path, "--out", tmp_path / "s.h5"])

    file_fails("no class", **{"no such class": [0]})
    file_fails("is no image", **{first: ["nowhere.png"]})
    file_fails("its class is", **{first: rows[second]})
    file_fails("stands twice", **{first: rows[first][:1] * 2})
    file_fails("not in 0..", **{first: [10**9]})
    file_fails("lists no image", **{first: []})
    file_fails("neither a path nor a row", **{first: [1.5]})
    file_fails("JSON object", text="[1, 2")
    file_fails("line 1", text="no tab here\n", suffix=".tsv")
    refused(2, "--subset-file", "split", arguments=[*files(demo), *GRID, "--tune-on", "split", "--subset-file",
                                                    tmp_path / "bad.json", "--out", tmp_path / "s.h5"])


class Rects(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.titles, self.best, self.plateau, self.inside = [], 0, 0, False

    def handle_starttag(self, tag, attrs):
        self.inside = tag == "title"
        self.best += dict(attrs).get("class") == "best"
        self.plateau += dict(attrs).get("class") == "plateau"

    def handle_data(self, data):
        if self.inside and data.startswith("alpha"):
            self.titles.append(data)
        self.inside = False


def test_csv_and_heat_map_hold_the_counts(demo, tmp_path):
    base = [*files(demo), *GRID, "--tune-on", demo / "val.h5", "--shots", "1,4", "--subset-seeds", "1:4", "--out",
            tmp_path / "s.h5", "--csv", tmp_path / "s.csv", "--html", tmp_path / "s.html"]
    run_ok("sweep", *base)
    got = read(tmp_path / "s.h5")
    with open(tmp_path / "s.csv") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == got["top1"].size
    assert [int(line["top1"]) for line in lines] == got["top1"].ravel().tolist()
    assert [int(line["top5"]) for line in lines] == got["top5"].ravel().tolist()
    assert {line["tuned_on"] for line in lines} == {"val"}
    rects = Rects()
    rects.feed((tmp_path / "s.html").read_text())
    assert len(rects.titles) == 2 * 7 * 16 and rects.best == 2 and rects.plateau >= 1
    mean = got["top1"].mean(axis=1) / int(lines[0]["samples"])
    assert f"{100 * mean[0, 0, 0]:.2f} %" in rects.titles[0]
    # They come back from an output that is up to date.
    (tmp_path / "s.csv").unlink()
    assert "up to date" in run_ok("sweep", *base).out
    assert (tmp_path / "s.csv").exists()
    refused(2, "is written by", arguments=[*base[:-1], tmp_path / "s.csv"])


def test_the_exact_alpha_is_in_the_file(demo, tmp_path):
    result = run_ok("sweep", *files(demo), "--alpha", "0:6:1.5", "--beta", "1:9:0.5", "--tune-on", "test", "--out",
                    tmp_path / "s.h5", json_path=tmp_path / "s.json", np=2)
    got = read(tmp_path / "s.h5")
    assert (got["exact_top1"] >= got["top1"].max(axis=-1)).all()
    exact = result.json["cells"][0]["exact"]
    assert exact["tune_top1"] == got["exact_top1"].max()
    middle = (exact["alpha_low"] + exact["alpha_high"]) / 2
    there = run_ok("tip", *files(demo), "--alpha", middle, "--beta", exact["beta"], json_path=tmp_path / "t.json")
    assert there.json["test"]["top1"] == exact["tune_top1"]


@pytest.mark.parametrize("tune_on", ["split", "val.h5"])
def test_every_partition_and_rank_count_gives_the_same_file(demo, tmp_path, tune_on):
    tune = demo / tune_on if tune_on.endswith(".h5") else tune_on
    hashes = set()
    for partition in ("samples", "grid", "classes"):
        for np_ in (0, 2, 3, 4):
            out = tmp_path / f"{partition}{np_}.h5"
            run_ok("sweep", *files(demo), *GRID, "--tune-on", tune, "--shots", "1,2,8", "--subset-seeds", "1,2",
                   "--partition", partition, "--out", out, np=np_)
            hashes.add(hashlib.sha256(out.read_bytes()).hexdigest())
    assert len(hashes) == 1


@pytest.mark.parametrize("options", [[], ["--partition", "classes", "np2"]])
def test_bad_input_gets_one_line(demo, tmp_path, options):
    np_ = 2 if "np2" in options else 0
    options = [option for option in options if option != "np2"]
    good = {name: demo / f"{name}.h5" for name in ("train", "test", "text", "val")}
    spoiled = tmp_path / "spoiled.h5"
    calls = []

    def fails(code, *words, grid=GRID, change=None, what="train"):
        paths = dict(good)
        if change is not None:
            shutil.copy(good[what], spoiled)
            reseal(spoiled, change)
            paths[what] = spoiled
        calls.append(words)
        ranks = np_ if FULL or len(calls) % 4 == 0 else 0
        result = run("sweep", "--cache", paths["train"], "--features", paths["test"], "--text", paths["text"],
                     "--tune-on", paths["val"], *grid, "--out", tmp_path / "s.h5", "--quiet", *options, np=ranks)
        assert result.code == code, (words, result.err)
        lines = result.errors
        assert len(lines) == 1, result.err
        for word in words:
            assert word in lines[0], result.err

    def put(name, index, value):
        def change(file):
            file[name][index] = value
        return change

    def without_class(file):  # its images become another class's
        labels = file["labels"][()]
        file["labels"][()] = np.where(labels == 4, 5, labels)

    def names(*words):
        def change(file):
            kind = file["classes"].dtype
            del file["classes"]
            file.create_dataset("classes", data=np.array(words, dtype=kind))
        return change

    def narrow(file):
        features = file["features"][:, :-1]
        del file["features"]
        file.create_dataset("features", data=features)
        content = features.astype("<f4").tobytes() + file["labels"][()].tobytes()
        file.attrs["content_sha256"] = np.bytes_(hashlib.sha256(content).hexdigest())

    digits = [str(d) for d in range(10)]
    for what in ("train", "test", "val"):
        fails(3, "spoiled.h5", "row 7", "not finite", change=put("features", (7, 3), np.nan), what=what)
        fails(3, "spoiled.h5", "row 7", "zero", change=put("features", 7, 0), what=what)
        fails(3, "spoiled.h5", "label 10", "outside", change=put("labels", 7, 10), what=what)
        fails(3, "spoiled.h5", "label -1", "outside", change=put("labels", 7, -1), what=what)
    fails(3, "spoiled.h5", "'4'", change=without_class)
    fails(3, "spoiled.h5", "wide", change=narrow, what="test")
    fails(3, "spoiled.h5", "'X'", "--classnames", change=names(*digits[:4], "X", *digits[5:]), what="test")
    fails(3, "spoiled.h5", "'4'", change=names(*digits[:4], "X", *digits[5:]), what="text")  # found by name, not place
    fails(3, "--beta", "step", grid=["--alpha", "1:2:0.1", "--beta", "1:2:0"])
    fails(3, "--alpha", "backwards", grid=["--alpha", "3:2:0.1", "--beta", "1:2:0.5"])
    fails(3, "1e+09", grid=["--alpha", "0:1:0.00003", "--beta", "0:1:0.00003"])
    assert not (tmp_path / "s.h5").exists()
