"""New images classified with a trained adapter."""
import csv
import shutil

import h5py
import pytest

from conftest import DEMO_MODEL, run, run_ok


@pytest.fixture(scope="module")
def adapter(demo, tmp_path_factory):
    out = tmp_path_factory.mktemp("adapter") / "a.h5"
    run_ok("finetune", "--cache", demo / "train.h5", "--features", demo / "test.h5", "--text", demo / "text.h5", "--alpha", 12,
           "--beta", 9, "--shots", 16, "--learn", "keys,alpha,text", "--out", out)
    return out


def predict(adapter, *images, np=0, **options):
    return run_ok("predict", "--adapter", adapter, "--model", DEMO_MODEL, "--images", *images, "--quiet", np=np, **options)


@pytest.mark.parametrize("np_", [0, 3])
def test_the_test_images_come_out_as_they_were_counted(digits, adapter, tmp_path, np_):
    result = predict(adapter, digits / "test", "--csv", tmp_path / "p.csv", np=np_, json_path=tmp_path / "p.json")
    with h5py.File(adapter) as file:
        samples, top1, top5 = (file.attrs[name] for name in ("test_samples", "test_top1", "test_top5"))
    rows = result.json["predictions"]
    of = [row["path"].split("/")[-2] for row in rows]
    assert len(rows) == samples == len(result.out.splitlines())
    assert sum(row["top"][0]["class"] == name for row, name in zip(rows, of)) == top1
    assert sum(name in [entry["class"] for entry in row["top"]] for row, name in zip(rows, of)) == top5
    for row in rows:
        p = [entry["probability"] for entry in row["top"]]
        assert len(p) == 5 and p == sorted(p, reverse=True) and 0 < sum(p) <= 1 + 1e-9
    with open(tmp_path / "p.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert len(table) == 5 * samples and table[0]["class"] == rows[0]["top"][0]["class"] and table[4]["rank"] == "5"


def test_any_number_of_ranks_says_the_same(digits, adapter, tmp_path):
    answers = {predict(adapter, digits / "test", np=np_).out for np_ in (0, 2, 4)}
    assert len(answers) == 1


def test_single_files_all_classes_and_bad_images(digits, adapter, tmp_path):
    picture = next((digits / "test/3").iterdir())
    result = predict(adapter, picture, "--top", 100, json_path=tmp_path / "p.json")
    top = result.json["predictions"][0]["top"]
    assert len(top) == 10 and abs(sum(entry["probability"] for entry in top) - 1) < 1e-9
    shutil.copy(picture, tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nnonsense")
    fails = run("predict", "--adapter", adapter, "--model", DEMO_MODEL, "--images", tmp_path)
    assert fails.code == 3 and "bad.png" in fails.err
    for np_ in (0, 2):
        result = predict(adapter, tmp_path, "--on-bad-image", "skip", np=np_, json_path=tmp_path / "s.json")
        assert len(result.json["predictions"]) == 1 and "bad.png" in result.json["skipped"][0]["path"]
        assert "bad.png: left out" in result.out


def test_wrong_input(digits, adapter, demo, tmp_path):
    arguments = ["predict", "--adapter", adapter, "--model", DEMO_MODEL, "--images"]
    (tmp_path / "empty").mkdir()
    for images, word in ((tmp_path / "none.png", "none.png"), (tmp_path / "empty", "no picture")):
        result = run(*arguments, images)
        assert result.code == 3 and word in result.err, result.err
    result = run(*arguments, digits / "test", "--top", 0)
    assert result.code == 2 and "--top" in result.err
    result = run("predict", "--adapter", demo / "text.h5", "--model", DEMO_MODEL, "--images", digits / "test")
    assert result.code == 3 and "text.h5" in result.err
    other = tmp_path / "other.safetensors"  # the same network with one value changed
    from safetensors.torch import load_file, save_file
    state = load_file(DEMO_MODEL)
    state["text_projection"][0, 0] += 1
    save_file(state, other)
    result = run("predict", "--adapter", adapter, "--model", other, "--images", digits / "test")
    assert result.code == 3 and "another model" in result.err


def test_stored_features_give_what_their_pictures_give(digits, adapter, demo, tmp_path):
    """And a picture whose likeliest class is too unlikely is marked."""
    words = ["predict", "--classifier", adapter, "--reject-below", 0.9]
    images = run_ok(*words, "--model", DEMO_MODEL, "--images", digits / "test", json_path=tmp_path / "i.json").json
    stored = run_ok(*words, "--features", demo / "test.h5", np=2, json_path=tmp_path / "f.json").json
    of = {entry["path"].split("/test/")[1]: entry for entry in images["predictions"]}
    assert len(of) == len(stored["predictions"])
    for entry in stored["predictions"]:
        other = of[entry["path"]]
        assert [one["class"] for one in entry["top"][:1]] == [one["class"] for one in other["top"][:1]]
        assert entry["rejected"] == (entry["top"][0]["probability"] < 0.9)
    assert stored["rejected"] == sum(entry["rejected"] for entry in stored["predictions"]) > 0
    for wrong, word in (([], "--model, --images, --features"), (["--features", demo / "test.h5", "--model", DEMO_MODEL], "--features"),
                        (["--features", demo / "test.h5", "--adapter", adapter], "--adapter")):
        refused = run(*words, *wrong)
        assert refused.code == 2 and word in refused.err and len(refused.errors) == 1
