"""Checkpoints that are none, are damaged or are another's: one line, exit 3, little memory."""
import json
import os
import shutil
import struct
import subprocess

import numpy as np
import pytest
import torch
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
                 "legacy.pt": (b"\x80\x02}q\x00.", "pickle"),
                 "pointer.safetensors": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "LFS"),
                 "config.safetensors": (b'{"model_cfg": {}}', "JSON"),
                 "random.bin": (bytes(range(64)), "")}
    for name, (content, word) in strangers.items():
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name, tmp_path, word)


def test_archives(tmp_path, state):
    torch.save(state, tmp_path / "pickle.pt")
    refused(tmp_path / "pickle.pt", tmp_path, "--trust-checkpoint")
    refused(tmp_path / "pickle.pt", tmp_path, "not a TorchScript archive", options=["--trust-checkpoint"])
    whole = (tmp_path / "pickle.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(whole[:len(whole) // 2])
    refused(tmp_path / "cut.pt", tmp_path, "damaged", options=["--trust-checkpoint"])

    class Other(torch.nn.Module):
        def forward(self, x):
            return x

    torch.jit.script(Other()).save(str(tmp_path / "other.pt"))
    refused(tmp_path / "other.pt", tmp_path, "no CLIP image and text encoder", options=["--trust-checkpoint"])


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
