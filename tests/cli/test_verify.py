"""verify names the damaged part of every kind of file, and --repair computes only what is damaged in an extraction."""
import json
import os
import random
import shutil

import h5py
import numpy as np
import pytest

from conftest import DEMO_MODEL, reseal, run, run_ok


@pytest.fixture(scope="module")
def files(digits, demo, tmp_path_factory):
    """One file of each kind."""
    out = tmp_path_factory.mktemp("kinds")
    shutil.copy(demo / "train.h5", out / "features.h5")
    shutil.copy(demo / "text.h5", out / "text.h5")
    inputs = ["--cache", demo / "train.h5", "--features", demo / "test.h5", "--text", demo / "text.h5", "--quiet"]
    run_ok("sweep", *inputs, "--tune-on", demo / "val.h5", "--alpha", "1:2:0.1", "--beta", "1:4:1", "--shots", "1,4",
           "--out", out / "sweep.h5")
    run_ok("finetune", *inputs, "--alpha", "1", "--beta", "5", "--epochs", "2", "--out", out / "adapter.h5")
    return out


def refused(path, *words):
    result = run("verify", path)
    assert result.code == 3 and len(result.errors) == 1, result.err
    for word in (str(path), *words):
        assert word in result.errors[0], result.errors[0]


def test_a_folder_of_whole_files(files):
    result = run_ok("verify", files)
    assert result.out.count(": whole (clipsweep-") == 4
    assert run("verify", files, np=2).out == result.out


def test_json_lists_damaged_files_too(files, tmp_path):
    for name in ("features", "text"):
        (tmp_path / f"{name}.h5").write_bytes((files / f"{name}.h5").read_bytes())
    flip_in(files / "text.h5", tmp_path / "bad.h5", "text")
    result = run("verify", tmp_path, np=2, json_path=tmp_path / "v.json")
    assert result.code == 3 and len(result.errors) == 1 and "1 of 3 files are damaged" in result.errors[0]
    listed = {f["file"].rpartition("/")[2]: f for f in result.json["files"]}
    assert [listed[n]["whole"] for n in ("bad.h5", "features.h5", "text.h5")] == [False, True, True]
    assert "'text' rows" in listed["bad.h5"]["error"] and result.out.count("whole") == 2


def flip_in(source, target, dataset, row=None):
    """One bit of a data set's bytes on disk."""
    with h5py.File(source) as file:
        data = file[dataset]
        chunk = row // data.chunks[0] if row is not None else 0
        info = data.id.get_chunk_info(chunk)
        place = info.byte_offset + info.size // 2
    content = bytearray(source.read_bytes())
    content[place] ^= 16
    target.write_bytes(content)


@pytest.mark.parametrize("kind,dataset", [("features", "labels"), ("features", "paths"), ("text", "text"),
                                          ("sweep", "top1"), ("adapter", "keys")])
def test_the_damaged_data_set_is_named(files, tmp_path, kind, dataset):
    bad = tmp_path / "bad.h5"
    flip_in(files / f"{kind}.h5", bad, dataset)
    refused(bad, "damaged in", f"'{dataset}' rows 0 to")


def test_the_damaged_rows_are_named(files, tmp_path):
    bad = tmp_path / "bad.h5"
    flip_in(files / "features.h5", bad, "features", row=300)
    refused(bad, "'features' rows 256 to 511")


def test_damaged_structure_is_named(files, tmp_path):
    bad = tmp_path / "bad.h5"
    content = bytearray((files / "text.h5").read_bytes())
    content[512] ^= 1  # HDF5's signature
    bad.write_bytes(content)
    refused(bad, "damaged in its HDF5 structure")


def change(name, value):
    def apply(file):
        if name in file:
            file[name][...] = value
        else:
            file.attrs[name] = value
    return apply


@pytest.mark.parametrize("kind,alter,word", [
    ("features", change("labels", 99), "label 99, outside its 10 classes"),
    ("features", change("features", np.nan), "not finite"),
    ("features", lambda f: f.attrs.__setitem__("made_from.model_sha256", np.bytes_(b"none")), "not a SHA-256"),
    ("features", lambda f: f.attrs.__delitem__("program_version"), "program_version"),
    ("text", change("text", 0.5), "must have length 1"),
    ("sweep", change("top1", 10 ** 6), "'top1'"),
    ("sweep", change("test_top5", 0), "'test_top1'"),
    ("sweep", change("alpha", np.inf), "not finite"),
    ("adapter", change("class_index", -1), "class_index -1"),
    ("adapter", change("keys", np.inf), "not finite"),
    ("adapter", lambda f: f.attrs.modify("test_top1", np.int64(10 ** 6)), "counts do not fit"),
    ("adapter", lambda f: f.attrs.modify("selected_epoch", np.int64(7)), "selected_epoch 7"),
    ("adapter", lambda f: f.attrs.modify("format_version", np.int64(9)), "format version 9"),
])
def test_sealed_nonsense_is_refused(files, tmp_path, kind, alter, word):
    """Whoever can write a file can seal it: the content is checked as well."""
    bad = tmp_path / "bad.h5"
    shutil.copy(files / f"{kind}.h5", bad)
    reseal(bad, alter)
    refused(bad, word)


@pytest.mark.parametrize("np_", [0, 2])
@pytest.mark.parametrize("options", [[], ["--views", "3", "--seed", "7"], ["--dtype", "f16"]])
def test_repair_computes_only_what_is_damaged(digits, tmp_path, np_, options):
    whole, bad = tmp_path / "whole.h5", tmp_path / "bad.h5"
    run_ok("extract", "--model", DEMO_MODEL, "--images", digits / "train", "--out", whole, "--quiet", *options)
    flip_in(whole, bad, "features", row=300)
    repair = ["verify", bad, "--repair", "--model", DEMO_MODEL, "--images", digits / "train", "--quiet"]
    result = run_ok(*repair, np=np_, json_path=tmp_path / "r.json")
    assert bad.read_bytes() == whole.read_bytes() and result.json["identical"]
    assert 0 < result.json["shards_computed"] < result.json["shards"] == 20
    assert "'features' rows" in result.json["damage"]
    assert sorted(p.name for p in tmp_path.iterdir() if p.suffix != ".times") == ["bad.h5", "r.json", "whole.h5"]
    again = run_ok(*repair, np=np_)
    assert "whole" in again.out


def test_repair_with_images_left_out(digits, tmp_path):
    images = tmp_path / "images"
    shutil.copytree(digits / "train", images)
    for victim in sorted(images.rglob("*.png"))[5:600:40]:
        victim.write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    whole, bad = tmp_path / "whole.h5", tmp_path / "bad.h5"
    run_ok("extract", "--model", DEMO_MODEL, "--images", images, "--out", whole, "--quiet", "--on-bad-image", "skip")
    flip_in(whole, bad, "features", row=10)
    run_ok("verify", bad, "--repair", "--model", DEMO_MODEL, "--images", images, "--quiet", json_path=tmp_path / "r.json")
    assert bad.read_bytes() == whole.read_bytes()
    assert json.loads((tmp_path / "r.json").read_text())["shards_computed"] < 20


def test_repair_of_random_flips(digits, tmp_path):
    """Wherever the bit is: repaired to the same bytes, or refused for a reason that says what to do."""
    whole, bad = tmp_path / "whole.h5", tmp_path / "bad.h5"
    run_ok("extract", "--model", DEMO_MODEL, "--images", digits / "val", "--out", whole, "--quiet")
    content, rng, repaired = whole.read_bytes(), random.Random(5), 0
    places = [20, 600] + [rng.randrange(len(content)) for _ in range(int(os.environ.get("CLIPSWEEP_REPAIRS", 10)))]
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 1 << rng.randrange(8)
        bad.write_bytes(damaged)
        result = run("verify", bad, "--repair", "--model", DEMO_MODEL, "--images", digits / "val", "--quiet")
        if result.code == 0:
            repaired += 1
            assert bad.read_bytes() == content, place
        else:
            assert result.code == 3 and len(result.errors) == 1 and "--fresh" in result.errors[0], result.err
    assert repaired >= len(places) // 2


def test_a_repair_needs_what_the_file_was_made_from(digits, files, tmp_path):
    bad = tmp_path / "bad.h5"
    flip_in(files / "features.h5", bad, "features", row=0)
    damaged = bad.read_bytes()
    for arguments, code, word in [
            (["--repair"], 2, "--model and --images"),
            (["--repair", "--model", DEMO_MODEL, "--images", digits / "val"], 3, "list_sha256"),
            (["--repair", "--model", tmp_path / "absent", "--images", digits / "train"], 3, "absent")]:
        result = run("verify", bad, *arguments)
        assert result.code in (code, 2) and len(result.errors) == 1 and word in result.errors[0], result.err
        assert bad.read_bytes() == damaged
    flip_in(files / "sweep.h5", bad, "top1")
    result = run("verify", bad, "--repair", "--model", DEMO_MODEL, "--images", digits / "train")
    assert result.code == 3 and len(result.errors) == 1, result.err


def test_a_run_is_checked_whole(study, tmp_path):
    """Its results and times too, and whether the files are those the results were made from."""
    folder = tmp_path / "run"
    shutil.copytree(study, folder)
    whole = run_ok("verify", folder)
    assert "results.json: whole (clipsweep-results)" in whole.out and "run.json: whole (clipsweep-run)" in whole.out
    rng, flipped = random.Random(5), []
    for name in ("results.json", "run.json"):
        content = (folder / name).read_bytes()
        for number in range(40):
            bit = rng.randrange(8 * 64, 8 * len(content))
            damaged = bytearray(content)
            damaged[bit // 8] ^= 1 << bit % 8
            flipped.append(folder / f"{name}-{number}")
            flipped[-1].write_bytes(damaged)
    listed = {f["file"]: f["whole"] for f in run("verify", folder, json_path=tmp_path / "v.json").json["files"]}
    assert [listed[str(path)] for path in flipped] == [False] * len(flipped)
    for path in flipped:
        path.unlink()
    for name in ("results.json", "run.json"):  # where it says what it is
        content = (folder / name).read_bytes()
        for byte in (0, 3, 12, 20, 30):
            (folder / name).write_bytes(content[:byte] + bytes([content[byte] ^ 1]) + content[byte + 1:])
            refused(folder / name)
        (folder / name).write_bytes(content)
    run_ok("verify", folder)
    kept = (folder / "val.h5").read_bytes()
    shutil.copy(folder / "train.h5", folder / "val.h5")  # whole, but another
    refused(folder / "results.json", "'val.h5'")
    (folder / "val.h5").unlink()
    refused(folder / "results.json", "'val.h5'", "not beside it")
    (folder / "val.h5").write_bytes(kept)


def test_files_are_known_by_their_bytes(files, tmp_path):
    shutil.copy(files / "text.h5", tmp_path / "text.old")
    (tmp_path / "notes.txt").write_text("no file of ours\n")
    (tmp_path / "link.h5").symlink_to("/dev/null")
    os.mkfifo(tmp_path / "pipe.h5")
    result = run_ok("verify", tmp_path)
    assert result.out.count("\n") == 1 and "text.old: whole (clipsweep-text)" in result.out
    assert "text.old" in run_ok("inspect", tmp_path / "text.old").out
    refused(tmp_path / "notes.txt", "no file that clipsweep keeps")
    (tmp_path / "empty.h5").write_bytes(b"")
    refused(tmp_path / "empty.h5")
    (tmp_path / "none").mkdir()
    refused(tmp_path / "none", "no file of clipsweep")
