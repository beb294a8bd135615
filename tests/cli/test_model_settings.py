"""Pixels, encoders and weights as a model's configuration states them."""
import json
import shutil

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from checkpoint_tools import metadata, state, text_of  # noqa: F401
from conftest import run, run_ok


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
