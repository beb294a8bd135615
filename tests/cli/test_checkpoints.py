"""Checkpoints that are none, are damaged or are another's: one line, exit 3, little memory."""
import json
import os
import shutil
import struct

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from checkpoint_tools import CONFIG, metadata, refused, state, text_of  # noqa: F401
from conftest import DEMO_MODEL, DEMO_TEMPLATES, command_line, measured, run, run_ok


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
    done = measured(command_line(["inspect", path]))
    assert done.code == 3 and "header is longer" in done.errors
    assert done.memory < 1 << 30  # LibTorch alone takes a few hundred MB


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
        refused(tmp_path / "pickle.pt", tmp_path, "a pickle of torch.save",
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
