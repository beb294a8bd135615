"""The scripts for other programs' files: caches of the official Tip-Adapter, pickles of torch.save."""
import argparse
import json
import os
import re
import subprocess
import sys

import h5py
import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

import convert_checkpoint
import import_tip_adapter
import script_tools
from conftest import DEMO_MODEL, ROOT, run_ok


@pytest.fixture
def script(monkeypatch, capsys):
    """Runs a script in this process -> (exit code, what it printed, its one line of error)."""
    def call(module, *arguments):
        monkeypatch.setattr(sys, "argv", [f"{module.__name__}.py", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            script_tools.run(module.main)
        except SystemExit as end:
            code = end.code
        shown = capsys.readouterr()
        assert shown.err.count("\n") == (1 if code else 0), shown.err
        return code, shown.out, shown.err

    return call


def unit(rng, *shape):
    value = rng.normal(size=shape)
    return torch.from_numpy(value / np.linalg.norm(value, axis=-1, keepdims=True)).half()


class Cache:
    """What the official code writes, small; a test changes an array, then writes it."""

    def __init__(self, folder, width=12, classes=5, shots=2):
        rng = np.random.default_rng(0)
        self.folder, self.width, self.classes = folder, width, classes
        labels = torch.arange(classes * shots) % classes
        test_labels = torch.arange(7) % classes
        self.arrays = {f"keys_{shots}shots": unit(rng, classes * shots, width).T.contiguous(),
                       f"values_{shots}shots": torch.nn.functional.one_hot(labels, classes).half(),
                       "test_f": unit(rng, 7, width), "test_l": test_labels,
                       "clip_weights": unit(rng, classes, width).T.contiguous()}
        self.keys, self.values = f"keys_{shots}shots", f"values_{shots}shots"

    def write(self):
        self.folder.mkdir(exist_ok=True)
        for name, value in self.arrays.items():
            torch.save(value, self.folder / f"{name}.pt")
        return self.folder

    def rows_of(self, out):
        """keys [K, D], their labels, text [C, D] as imported."""
        with h5py.File(out / "cache.h5") as cache, h5py.File(out / "text.h5") as text:
            assert "made_from.model_sha256" not in cache.attrs and cache.attrs["made_from.importer"] == b"tip-adapter"
            assert len(cache.attrs["made_from.source_sha256"]) == len(text.attrs["made_from.source_sha256"]) == 64
            return cache["features"][:], cache["labels"][:], text["text"][:]


@pytest.mark.parametrize("width,classes,shots", [(12, 5, 2), (6, 6, 2), (6, 3, 2), (6, 6, 1)])
def test_official_arrays_whatever_their_sizes(tmp_path, script, width, classes, shots):
    """Width equal to the number of classes, of keys, of both: the official layout counts."""
    cache = Cache(tmp_path / "c", width, classes, shots)
    code, out, err = script(import_tip_adapter, cache.write(), "--out", tmp_path / "o")
    assert code == 0 and "read as" not in out and "long" not in out, (out, err)
    keys, labels, text = cache.rows_of(tmp_path / "o")
    assert np.array_equal(keys, cache.arrays[cache.keys].T.float().numpy())
    assert np.array_equal(labels, np.arange(classes * shots) % classes)
    wanted = cache.arrays["clip_weights"].T.double().numpy()
    assert np.allclose(text, wanted / np.linalg.norm(wanted, axis=1, keepdims=True), atol=1e-6)
    run_ok("zeroshot", "--features", tmp_path / "o/test.h5", "--text", tmp_path / "o/text.h5")


def test_square_text_of_another_name_is_asked_for(tmp_path, script):
    cache = Cache(tmp_path / "c", 6, 6)
    text = cache.arrays.pop("clip_weights")
    cache.write()
    torch.save(text, tmp_path / "other.pt")
    np.save(tmp_path / "other.npy", text.float().numpy())
    for name in ("other.pt", "other.npy"):
        ask = [cache.folder, "--text", tmp_path / name, "--out", tmp_path / "o"]
        code, _, err = script(import_tip_adapter, *ask)
        assert code == 3 and "--layout CxD or --layout DxC" in err and name in err
        rows = {}
        for layout in ("CxD", "DxC"):
            assert script(import_tip_adapter, *ask, "--layout", layout)[0] == 0
            rows[layout] = cache.rows_of(tmp_path / "o")[2]
        square = text.double().numpy()
        for layout, matrix in (("CxD", square), ("DxC", square.T)):
            assert np.allclose(rows[layout], matrix / np.linalg.norm(matrix, axis=1, keepdims=True), atol=1e-6)
    # An official file is known by its name wherever it lies; the option still decides.
    torch.save(text, tmp_path / "clip_weights.pt")
    official = [cache.folder, "--text", tmp_path / "clip_weights.pt", "--out", tmp_path / "o"]
    assert script(import_tip_adapter, *official)[0] == 0
    assert np.array_equal(cache.rows_of(tmp_path / "o")[2], rows["DxC"])
    assert script(import_tip_adapter, *official, "--layout", "CxD")[0] == 0
    assert np.array_equal(cache.rows_of(tmp_path / "o")[2], rows["CxD"])


def test_turned_arrays_are_turned_and_said(tmp_path, script):
    cache = Cache(tmp_path / "c")
    assert script(import_tip_adapter, cache.write(), "--out", tmp_path / "o")[0] == 0
    wanted = cache.rows_of(tmp_path / "o")
    for name in (cache.keys, cache.values, "test_f", "clip_weights"):
        turned = Cache(tmp_path / "c")
        turned.arrays[name] = turned.arrays[name].T.contiguous()
        code, out, err = script(import_tip_adapter, turned.write(), "--out", tmp_path / "o")
        assert code == 0 and f"{name}.pt: read as" in out, (name, out, err)
        assert all(np.array_equal(a, b) for a, b in zip(wanted, turned.rows_of(tmp_path / "o")))


def changed(value, place, to):
    value = value.clone()
    value[place] = to
    return value


BAD = {
    "keys not finite": ("keys_2shots", lambda v: changed(v, (3, 1), float("nan")), "not finite", "row 3"),
    "keys of integers": ("keys_2shots", lambda v: v.long(), "int64"),
    "keys in one row": ("keys_2shots", lambda v: v[0], "1 dimensions"),
    "keys and values apart": ("values_2shots", lambda v: v[:-1], "no number of keys in common"),
    "two ones in a row": ("values_2shots", lambda v: changed(v, (2, 0), 1), "row 2", "sum is 2"),
    "no one in a row": ("values_2shots", lambda v: changed(v, 4, 0), "row 4", "sum is 0"),
    "values of a soft label": ("values_2shots", lambda v: v * 0.5, "whole numbers"),
    "a two and a minus one": ("values_2shots", lambda v: changed(changed(v, (0, 0), 2), (0, 1), -1), "row 0"),
    "label past the classes": ("test_l", lambda v: changed(v, 2, 5), "0 to 5", "classes from 0 to 4"),
    "label below zero": ("test_l", lambda v: changed(v, 2, -1), "-1"),
    "labels with fractions": ("test_l", lambda v: v + 0.5, "whole numbers"),
    "fewer labels": ("test_l", lambda v: v[:-1], "6 labels"),
    "labels one-hot": ("test_l", lambda v: torch.nn.functional.one_hot(v), "[N, D] and [N]"),
    "features of another width": ("test_f", lambda v: v[:, :-1], "7 x 11", "12 wide"),
    "features not finite": ("test_f", lambda v: changed(v, (6, 0), float("inf")), "row 6"),
    "a zero row": ("test_f", lambda v: changed(v, 1, 0), "zero"),
    "text of other classes": ("clip_weights", lambda v: v[:, :-1], "12 x 4", "5 x 12 or 12 x 5"),
    "text not finite": ("clip_weights", lambda v: changed(v, (0, 0), float("nan")), "not finite"),
    "text of a class zero": ("clip_weights", lambda v: changed(v, (slice(None), 3), 0), "class 3 is zero"),
    "text of templates": ("clip_weights", lambda v: v[None], "3 dimensions"),
    "text complex": ("clip_weights", lambda v: v.float() + 1j, "complex64"),
    "nothing": ("test_f", lambda v: v[:0], "empty"),
    "a dict": ("test_f", lambda v: {"features": v}, "dict"),
}


@pytest.mark.parametrize("case", BAD)
def test_arrays_that_cannot_be_used(tmp_path, script, case):
    name, change, *words = BAD[case]
    cache = Cache(tmp_path / "c")
    cache.arrays[name] = change(cache.arrays[name])
    code, _, err = script(import_tip_adapter, cache.write(), "--out", tmp_path / "o")
    assert code == 3, err
    for word in (*words, name if "label" not in case else "test"):
        assert word in err, err


def test_lengths_of_text_are_said(tmp_path, script):
    cache = Cache(tmp_path / "c")
    cache.arrays["clip_weights"] *= 100
    code, out, _ = script(import_tip_adapter, cache.write(), "--out", tmp_path / "o")
    assert code == 0 and "made 1 long" in out
    assert np.allclose(np.linalg.norm(cache.rows_of(tmp_path / "o")[2], axis=1), 1)


def test_npz_says_its_layout(tmp_path, script):
    cache = Cache(tmp_path / "c", 6, 6)
    text = cache.arrays.pop("clip_weights").T.float().numpy()
    cache.write()
    np.savez(tmp_path / "t.npz", text=text)
    options = [cache.folder, "--text", tmp_path / "t.npz", "--out", tmp_path / "o"]
    assert script(import_tip_adapter, *options)[0] == 0
    assert np.allclose(cache.rows_of(tmp_path / "o")[2], text, atol=1e-3)
    for arrays, word in (({"weights": text}, "no array `text`"), ({"text": text[:, :5]}, "6 x 5"),
                         ({"text": text, "class_index": np.arange(6) - 1}, "class_index"),
                         ({"text": text, "class_index": np.zeros(6)}, "whole numbers")):
        np.savez(tmp_path / "t.npz", **arrays)
        code, _, err = script(import_tip_adapter, *options)
        assert code == 3 and word in err
    (tmp_path / "t.npz").write_bytes(b"PK\3\4 cut")
    assert script(import_tip_adapter, *options)[0] == 3


@pytest.fixture(scope="module")
def state():
    return {k: v.clone() for k, v in load_file(DEMO_MODEL).items()}


def config():
    with safe_open(DEMO_MODEL, "pt") as file:
        return file.metadata()["open_clip_config"]


def converted(script, folder, saved, *options, legacy=False, name="epoch_3.pt"):
    """Saves, converts, gives the tensors back and what was printed."""
    folder.mkdir(exist_ok=True)
    out = folder / "model.safetensors"
    out.unlink(missing_ok=True)
    torch.save(saved, folder / name, _use_new_zipfile_serialization=not legacy)
    code, shown, err = script(convert_checkpoint, folder / name, "--out", out, *options)
    assert code == 0, err
    return load_file(out), shown


def test_converts_what_training_programs_write(tmp_path, script, state):
    def same(tensors):
        return tensors.keys() == state.keys() and all(
            tensors[k].dtype == v.dtype and torch.equal(tensors[k], v) for k, v in state.items())

    (tmp_path / "c").mkdir()
    (tmp_path / "c/open_clip_config.json").write_text(config())
    wrapped = {f"module.{k}": v for k, v in state.items()}
    optimizer = {"state": {0: {"exp_avg": torch.zeros(9)}}, "param_groups": [{"lr": 1e-3}]}
    cases = {"plain": state,
             "open_clip": {"epoch": 3, "name": "x", "state_dict": wrapped, "optimizer": optimizer},
             "lightning": {"epoch": 1, "state_dict": {f"model.{k}": v for k, v in state.items()}, "optimizer_states": [optimizer]},
             "compiled": {"model": {f"_orig_mod.clip.{k}": v for k, v in state.items()}},
             "inner": {k.replace("visual.", "visual._orig_mod.module."): v for k, v in state.items()},
             "twice": {"state_dict": {"model": {"step": 5, **wrapped}}}}
    for case, saved in cases.items():
        for legacy in (False, True):
            tensors, shown = converted(script, tmp_path / "c", saved, legacy=legacy)
            assert same(tensors), (case, legacy)
    assert "left out: step" in shown
    # The same bytes from the same input, for whoever may read the folder.
    assert (tmp_path / "c/model.safetensors").stat().st_mode & 0o777 == (tmp_path / "c/epoch_3.pt").stat().st_mode & 0o777
    first = (tmp_path / "c/model.safetensors").read_bytes()
    assert converted(script, tmp_path / "c", cases["twice"], legacy=True)[1] and \
        (tmp_path / "c/model.safetensors").read_bytes() == first
    with safe_open(tmp_path / "c/model.safetensors", "pt") as file:
        metadata = file.metadata()
    assert metadata["converted_from"] == "epoch_3.pt" and metadata["open_clip_config"] == config()
    shown = run_ok("inspect", tmp_path / "c/model.safetensors", json_path=tmp_path / "i.json").json
    assert shown["activation"] == "quickgelu" and shown["remarks"] == []


def test_converts_one_of_several(tmp_path, script, state):
    both = {"state_dict": {**{f"student.{k}": v for k, v in state.items()},
                           **{f"teacher.{k}": v * 2 for k, v in state.items()}, "loss.weight": torch.ones(2)}}
    tensors, shown = converted(script, tmp_path / "c", both, "--prefix", "teacher.")
    assert torch.equal(tensors["ln_final.weight"], state["ln_final.weight"] * 2)
    assert "loss.weight" in shown and "outside 'teacher.'" in shown
    torch.save(both, tmp_path / "both.pt")
    code, _, err = script(convert_checkpoint, tmp_path / "both.pt", "--out", tmp_path / "x.safetensors")
    assert code == 3 and "'student.', 'teacher.'" in err and "--prefix" in err
    entries = {"live": {k: v for k, v in state.items()}, "average": {k: v * 3 for k, v in state.items()}}
    tensors, _ = converted(script, tmp_path / "c", entries, "--key", "average")
    assert torch.equal(tensors["ln_final.weight"], state["ln_final.weight"] * 3)
    # Tied tensors, which safetensors would refuse, and parts.
    tied = dict(state, **{"ln_final.bias": state["ln_final.weight"]})
    assert torch.equal(converted(script, tmp_path / "c", tied)[0]["ln_final.bias"], state["ln_final.weight"])
    names = sorted(state)
    torch.save({k: state[k] for k in names[::2]}, tmp_path / "a.bin")
    torch.save({k: state[k] for k in names[1::2]}, tmp_path / "b.bin")
    index = tmp_path / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"weight_map": {k: "ab"[i % 2] + ".bin" for i, k in enumerate(names)}}))
    assert script(convert_checkpoint, index, "--out", tmp_path / "parts.safetensors")[0] == 0
    assert load_file(tmp_path / "parts.safetensors").keys() == state.keys()
    (tmp_path / "b.bin").unlink()
    code, _, err = script(convert_checkpoint, index, "--out", tmp_path / "parts2.safetensors")
    assert code == 3 and "b.bin is not beside it" in err


def test_what_cannot_be_converted(tmp_path, script, state):
    def refused(content, *words, name="m.pt", out="out.safetensors", options=()):
        path = tmp_path / name
        path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
        code, _, err = script(convert_checkpoint, path, "--out", tmp_path / out, *options)
        assert code == 3 and all(word in err for word in words), err
        assert not (tmp_path / out).exists() or out == "there.safetensors"
        assert not list(tmp_path.glob("*.tmp"))

    refused({"state_dict": state, "args": argparse.Namespace(lr=1)}, "argparse.Namespace", "can run code")
    torch.save(state, tmp_path / "whole.pt")
    whole = (tmp_path / "whole.pt").read_bytes()
    refused(whole[:len(whole) // 2], "broke off")
    refused(b"<html>", "no pickle")
    refused(b"\x80\x02}q\x00.", "cannot be read")
    refused(b"\x80\x02" + b"\xff" * 40, "cannot be read")
    refused([1, 2], "holds a list")
    refused({"epoch": 3, "lr": 0.1}, "epoch, lr", "--key")
    refused({"fc.weight": torch.ones(2)}, "no CLIP tensors", "fc.weight")
    refused(state, "begins with 'other.'", options=["--prefix", "other."])
    refused({"a": state}, "has no 'b'", options=["--key", "b"])
    refused(DEMO_MODEL.read_bytes(), "safetensors already")
    refused(state, "does not end in .safetensors", out="out.bin")
    (tmp_path / "there.safetensors").write_bytes(b"mine")
    refused(state, "exists already", out="there.safetensors")
    assert (tmp_path / "there.safetensors").read_bytes() == b"mine"

    class Other(torch.nn.Module):
        def forward(self, x):
            return x

    torch.jit.script(Other()).save(str(tmp_path / "t.pt"))
    refused((tmp_path / "t.pt").read_bytes(), "TorchScript", "--trust-checkpoint")


def test_scripts_run_by_their_first_line(tmp_path):
    """The run bit, a first line that finds a Python, and, where that one lacks packages, one line or the .venv."""
    for name in ("import_tip_adapter.py", "export_adapter.py", "convert_checkpoint.py"):
        path = ROOT / "launch" / name
        assert os.access(path, os.X_OK), name
        environment = dict(os.environ, PATH=os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"])
        shown = subprocess.run([path, "--help"], capture_output=True, text=True, env=environment)
        assert shown.returncode == 0 and re.search(rf"^ +launch/{name} ", shown.stdout, re.MULTILINE), shown.stderr
    bare = subprocess.run([sys.executable, "-S", "-E", ROOT / "launch/convert_checkpoint.py", "--help"], capture_output=True,
                          text=True)
    # -S hides the packages of this Python: either the .venv's took over, or one line says what to do.
    assert bare.returncode == 0 or (bare.returncode == 3 and bare.stderr.count("\n") == 1 and "setup.sh" in bare.stderr)
