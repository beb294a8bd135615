"""Checkpoints that are none, are damaged or are another's: one line, exit 3, little memory."""
import hashlib
import json
import os
import shutil
import struct
import subprocess

import h5py
import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from conftest import DEMO_MODEL, DEMO_TEMPLATES, PROGRAM, run, run_ok

CONFIG = {"open_clip_config": json.dumps({"model_cfg": {"quick_gelu": True, "vision_cfg": {"width": 10},
                                                        "text_cfg": {"width": 64, "heads": 1}}})}


@pytest.fixture(scope="session")
def state():
    return {k: v.float() for k, v in load_file(DEMO_MODEL).items()}


def text_of(checkpoint, tmp_path, *options):
    names = tmp_path / "names.txt"
    names.write_text("one\ntwo\n")
    return run("text", "--model", checkpoint, "--classnames", names, "--out", tmp_path / "t.h5", "--quiet", *options)


def refused(checkpoint, tmp_path, *words, options=()):
    result = text_of(checkpoint, tmp_path, *options)
    assert result.code == 3, (result.code, result.err)
    assert len(result.errors) == 1 and len(result.err.splitlines()) == 1, result.err
    for word in words:
        assert word in result.errors[0], result.errors[0]
    assert str(checkpoint) in result.errors[0]


def test_truncated(tmp_path):
    whole = DEMO_MODEL.read_bytes()
    for size in (0, 7, 8, 100, len(whole) // 2, len(whole) - 1):
        (tmp_path / "m.safetensors").write_bytes(whole[:size])
        refused(tmp_path / "m.safetensors", tmp_path)
    for size in (len(whole) // 2, len(whole) - 1):
        (tmp_path / "m.safetensors").write_bytes(whole[:size])
        refused(tmp_path / "m.safetensors", tmp_path, f"has {size} of {len(whole)} bytes", "of 7.7 MB", "broke off")
    (tmp_path / "m.safetensors").write_bytes(whole + b"12345678")
    refused(tmp_path / "m.safetensors", tmp_path, "8 bytes follow")


def test_a_header_of_4_gigabytes_costs_no_memory(tmp_path):
    path = tmp_path / "m.safetensors"
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", 4 << 30) + b"{")
        file.truncate((4 << 30) + 100)  # sparse
    process = subprocess.Popen([PROGRAM, "inspect", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    _, status, usage = os.wait4(process.pid, 0)
    error = process.stderr.read()
    assert os.waitstatus_to_exitcode(status) == 3 and "header is longer" in error
    assert usage.ru_maxrss < 1_000_000  # kB; LibTorch alone takes a few hundred MB


def with_header(path, change):
    whole = DEMO_MODEL.read_bytes()
    length = struct.unpack("<Q", whole[:8])[0]
    header = json.loads(whole[8:8 + length])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + whole[8 + length:])


def test_overlapping_tensors(tmp_path):
    def overlap(header):
        header["ln_final.bias"]["data_offsets"] = header["ln_final.weight"]["data_offsets"]

    with_header(tmp_path / "m.safetensors", overlap)
    refused(tmp_path / "m.safetensors", tmp_path, "overlap")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(tmp_path, state, bad):
    broken = dict(state, **{"ln_final.weight": state["ln_final.weight"].clone()})
    broken["ln_final.weight"][3] = bad
    save_file(broken, tmp_path / "m.safetensors", metadata=CONFIG)
    refused(tmp_path / "m.safetensors", tmp_path, "ln_final.weight", "not finite")


def test_wrong_type(tmp_path, state):
    save_file(dict(state, **{"ln_final.weight": state["ln_final.weight"].to(torch.int32)}), tmp_path / "m.safetensors",
              metadata=CONFIG)
    refused(tmp_path / "m.safetensors", tmp_path, "ln_final.weight", "I32")


@pytest.mark.parametrize("name", ["ln_final.weight", "visual.bn1.running_var", "text_projection", "token_embedding.weight",
                                  "transformer.resblocks.1.mlp.c_fc.bias"])
def test_missing_tensor(tmp_path, state, name):
    save_file({k: v for k, v in state.items() if k != name}, tmp_path / "m.safetensors", metadata=CONFIG)
    refused(tmp_path / "m.safetensors", tmp_path)


def test_wrong_shape_and_unknown_tensor(tmp_path, state):
    save_file(dict(state, **{"ln_final.weight": torch.zeros(65)}), tmp_path / "a.safetensors", metadata=CONFIG)
    refused(tmp_path / "a.safetensors", tmp_path, "ln_final.weight", "[65]", "[64]")
    save_file(dict(state, **{"visual.layer1.0.ls.gamma": torch.zeros(3)}), tmp_path / "b.safetensors", metadata=CONFIG)
    refused(tmp_path / "b.safetensors", tmp_path, "visual.layer1.0.ls.gamma")


def test_files_that_are_something_else(tmp_path):
    strangers = {"page.pt": (b"<!DOCTYPE html><html><body>404 Not Found</body></html>", "HTML"),
                 "page.safetensors": (b"\n  <?xml version='1.0'?><Error>AccessDenied</Error>", "XML"),
                 "legacy.pt": (b"\x80\x02}q\x00.", "pickle", "convert_checkpoint.py"),
                 "protocol4.pth": (b"\x80\x04\x95\x05\0\0\0\0\0\0\0}\x94.", "pickle"),
                 "pointer.safetensors": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "LFS"),
                 "config.safetensors": (b'{"model_cfg": {}}', "JSON"),
                 "missing.safetensors": (b"Entry not found", "text ('Entry not found')"),
                 "tf_model.h5": (b"\x89HDF\r\n\x1a\n" + bytes(64), "HDF5"),
                 "flax_model.msgpack": (b"\x84\xa6params\x81", "msgpack"),
                 "model.onnx": (b"\x08\x07\x12\x07pytorch", "ONNX"),
                 "model.gguf": (b"GGUF\x03\0\0\0", "GGUF"),
                 "features.npy": (b"\x93NUMPY\x01\0", "NumPy"),
                 "model.pth.tar": (bytes(257) + b"ustar\x0000" + bytes(248), "tar archive"),
                 "model.safetensors.gz": (b"\x1f\x8b\x08" + bytes(30), "gzip"),
                 "picture.pt": (b"\x89PNG\r\n\x1a\n", "PNG"),
                 "random.bin": (bytes(range(64)), "")}
    for name, (content, *words) in strangers.items():
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name, tmp_path, *words)
    np.savez(tmp_path / "arrays.npz", a=np.zeros(3))
    refused(tmp_path / "arrays.npz", tmp_path, "PyTorch did not write", "a.npy")


def test_archives(tmp_path, state):
    torch.save(state, tmp_path / "pickle.pt")
    for options in ((), ("--trust-checkpoint",)):
        refused(tmp_path / "pickle.pt", tmp_path, "a state dict",
                f"launch/convert_checkpoint.py {tmp_path}/pickle.pt --out {tmp_path}/pickle.safetensors", options=options)
    training = {"epoch": 3, "state_dict": {f"module.{k}": v for k, v in state.items()}, "optimizer": {"state": {}}}
    for legacy in (False, True):
        torch.save(training, tmp_path / "epoch 3.pth.tar", _use_new_zipfile_serialization=not legacy)
        refused(tmp_path / "epoch 3.pth.tar", tmp_path, "a training checkpoint", "epoch, state_dict, optimizer",
                f"'{tmp_path}/epoch 3.pth.tar' --out '{tmp_path}/epoch 3.safetensors'")
    whole = (tmp_path / "pickle.pt").read_bytes()
    for name, words in (("cut.pt", ["without its end"]), ("RN50.pt", ["of 255827503 bytes", "of 256 MB"]),
                        ("ViT-B-32.pt.part", ["of 353976522 bytes"])):
        (tmp_path / name).write_bytes(whole[:len(whole) // 2])
        for options in ((), ("--trust-checkpoint",)):
            refused(tmp_path / name, tmp_path, "broke off", *words, options=options)
            assert "trust" not in text_of(tmp_path / name, tmp_path, *options).err
    damaged = bytearray(whole)
    damaged[-40:-30] = bytes(10)  # in the directory's last part, before the end
    (tmp_path / "damaged.pt").write_bytes(damaged)
    assert text_of(tmp_path / "damaged.pt", tmp_path).code == 3

    class Other(torch.nn.Module):
        def forward(self, x):
            return x

    torch.jit.script(Other()).save(str(tmp_path / "other.pt"))
    refused(tmp_path / "other.pt", tmp_path, "no CLIP image and text encoder", options=["--trust-checkpoint"])
    refused(tmp_path / "other.pt", tmp_path, "--trust-checkpoint")


def metadata():
    with safe_open(DEMO_MODEL, "pt") as file:
        return file.metadata()


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


@pytest.mark.parametrize("name,words", [
    ("vision_model.head.probe", "SigLIP"), ("logit_bias", "SigLIP"), ("text_decoder.bert.x", "BLIP"), ("qformer.x", "BLIP-2"),
    ("visual.layer1.0.conv1.lora_A.weight", "LoRA"), ("visual.trunk.stem.weight", "timm"), ("text.transformer.x", "CustomTextCLIP"),
    ("embeddings.cls_token", "without text"), ("model.diffusion_model.x", "Stable Diffusion"),
    ("transformer.resblocks.0.attn.in_proj.qweight", "quantised"), ("model.embed_tokens.weight", "language model")])
def test_other_models_are_named(tmp_path, state, name, words):
    save_file(dict(state, **{name: torch.zeros(3)}), tmp_path / "a.safetensors", metadata=CONFIG)
    result = text_of(tmp_path / "a.safetensors", tmp_path)
    assert result.code == 3 and words in result.errors[-1] and "'" in result.errors[-1], result.err


def test_other_models_without_a_sign_of_clip(tmp_path):
    save_file({"blocks.0.cls_token": torch.zeros(3)}, tmp_path / "b.safetensors")
    refused(tmp_path / "b.safetensors", tmp_path, "without text")
    (tmp_path / "config.json").write_text('{"model_type": "siglip"}')
    save_file({"some.weight": torch.zeros(3)}, tmp_path / "c.safetensors")
    refused(tmp_path / "c.safetensors", tmp_path, 'config.json says model_type "siglip"')


@pytest.mark.parametrize("kind,named", [(torch.float8_e4m3fn, "F8_E4M3"), (torch.int8, "I8"), (torch.complex64, "C64")])
def test_types_that_weights_cannot_be(tmp_path, state, kind, named):
    name = "transformer.resblocks.0.mlp.c_fc.weight"
    save_file(dict(state, **{name: state[name].to(kind)}), tmp_path / "m.safetensors", metadata=CONFIG)
    refused(tmp_path / "m.safetensors", tmp_path, name, named, "quantised")
    assert run("inspect", tmp_path / "m.safetensors").code == 3  # before anything is computed


def test_one_encoder_alone(tmp_path, state, demo, digits):
    image = {k: v for k, v in load_file(DEMO_MODEL).items() if k.startswith("visual.")}
    text = {k: v for k, v in load_file(DEMO_MODEL).items() if not k.startswith("visual.")}
    save_file(image, tmp_path / "image.safetensors", metadata=metadata())
    save_file(text, tmp_path / "text.safetensors", metadata=metadata())
    shown = run_ok("inspect", tmp_path / "image.safetensors", json_path=tmp_path / "i.json").json
    assert shown["encoders"] == ["image"] and "image encoder only" in shown["remarks"][0]
    run_ok("extract", "--model", tmp_path / "image.safetensors", "--images", digits / "val", "--out", tmp_path / "v.h5", "--quiet")
    run_ok("text", "--model", tmp_path / "text.safetensors", "--classnames", digits / "classnames.txt", "--templates",
           DEMO_TEMPLATES, "--out", tmp_path / "t.h5", "--quiet")
    for ours, whole, name in ((tmp_path / "v.h5", demo / "val.h5", "features"), (tmp_path / "t.h5", demo / "text.h5", "text")):
        with h5py.File(ours) as a, h5py.File(whole) as b:
            assert np.array_equal(a[name][:], b[name][:])
    result = text_of(tmp_path / "image.safetensors", tmp_path)
    assert result.code == 3 and "image encoder only" in result.errors[-1]
    result = run("extract", "--model", tmp_path / "text.safetensors", "--images", digits / "val", "--out", tmp_path / "x.h5")
    assert result.code == 3 and "text encoder only" in result.errors[-1] and not (tmp_path / "x.h5").exists()


def test_names_are_found(tmp_path, monkeypatch):
    monkeypatch.setenv("CLIPSWEEP_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "models").mkdir()
    (tmp_path / "home/.cache/clip").mkdir(parents=True)
    shutil.copy(DEMO_MODEL, tmp_path / "models/ViT-B-32.safetensors")
    assert "ViT-B-32.safetensors" in run_ok("inspect", "ViT-B/32").out
    (tmp_path / "models/folder").mkdir()
    shutil.copy(DEMO_MODEL, tmp_path / "models/folder/model.safetensors")
    assert "folder/model.safetensors" in run_ok("inspect", "folder").out
    missing = run("inspect", "ViT-L/14@336px")
    assert missing.code == 3 and str(tmp_path / "home/.cache/clip/ViT-L-14-336px.pt") in missing.errors[0]
    shutil.copy(DEMO_MODEL, tmp_path / "home/.cache/clip/ViT-L-14-336px.pt")
    assert "ViT-L-14-336px.pt" in run_ok("inspect", "ViT-L/14@336px").out


def test_similarity(digits, tmp_path):
    texts = tmp_path / "texts.txt"
    texts.write_text('three\nseven\n<script>alert("1")</script>\n=1+1\n', encoding="utf-8")
    images = [sorted((digits / "test" / c).iterdir())[0] for c in sorted(os.listdir(digits / "test"))[:4]]
    options = ["--model", DEMO_MODEL, "--images", *images, "--texts", texts, "--template", DEMO_TEMPLATES.read_text().split("\n")[0],
               "--out", tmp_path / "s.html", "--csv", tmp_path / "s.csv"]
    shown = run_ok("similarity", *options, json_path=tmp_path / "s.json").json
    page = (tmp_path / "s.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 4 and page.count("<rect") == 16
    assert "<script" not in page and "&lt;script&gt;" in page and "default-src 'none'" in page
    assert '"\'=1+1"' in (tmp_path / "s.csv").read_text()
    cosines = np.array(shown["cosines"])
    assert cosines.shape == (4, 4) and np.abs(cosines).max() <= 1.0001
    assert np.allclose(np.array(shown["probabilities"]).sum(0), 1, atol=1e-5)
    again = run_ok("similarity", *options, np=2, json_path=tmp_path / "s2.json").json
    assert again["cosines"] == shown["cosines"]
    nothing = run("similarity", "--model", DEMO_MODEL, "--images", tmp_path / "none.png", "--texts", texts, "--out", tmp_path / "x.html")
    assert nothing.code == 3 and "none.png" in nothing.errors[0]


def test_workers_and_threads_change_no_byte(digits, tmp_path):
    seen = set()
    for threads, workers in ((1, 1), (2, 5), (3, 1)):
        seen.add(run_ok("extract", "--model", DEMO_MODEL, "--images", digits / "val", "--out", tmp_path / "v.h5", "--fresh",
                        "--threads", threads, "--workers", workers, json_path=tmp_path / "e.json").json["sha256"])
    assert len(seen) == 1


def test_hostile_configuration(tmp_path, state):
    """Values nested too deep to copy, sizes of another model, none at all."""
    deep = '{"model_cfg":{"x":' + "[" * 400_000 + "]" * 400_000 + "}}"
    save_file(state, tmp_path / "a.safetensors", metadata={"open_clip_config": deep})
    refused(tmp_path / "a.safetensors", tmp_path, "nested too deep")
    (tmp_path / "m").mkdir()
    save_file(state, tmp_path / "m/b.safetensors")
    warned = run("inspect", tmp_path / "m/b.safetensors")
    assert warned.code == 0 and "heads are taken to be 64 channels wide" in warned.err
    unsaid = text_of(tmp_path / "m/b.safetensors", tmp_path)
    assert unsaid.code == 3 and len(unsaid.errors) == 1 and "--activation" in unsaid.errors[0]
    sizes = {"model_cfg": {"embed_dim": 128, "quick_gelu": True, "vision_cfg": {"image_size": 64, "width": 10},
                           "text_cfg": {"width": 64, "heads": 1}}}
    (tmp_path / "m/open_clip_config.json").write_text(json.dumps(sizes))
    assert text_of(tmp_path / "m/b.safetensors", tmp_path).code == 0
    sizes["model_cfg"]["vision_cfg"]["image_size"] = 224
    (tmp_path / "m/open_clip_config.json").write_text(json.dumps(sizes))
    refused(tmp_path / "m/b.safetensors", tmp_path, "image_size", "224", "64")


def test_very_long_text_is_refused(tmp_path):
    (tmp_path / "t.txt").write_text("&amp;" + "amp;" * 20_000 + "\n")
    result = run("tokenize", "--file", tmp_path / "t.txt")
    assert result.code == 3 and "longer than the 16384 allowed" in result.errors[0]


PIXELS = {"crop_size": {"height": 32, "width": 32}, "do_center_crop": True, "do_convert_rgb": True, "do_normalize": True,
          "do_rescale": True, "do_resize": True, "image_mean": [0.5, 0.4, 0.3], "image_processor_type": "CLIPImageProcessor",
          "image_std": [0.25, 0.26, 0.27], "resample": 3, "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": 32}}


@pytest.fixture(scope="session")
def small_clip(tmp_path_factory):
    """A CLIPModel of transformers, 64 wide, on pictures of 32 pixels; tests copy the folder."""
    from transformers import CLIPConfig, CLIPModel
    torch.manual_seed(0)
    part = {"hidden_size": 64, "intermediate_size": 32, "num_attention_heads": 1, "num_hidden_layers": 1, "projection_dim": 8}
    config = CLIPConfig(text_config=dict(part), vision_config=dict(part, patch_size=16, image_size=32), projection_dim=8)
    folder = tmp_path_factory.mktemp("small") / "clip"
    CLIPModel(config).half().save_pretrained(folder)
    return folder


@pytest.fixture
def small(small_clip, tmp_path):
    return shutil.copytree(small_clip, tmp_path / "clip")


def preprocess_of(folder, tmp_path):
    shown = run_ok("inspect", folder, json_path=tmp_path / "i.json").json
    return shown["preprocess"], shown["remarks"]


def test_pixels_of_transformers_5(small, tmp_path):
    """What transformers' own CLIPImageProcessor and CLIPProcessor save, and what it reads where both are there."""
    from transformers import CLIPImageProcessor
    seen, remarks = preprocess_of(small, tmp_path)
    assert seen["from"] == "CLIP's own" and len(remarks) == 1 and "preprocessor_config.json" in remarks[0]
    assert "CLIP's own mean" in run("inspect", small).err
    (small / "processor_config.json").write_text(json.dumps({"image_processor": PIXELS, "processor_class": "CLIPProcessor"}))
    seen, remarks = preprocess_of(small, tmp_path)
    assert np.allclose(seen["mean"], PIXELS["image_mean"]) and np.allclose(seen["std"], PIXELS["image_std"])
    assert seen["from"].endswith("processor_config.json image_processor") and not remarks
    older = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}, image_mean=[0.1, 0.2, 0.3])
    older.save_pretrained(small)
    seen, remarks = preprocess_of(small, tmp_path)
    theirs = CLIPImageProcessor.from_pretrained(small)
    assert np.allclose(seen["mean"], theirs.image_mean) and np.allclose(seen["mean"], PIXELS["image_mean"])
    assert len(remarks) == 1 and "image_mean differs" in remarks[0]
    (small / "processor_config.json").write_text(json.dumps({"processor_class": "CLIPProcessor"}))  # not nested: the older counts
    seen, remarks = preprocess_of(small, tmp_path)
    assert np.allclose(seen["mean"], [0.1, 0.2, 0.3]) and not remarks
    (small / "config.json").unlink()  # they count without it too
    assert np.allclose(preprocess_of(small, tmp_path)[0]["mean"], [0.1, 0.2, 0.3])


REFUSED_PIXELS = {"do_resize": False, "do_center_crop": False, "do_rescale": False, "do_normalize": False, "do_convert_rgb": False,
                  "resample": 2, "rescale_factor": 0.01, "size": {"height": 32, "width": 32}, "crop_size": {"height": 32, "width": 48},
                  "image_mean": [0.5], "image_std": [0, 1, 1], "image_processor_type": "SiglipImageProcessor",
                  "do_pad": True, "some_new_step": 3}


@pytest.mark.parametrize("name", ["processor_config.json", "preprocessor_config.json"])
def test_pixels_that_are_not_computed(small, tmp_path, name):
    def write(pixels):
        (small / name).write_text(json.dumps({"image_processor": pixels} if name.startswith("processor") else pixels))

    cases = {**REFUSED_PIXELS, "size ": {"shortest_edge": 36}, "size  ": 48, "size   ": [32, 32]}
    for key, value in list(cases.items())[:len(cases) if name.startswith("pre") else 4]:
        write(dict(PIXELS, **{key.strip(): value}))
        result = run("inspect", small)
        assert result.code == 3 and len(result.errors) == 1 and key.strip() in result.errors[0], (key, result.err)
        assert name in result.errors[0]
    write(dict(PIXELS, size=32, crop_size=32, do_pad=False, do_resize=None, data_format="channels_first"))
    assert run("inspect", small).code == 0


def test_pixels_of_open_clip(tmp_path, state):
    model = json.loads(metadata()["open_clip_config"])
    good = {"size": 64, "mode": "RGB", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bicubic",
            "resize_mode": "shortest", "fill_color": 0}
    save_file(state, tmp_path / "open_clip_model.safetensors")

    def write(**changes):
        (tmp_path / "open_clip_config.json").write_text(json.dumps(dict(model, preprocess_cfg=dict(good, **changes))))

    write(size=[64, 64])
    assert np.allclose(preprocess_of(tmp_path, tmp_path)[0]["mean"], 0.5)
    for key, value in (("size", 224), ("size", [64, 32]), ("mode", "L"), ("interpolation", "bilinear"), ("resize_mode", "squash"),
                       ("mean", 0.5), ("std", None), ("new_step", 1)):
        write(**{key: value})
        result = run("inspect", tmp_path)
        assert (result.code == 0) == (value is None) and (value is None or key in result.errors[0]), result.err
    (tmp_path / "open_clip_config.json").write_text(json.dumps(model))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(dict(PIXELS, size=64, crop_size=64)))
    assert np.allclose(preprocess_of(tmp_path, tmp_path)[0]["mean"], PIXELS["image_mean"])


def test_encoders_of_transformers_alone(small, digits, tmp_path):
    """CLIPVisionModelWithProjection and CLIPTextModelWithProjection, as transformers saves them."""
    from transformers import CLIPTextModelWithProjection, CLIPVisionModelWithProjection
    (small / "preprocessor_config.json").write_text(json.dumps(PIXELS))
    run_ok("extract", "--model", small, "--images", digits / "val", "--out", tmp_path / "whole.h5", "--quiet")
    for kind, encoder in ((CLIPVisionModelWithProjection, "image"), (CLIPTextModelWithProjection, "text")):
        folder = tmp_path / encoder
        kind.from_pretrained(small, dtype=torch.float16).save_pretrained(folder)
        (folder / "preprocessor_config.json").write_text(json.dumps(PIXELS))
        shown = run_ok("inspect", folder, json_path=tmp_path / "i.json").json
        assert shown["encoders"] == [encoder] and shown["activation"] == "quickgelu"
    run_ok("extract", "--model", tmp_path / "image", "--images", digits / "val", "--out", tmp_path / "v.h5", "--quiet")
    with h5py.File(tmp_path / "v.h5") as a, h5py.File(tmp_path / "whole.h5") as b:
        assert np.array_equal(a["features"][:], b["features"][:])
    result = text_of(tmp_path / "image", tmp_path)
    assert result.code == 3 and "image encoder only" in result.errors[-1]


def test_shards_of_transformers(small, digits, tmp_path):
    """Shards as save_pretrained makes them, with Hugging Face's names."""
    from transformers import CLIPModel
    CLIPModel.from_pretrained(small, dtype=torch.float16).save_pretrained(tmp_path / "s", max_shard_size="100KB")
    assert len(list((tmp_path / "s").glob("model-*.safetensors"))) > 1
    for folder in (small, tmp_path / "s"):
        (folder / "preprocessor_config.json").write_text(json.dumps(PIXELS))
        run_ok("extract", "--model", folder, "--images", digits / "val", "--out", tmp_path / f"{folder.name}.h5", "--quiet")
    with h5py.File(tmp_path / "clip.h5") as a, h5py.File(tmp_path / "s.h5") as b:
        assert np.array_equal(a["features"][:], b["features"][:])


def test_quantised_by_configuration(small):
    config = json.loads((small / "config.json").read_text())
    (small / "config.json").write_text(json.dumps(dict(config, quantization_config={"load_in_8bit": True})))
    result = run("inspect", small)
    assert result.code == 3 and "quantization_config" in result.errors[0]
    (small / "config.json").write_text(json.dumps(dict(config, model_type="siglip")))
    result = run("inspect", small)
    assert result.code == 3 and "model_type" in result.errors[0] and "siglip" in result.errors[0]
