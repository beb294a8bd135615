"""Every command from the outside: help, configuration, JSON, ranks."""
import hashlib
import json
import subprocess
import sys

import h5py
import numpy as np
import pytest

from conftest import DEMO_MODEL, DEMO_TEMPLATES, ROOT, run, run_ok

COMMANDS = ["extract", "text", "zeroshot", "tip", "sweep", "finetune", "methods", "fit", "evaluate", "predict", "similarity", "experiment", "report", "nightly", "import", "export", "verify", "inspect", "tokenize"]


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_overview_lists_every_command():
    out = run_ok("--help").out
    for name in COMMANDS:
        assert f"\n  {name} " in out
    assert run_ok("--version").out.startswith("clipsweep ")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_defaults_and_an_example(name):
    out = run_ok(name, "--help").out
    assert f"clipsweep {name} " in out.split("example:")[1]
    for option in ("--config", "--json", "--device", "--threads", "--seed", "--log-level", "--quiet"):
        assert option in out


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_has_only_known_options(name):
    """The example's options parse: what is missing are the files, never an option."""
    example = run_ok(name, "--help").out.split("example:")[1].split(f"clipsweep {name} ")[1].split()
    result = run(name, *[word.strip("'") for word in example], cwd="/")
    assert result.code in (0, 3), (result.code, result.err)


def pipeline(folder, digits, np_ranks):
    """Every stage's file on `np_ranks` ranks."""
    for split in ("train", "test"):
        run_ok("extract", "--model", DEMO_MODEL, "--images", digits / split, "--out", folder / f"{split}.h5",
               "--quiet", np=np_ranks)
    run_ok("text", "--model", DEMO_MODEL, "--classnames", digits / "classnames.txt", "--templates", "imagenet-7",
           "--out", folder / "text.h5", "--quiet", np=np_ranks)
    common = ["--cache", folder / "train.h5", "--features", folder / "test.h5", "--text", folder / "text.h5", "--quiet"]
    run_ok("sweep", *common, "--alpha", "0.5:8:0.25", "--beta", "1:9:0.25", "--tune-on", "test", "--shots", "1,16",
           "--subset-seeds", "31:34", "--partition", "grid" if np_ranks == 3 else "samples", "--out",
           folder / "sweep.h5", np=np_ranks)
    run_ok("finetune", *common, "--sweep", folder / "sweep.h5", "--shots", 16, "--subset-seed", 32, "--epochs", 4,
           "--batch", 48, "--out", folder / "adapter.h5", np=np_ranks)


def test_same_bytes_on_any_number_of_ranks(digits, tmp_path):
    hashes = {}
    for ranks in (0, 1, 2, 3):
        folder = tmp_path / str(ranks)
        folder.mkdir()
        pipeline(folder, digits, ranks)
        hashes[ranks] = {name: sha256(folder / f"{name}.h5")
                         for name in ("train", "test", "text", "sweep", "adapter")}
    assert hashes[0] == hashes[1] == hashes[2] == hashes[3]


def test_same_bytes_with_any_number_of_threads(digits, tmp_path):
    for threads in (1, 3):
        run_ok("extract", "--model", DEMO_MODEL, "--images", digits / "val", "--out", tmp_path / f"{threads}.h5",
               "--threads", threads, "--quiet")
    assert sha256(tmp_path / "1.h5") == sha256(tmp_path / "3.h5")


def test_files_are_readable_with_h5py(demo):
    with h5py.File(demo / "test.h5") as file:
        assert file["features"].shape == (957, 128) and file["features"].dtype == np.float32
        assert file["labels"].shape == (957,) and file["labels"][:].max() == 9
        assert [c.decode() for c in file["classes"][:]] == [str(d) for d in range(10)]
        assert file["paths"][0].decode().startswith("0/digit-")
        assert file.attrs["format"].decode() == "clipsweep-features"
        assert file["features"].fletcher32
        content = hashlib.sha256(file["features"][:].tobytes() + file["labels"][:].tobytes()).hexdigest()
        assert file.attrs["content_sha256"].decode() == content
    block = (demo / "test.h5").read_bytes()
    assert block[17:81].decode() == hashlib.sha256(block[512:]).hexdigest()


def test_json_has_the_promised_keys(demo, tmp_path):
    result = run_ok("zeroshot", "--features", demo / "test.h5", "--text", demo / "text.h5", np=2,
                    json_path=tmp_path / "z.json")
    got = result.json
    assert got["command"] == "zeroshot" and got["ranks"] == 2 and got["tuned_on"] == "none" and got["seconds"] > 0
    assert got["test"]["samples"] == 957
    assert got["test"]["top1_accuracy"] == got["test"]["top1"] / 957
    assert 600 < got["test"]["top1"] < got["test"]["top5"] <= 957
    assert result.out.count("zero-shot") == 1  # printed once on two ranks


def test_options_come_from_a_configuration_file(demo, tmp_path):
    config = tmp_path / "tip.ini"
    config.write_text(f"cache = {demo}/train.h5\nfeatures = {demo}/test.h5\ntext = {demo}/text.h5\nalpha = 1\nbeta = 3\n")
    first = run_ok("tip", "--config", config, json_path=tmp_path / "a.json").json
    assert (first["alpha"], first["beta"]) == (1, 3)
    second = run_ok("tip", "--config", config, "--beta", 4, json_path=tmp_path / "b.json").json
    assert (second["alpha"], second["beta"]) == (1, 4)  # the command line wins
    config.write_text("no-such-option = 1\n")
    assert run("tip", "--config", config).code == 2


def test_a_second_run_finds_its_output(digits, demo, tmp_path):
    result = run_ok("extract", "--model", DEMO_MODEL, "--images", digits / "val", "--out", demo / "val.h5",
                    json_path=tmp_path / "e.json")
    assert result.json["up_to_date"] and "up to date" in result.out


def test_half_precision_features(digits, demo, tmp_path):
    run_ok("extract", "--model", DEMO_MODEL, "--images", digits / "val", "--out", tmp_path / "v.h5", "--dtype", "f16")
    with h5py.File(tmp_path / "v.h5") as half, h5py.File(demo / "val.h5") as full:
        assert half["features"].dtype == np.float16
        assert np.array_equal(half["features"][:], full["features"][:].astype(np.float16))
    run_ok("zeroshot", "--features", tmp_path / "v.h5", "--text", demo / "text.h5")


def test_inspect_and_verify(demo):
    out = run_ok("inspect", DEMO_MODEL).out
    for figure in ("3825027", "64", "77", "49408", "quickgelu"):
        assert figure in out
    assert "features" in run_ok("inspect", demo / "test.h5").out
    assert "whole" in run_ok("verify", demo / "test.h5", demo / "text.h5").out


def test_a_model_is_found_by_name(digits, tmp_path, monkeypatch):
    (tmp_path / "ViT-tiny.safetensors").write_bytes(DEMO_MODEL.read_bytes())
    monkeypatch.setenv("CLIPSWEEP_MODELS", str(tmp_path))
    assert "3825027" in run_ok("inspect", "ViT/tiny").out
    result = run("inspect", "RN50")
    assert result.code == 3 and str(tmp_path) in result.err


def test_experiment(digits, tmp_path):
    arguments = ["experiment", "--model", DEMO_MODEL, "--train", digits / "train", "--val", digits / "val", "--test",
                 digits / "test", "--classnames", digits / "classnames.txt", "--templates", DEMO_TEMPLATES, "--shots",
                 "1,4", "--subset-seeds", "1:4", "--alpha", "0.5:10:0.5", "--beta", "1:20:1", "--epochs", "5", "--run",
                 tmp_path / "run", "--quiet"]
    first = run_ok(*arguments, np=2, json_path=tmp_path / "a.json")
    rows = {(r["method"], r["shots"]): r for r in first.json["rows"] if r["templates"] == DEMO_TEMPLATES.stem}
    assert set(rows) == {("zero-shot", 0), ("Tip-Adapter", 1), ("Tip-Adapter", 4), ("Tip-Adapter-F", 1),
                         ("Tip-Adapter-F", 4)}
    assert first.json["tuned_on"] == "val"
    assert rows["Tip-Adapter", 1]["top1_mean"] > rows["zero-shot", 0]["top1_mean"]
    assert rows["Tip-Adapter", 4]["top1_half_width_95"] > 0
    values = np.array(rows["Tip-Adapter", 4]["top1_accuracy"])
    assert np.isclose(rows["Tip-Adapter", 4]["top1_half_width_95"], 4.302653 * values.std(ddof=1) / 3 ** .5)
    files = {p.name: (sha256(p), p.stat().st_mtime_ns) for p in (tmp_path / "run").glob("*.h5")}
    again = run_ok(*arguments, json_path=tmp_path / "b.json")
    assert files == {p.name: (sha256(p), p.stat().st_mtime_ns) for p in (tmp_path / "run").glob("*.h5")}
    assert again.json["rows"] == first.json["rows"]
    # Another grid: the sweep is made anew, the features stay.
    run_ok(*[a if a != "1:20:1" else "1:10:1" for a in arguments])
    changed = {p.name for p in (tmp_path / "run").glob("*.h5") if sha256(p) != files[p.name][0]}
    assert "sweep.h5" in changed and not changed & {"train.h5", "val.h5", "test.h5", "text.h5"}
    # As many shots as there are keys: one subset, trained once, no interval.
    whole = run_ok(*[a if a != "1,4" else "64" for a in arguments], json_path=tmp_path / "c.json").json
    assert [len(r["top1_accuracy"]) for r in whole["rows"]] == [1, 1, 1, 1, 1, 1]  # four of them zero-shot
    assert len(list((tmp_path / "run").glob("adapter-64shot-*.h5"))) == 1
    assert run("experiment", *[a if a != "0.5:10:0.5" else "1:2" for a in arguments[1:]]).code == 2
    results = json.loads((tmp_path / "run/results.json").read_text())
    assert results["test"]["samples"] == 957


def test_import_refuses_bad_caches(tmp_path):
    script = ROOT / "launch/import_tip_adapter.py"
    result = subprocess.run([sys.executable, script, tmp_path, "--out", tmp_path / "o"], capture_output=True, text=True)
    assert result.returncode == 3 and "keys_Kshots.pt" in result.stderr
    (tmp_path / "keys_4shots.pt").write_bytes(b"not a tensor")
    result = subprocess.run([sys.executable, script, tmp_path, "--out", tmp_path / "o"], capture_output=True, text=True)
    assert result.returncode == 3 and result.stderr.count("\n") == 1


def test_openai_archives_are_opened_only_when_known(digits, tmp_path):
    """An archive of our own, with the demo's weights inside: refused by its hash, taken when trusted."""
    import torch
    from safetensors import safe_open

    class Archive(torch.nn.Module):
        def __init__(self, state):
            super().__init__()
            for name, value in state.items():
                *folders, leaf = name.split(".")
                place = self
                for folder in folders:
                    if not hasattr(place, folder):
                        place.add_module(folder, torch.nn.Module())
                    place = getattr(place, folder)
                place.register_buffer(leaf, value)

        def forward(self, x):
            return x

    with safe_open(DEMO_MODEL, "pt") as file:
        state = {k: file.get_tensor(k) for k in file.keys()}
    torch.jit.script(Archive(state)).save(tmp_path / "own.pt")
    refused = run("inspect", tmp_path / "own.pt")
    assert refused.code == 3 and len(refused.errors) == 1 and "--trust-checkpoint" in refused.errors[0]
    run_ok("extract", "--model", tmp_path / "own.pt", "--images", digits / "val", "--out", tmp_path / "a.h5", "--trust-checkpoint")
    run_ok("extract", "--model", DEMO_MODEL, "--images", digits / "val", "--out", tmp_path / "b.h5")
    with h5py.File(tmp_path / "a.h5") as ours, h5py.File(tmp_path / "b.h5") as demo_file:
        assert np.array_equal(ours["features"][:], demo_file["features"][:])
