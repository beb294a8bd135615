"""Forms in which checkpoints come: shards with an index, wrapped names, folders of the hubs."""
import hashlib
import json
import shutil
import subprocess
import sys

import h5py
import numpy as np
import torch
from safetensors.torch import load_file, save_file

from checkpoint_tools import metadata, refused, state, text_of  # noqa: F401
from conftest import DEMO_MODEL, DEMO_TEMPLATES, ROOT, run_ok


def split(state, folder, parts=3):
    """The tensors dealt to shards with an index, as the hubs store large models."""
    folder.mkdir(exist_ok=True)
    names = sorted(state)
    files = [f"model-{i + 1:05d}-of-{parts:05d}.safetensors" for i in range(parts)]
    for i, file in enumerate(files):
        save_file({k: state[k] for k in names[i::parts]}, folder / file, metadata=metadata())
    index = {"metadata": {"total_size": 1}, "weight_map": {k: files[i % parts] for i, k in enumerate(names)}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return index, files


def test_shards_are_one_model(tmp_path, digits, demo):
    """Features and text are those of the one file, bit by bit; only the model's hash is another."""
    original = load_file(DEMO_MODEL)
    _, files = split(original, tmp_path / "m")
    run_ok("extract", "--model", tmp_path / "m", "--images", digits / "val", "--out", tmp_path / "v.h5", "--quiet")
    run_ok("text", "--model", tmp_path / "m/model.safetensors.index.json", "--classnames", digits / "classnames.txt",
           "--templates", DEMO_TEMPLATES, "--out", tmp_path / "t.h5", "--quiet")
    lines = "".join(f"{hashlib.sha256((tmp_path / 'm' / f).read_bytes()).hexdigest()}  {f}\n" for f in files)
    for ours, whole, name in ((tmp_path / "v.h5", demo / "val.h5", "features"), (tmp_path / "t.h5", demo / "text.h5", "text")):
        with h5py.File(ours) as a, h5py.File(whole) as b:
            assert a[name][:].tobytes() == b[name][:].tobytes()
            assert a.attrs["made_from.model_sha256"].decode() == hashlib.sha256(lines.encode()).hexdigest()
            assert b.attrs["made_from.model_sha256"].decode() == hashlib.sha256(DEMO_MODEL.read_bytes()).hexdigest()
    again = hashlib.sha256((tmp_path / "v.h5").read_bytes()).hexdigest()
    run_ok("extract", "--model", tmp_path / "m", "--images", digits / "val", "--out", tmp_path / "v2.h5", "--quiet", np=2)
    assert hashlib.sha256((tmp_path / "v2.h5").read_bytes()).hexdigest() == again


def test_shards_that_do_not_fit(tmp_path):
    original = load_file(DEMO_MODEL)
    index, files = split(original, tmp_path / "m")
    path = tmp_path / "m/model.safetensors.index.json"
    name = sorted(original)[0]

    def changed(tensor, file):
        path.write_text(json.dumps(dict(index, weight_map=dict(index["weight_map"], **{tensor: file}))))

    for file, words in (("../x.safetensors", ["'../x.safetensors'", "plain names"]), ("/etc/passwd", ["plain names"]),
                        ("model-00009.safetensors", ["'model-00009.safetensors' is not beside it (1 of 4"]),
                        (files[1], [f"'{name}' is in '{files[1]}', which lacks it", f"'{files[0]}' has it"])):
        changed(name, file)
        refused(path, tmp_path, *words)
    changed("no.such.tensor", files[0])
    refused(path, tmp_path, "'no.such.tensor'", "no shard has it")
    path.write_text(json.dumps({"weight_map": {k: v for k, v in index["weight_map"].items() if k != name}}))
    refused(path, tmp_path, f"does not list tensor '{name}'")
    path.write_text(json.dumps(index)[:-2] + f', "{name}": "{files[0]}"}}}}')
    refused(path, tmp_path, f"lists tensor '{name}' twice")
    path.write_text("{")
    refused(path, tmp_path, "not JSON")
    path.write_text(json.dumps(index))
    second = load_file(tmp_path / "m" / files[1])
    save_file(dict(second, **{name: original[name]}), tmp_path / "m" / files[1])
    refused(path, tmp_path, f"'{name}' is in two shards", files[0], files[1])
    whole = (tmp_path / "m" / files[2]).read_bytes()
    (tmp_path / "m" / files[2]).write_bytes(whole[:-5])
    result = text_of(path, tmp_path)
    assert result.code == 3 and f"{files[2]}: has {len(whole) - 5} of {len(whole)} bytes" in result.errors[0]
    (tmp_path / "m" / files[2]).unlink()
    refused(path, tmp_path, f"'{files[2]}' is not beside it")
    refused(tmp_path / "m" / files[0], tmp_path, "one shard of a model")
    path.unlink()
    refused(tmp_path / "m", tmp_path, "without model.safetensors.index.json")


def test_wrapped_names_are_read(tmp_path, state, demo, digits):
    text = ["--classnames", digits / "classnames.txt", "--templates", DEMO_TEMPLATES, "--quiet"]
    for case, rename in enumerate((lambda k: f"module.{k}", lambda k: f"_orig_mod.model.{k}",
                                   lambda k: f"state_dict.clip.{k}", lambda k: k.replace("visual.", "visual._orig_mod."))):
        save_file({rename(k): v for k, v in state.items()}, tmp_path / "m.safetensors", metadata=metadata())
        result = run_ok("text", "--model", tmp_path / "m.safetensors", *text, "--out", tmp_path / f"t{case}.h5")
        assert "wrapped" in result.err and result.err.count("\n") == 1
        with h5py.File(tmp_path / f"t{case}.h5") as a, h5py.File(demo / "text.h5") as b:
            assert np.array_equal(a["text"][:], b["text"][:])
    shown = run_ok("inspect", tmp_path / "m.safetensors", json_path=tmp_path / "i.json").json
    assert len(shown["remarks"]) == 1 and "wrapped" in shown["remarks"][0] and shown["encoders"] == ["image", "text"]
    save_file({**{f"module.{k}": v for k, v in state.items()}, "ln_final.bias": torch.zeros(64)}, tmp_path / "m.safetensors")
    result = text_of(tmp_path / "m.safetensors", tmp_path)
    assert result.code == 3 and "'ln_final.bias'" in result.err and "'module.ln_final.bias'" in result.err
    save_file({**{f"module.{k}": v for k, v in state.items()}, "head.weight": torch.zeros(64)}, tmp_path / "m.safetensors",
              metadata=metadata())
    result = text_of(tmp_path / "m.safetensors", tmp_path)
    assert result.code == 3 and "'head.weight'" in result.errors[-1]


def test_folders_without_safetensors(tmp_path):
    for names, words in ((["pytorch_model.bin", "config.json"], ["pytorch_model.bin --out", "m/model.safetensors"]),
                         (["open_clip_pytorch_model.bin"], ["m/open_clip_model.safetensors"]),
                         (["pytorch_model.bin.index.json"], ["convert_checkpoint.py"]),
                         (["adapter_model.safetensors", "adapter_config.json"], ["LoRA", "merge"]),
                         (["tf_model.h5"], ["tf_model.h5", "another framework"]),
                         (["flax_model.msgpack"], ["flax_model.msgpack"]),
                         (["ViT-B-32.safetensors"], ["'ViT-B-32.safetensors'; give that file"]),
                         (["config.json"], ["a configuration; fetch the weights"]),
                         ([], ["neither open_clip_model.safetensors nor model.safetensors"])):
        folder = tmp_path / "m"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name in names:
            (folder / name).write_bytes(b"x")
        refused(folder, tmp_path, *words)
    (folder / "snapshots").mkdir()
    refused(folder, tmp_path, "snapshots/")


def test_another_prefix_is_taken_off_by_one_command(tmp_path, state, demo, digits):
    """What trainers put before names is no wrapping that is known: the refusal has the command, which works."""
    path, out = tmp_path / "m.safetensors", tmp_path / "clip-m.safetensors"
    save_file({**{f"student.{k}": v for k, v in state.items()}, "head.weight": torch.zeros(4)}, path, metadata=metadata())
    command = f"launch/convert_checkpoint.py {path} --prefix student. --out {out}"
    refused(path, tmp_path, "begin with 'student.'", command)
    done = subprocess.run([sys.executable, ROOT / command.split()[0], *command.split()[1:]], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    run_ok("text", "--model", out, "--classnames", digits / "classnames.txt", "--templates", DEMO_TEMPLATES, "--quiet", "--activation",
           "quickgelu", "--out", tmp_path / "t.h5")
    with h5py.File(tmp_path / "t.h5") as a, h5py.File(demo / "text.h5") as b:
        assert np.array_equal(a["text"][:], b["text"][:])
    again = subprocess.run([sys.executable, ROOT / command.split()[0], out, "--out", tmp_path / "x.safetensors"],
                           capture_output=True, text=True)
    assert again.returncode != 0 and "is safetensors already" in again.stderr
    save_file({**{f"student.{k}": v for k, v in state.items()}, **{f"teacher.{k}": v.clone() for k, v in state.items()}}, path)
    refused(path, tmp_path, "'student.' or 'teacher.'")


def test_a_link_that_leads_nowhere(tmp_path):
    """A folder of a hub's cache that was copied without what its links lead to."""
    (tmp_path / "m").mkdir()
    (tmp_path / "m/model.safetensors").symlink_to("../../blobs/0a1b")
    result = text_of(tmp_path / "m", tmp_path)
    assert result.code == 3 and len(result.errors) == 1
    assert "m/model.safetensors: is a link to '../../blobs/0a1b', which is not there" in result.errors[0]


def test_what_is_odd_about_a_model_is_in_json(tmp_path, state, digits):
    save_file({f"module.{k}": v for k, v in state.items()}, tmp_path / "m.safetensors", metadata=metadata())
    model = ["--model", tmp_path / "m.safetensors", "--quiet"]
    text = run_ok("text", *model, "--classnames", digits / "classnames.txt", "--out", tmp_path / "t.h5", json_path=tmp_path / "t.json")
    features = run_ok("extract", *model, "--images", digits / "val", "--out", tmp_path / "f.h5", json_path=tmp_path / "f.json")
    for result in (text, features):
        assert len(result.json["model_remarks"]) == 1 and "wrapped" in result.json["model_remarks"][0]
