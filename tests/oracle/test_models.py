"""Image and text features equal open_clip's, for each architecture and each form of checkpoint."""
import json
import shutil

import h5py
import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import models
from conftest import FULL, run, run_ok

TEXTS = ["tench", "great white shark", "coral reef", "tiger"]
NAMES = ["RN50", "RN101", "RN50x4", "RN50x16", "RN50x64", "ViT-B-32", "ViT-B-16", "ViT-L-14", "ViT-L-14-336"]
LARGE = ("RN50x16", "RN50x64", "ViT-L-14", "ViT-L-14-336")
WHOLE = NAMES if FULL else ()  # the others have two blocks a stage: all sizes, heads and names, less depth
LAYERS = None if FULL else 2
KNOWN = {"ViT-B-32": "ViT-B/32", "ViT-B-16": "ViT-B/16", "ViT-L-14": "ViT-L/14", "ViT-L-14-336": "ViT-L/14@336px"}


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    return {n: models.noise_images(tmp_path_factory.mktemp("pictures"), n) for n in (2, 6)}


def image_features(checkpoint, images, tmp_path, *options):
    """Our features and the images they are of."""
    out = tmp_path / "features.h5"
    run_ok("extract", "--model", checkpoint, "--images", images, "--out", out, "--quiet", "--fresh", *options)
    with h5py.File(out) as file:
        return file["features"][:], [images / p.decode() for p in file["paths"][:]]


def text_features(checkpoint, tmp_path, *options):
    names = tmp_path / "names.txt"
    names.write_text("".join(f"{t}\n" for t in TEXTS))
    out = tmp_path / "text.h5"
    run_ok("text", "--model", checkpoint, "--classnames", names, "--templates", "imagenet-7", "--out", out, "--quiet",
           "--fresh", *options)
    with h5py.File(out) as file:
        return file["text"][:], [t.decode() for t in file["templates"][:]]


def reference_images(model, paths, **transform):
    transform = open_clip.image_transform(models.image_size(model), is_train=False, **transform)
    with torch.no_grad():
        parts = [model.encode_image(torch.stack([transform(Image.open(p)) for p in paths[at:at + 16]]))
                 for at in range(0, len(paths), 16)]
    return torch.cat(parts).numpy()


def reference_texts(model, templates):
    tokenizer = open_clip.get_tokenizer("RN50")
    with torch.no_grad():
        rows = [torch.nn.functional.normalize(model.encode_text(tokenizer([t.format(n) for t in templates])))
                for n in TEXTS]
        return torch.nn.functional.normalize(torch.stack([r.mean(0) for r in rows])).numpy()


def relative(ours, theirs):
    return np.abs(ours - theirs).max() / np.abs(theirs).max()


def check(model, checkpoint, images, tmp_path, *options, bound=1e-4):
    ours, paths = image_features(checkpoint, images, tmp_path, *options)
    theirs = reference_images(model, paths)
    assert relative(ours, theirs) < bound
    # Random networks give all pictures much in common: what tells them apart must be right too.
    assert relative(ours - ours.mean(0), theirs - theirs.mean(0)) < 10 * bound
    texts, templates = text_features(checkpoint, tmp_path, *options)
    assert relative(texts, reference_texts(model, templates)) < bound


@pytest.mark.parametrize("name", NAMES)
def test_every_architecture_in_every_form(name, pictures, tmp_path):
    large = name in LARGE
    images = pictures[2 if large else 6]
    model = models.random_model(name, half=large, layers=None if name in WHOLE else 2)
    config = {"model_cfg": {"quick_gelu": True, "text_cfg": {"heads": model.transformer.resblocks[0].attn.num_heads}}}
    forms = {"open_clip": lambda f: (models.save_open_clip(model, f, large, config), ()),
             "openai": lambda f: (models.save_openai(model, f, large), ("--trust-checkpoint",))}
    if name.startswith("ViT"):  # Hugging Face's CLIPModel has no ResNets
        forms["hugging_face"] = lambda f: (models.save_hugging_face(model, f), ())
    parameters = sum(p.numel() for p in model.parameters())
    if name not in WHOLE and name not in ("RN50", "ViT-B-32"):  # forms differ in names, which all of a family share: one in turn
        form = sorted(forms)[NAMES.index(name) % len(forms)]
        forms = {form: forms[form]}
    for form, save in forms.items():
        checkpoint, options = save(tmp_path / form)
        check(model, checkpoint, images, tmp_path, *options)
        shown = run_ok("inspect", checkpoint, *options, json_path=tmp_path / "i.json").json
        assert name not in WHOLE or shown["model"] == KNOWN.get(name, name)
        assert shown["parameters"] == parameters
        assert shown["input_resolution"] == models.image_size(model)
        shutil.rmtree(tmp_path / form)


@pytest.mark.parametrize("name", NAMES)
def test_every_architecture_is_known_by_its_shapes(name, tmp_path):
    checkpoint, parameters = models.save_shapes(name, tmp_path)
    shown = run_ok("inspect", checkpoint, json_path=tmp_path / "i.json").json
    assert shown["model"] == KNOWN.get(name, name)
    assert shown["parameters"] == parameters


def test_rn50_has_the_published_sizes(tmp_path):
    checkpoint, _ = models.save_shapes("RN50", tmp_path)
    shown = run_ok("inspect", checkpoint, json_path=tmp_path / "i.json").json
    assert (shown["parameters"], shown["input_resolution"], shown["context_length"], shown["vocab_size"]) == \
        (102_007_137, 224, 77, 49408)


@pytest.mark.parametrize("name", ["RN50", "ViT-B-32"])
def test_gelu_comes_from_the_configuration(name, pictures, tmp_path):
    """As for ViT-B/32 trained on LAION: open_clip's configuration says nothing of QuickGELU, which means GELU."""
    model = models.random_model(name, quick_gelu=False, layers=LAYERS)
    checkpoint = models.save_open_clip(model, tmp_path / "a", config={"model_cfg": {"text_cfg": {"heads": 8}}})
    check(model, checkpoint, pictures[2], tmp_path)
    (tmp_path / "a/open_clip_config.json").unlink()
    check(model, checkpoint, pictures[2], tmp_path, "--activation", "gelu")
    refused = run("text", "--model", checkpoint, "--classnames", tmp_path / "names.txt", "--out", tmp_path / "b.h5")
    assert refused.code == 3 and "--activation" in refused.errors[0]


def test_gelu_of_hugging_face(pictures, tmp_path):
    model = models.random_model("ViT-B-32", quick_gelu=False, layers=LAYERS)
    folder = models.save_hugging_face(model, tmp_path / "hf", quick_gelu=False).parent
    check(model, folder, pictures[2], tmp_path)

    def refused(*words):
        result = run("inspect", folder)
        assert result.code == 3 and len(result.errors) == 1, result.err
        assert all(word in result.errors[0] for word in words), result.errors[0]

    (folder / "preprocessor_config.json").write_text(json.dumps({"do_normalize": False}))
    refused("do_normalize")
    (folder / "preprocessor_config.json").write_text(json.dumps({"size": {"shortest_edge": 224}, "crop_size": 112}))
    refused("crop_size", "112", "224")
    (folder / "preprocessor_config.json").unlink()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(dict(config, text_config_dict={"hidden_act": "quick_gelu"})))
    refused("hidden_act")
    (folder / "config.json").write_text(json.dumps(config))
    state = load_file(folder / "model.safetensors")
    name = "text_model.encoder.layers.0.self_attn.q_proj.bias"
    save_file(dict(state, **{name: torch.tensor(0.0)}), folder / "model.safetensors")
    refused("attn.in_proj_bias")


def test_heads_and_colours_come_from_the_configuration(pictures, tmp_path):
    """ViT-H has heads of 80 channels, some of LAION's models other colour statistics; no tensor tells."""
    vision = {"image_size": 64, "layers": 2, "width": 160, "head_width": 80, "patch_size": 16, "mlp_ratio": 3.0}
    text = {"context_length": 77, "vocab_size": 49408, "width": 96, "heads": 3, "layers": 2}
    torch.manual_seed(3)
    model = open_clip.CLIP(embed_dim=64, vision_cfg=open_clip.CLIPVisionCfg(**vision),
                           text_cfg=open_clip.CLIPTextCfg(**text)).eval()
    colours = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.26, 0.27], "interpolation": "bicubic", "resize_mode": "shortest"}
    config = {"model_cfg": {"embed_dim": 64, "vision_cfg": vision, "text_cfg": text}, "preprocess_cfg": colours}
    checkpoint = models.save_open_clip(model, tmp_path / "a", config=config)
    ours, paths = image_features(checkpoint, pictures[6], tmp_path)
    assert relative(ours, reference_images(model, paths, mean=colours["mean"], std=colours["std"])) < 1e-4
    texts, templates = text_features(checkpoint, tmp_path)
    assert relative(texts, reference_texts(model, templates)) < 1e-4

    for change, word in ((("vision_cfg", "pool_type", "avg"), "pool_type"), (("vision_cfg", "no_ln_pre", True), "no_ln_pre"),
                         (("text_cfg", "no_causal_mask", True), "no_causal_mask"),
                         (("text_cfg", "hf_model_name", "bert"), "hf_model_name")):
        part, key, value = change
        wrong = json.loads(json.dumps(config))
        wrong["model_cfg"][part][key] = value
        (tmp_path / "a/open_clip_config.json").write_text(json.dumps(wrong))
        refused = run("inspect", checkpoint)
        assert refused.code == 3 and word in refused.errors[0], refused.err


@pytest.mark.parametrize("name", ["ViT-B-32", "RN50"])
def test_bfloat16_stays_near(name, pictures, tmp_path):
    model = models.random_model(name)
    checkpoint = models.save_open_clip(model, tmp_path / "a", config={"model_cfg": {"quick_gelu": True}})
    ours, paths = image_features(checkpoint, pictures[2], tmp_path, "--precision", "bf16")
    theirs = reference_images(model, paths)
    assert 1e-6 < relative(ours, theirs) < 0.05


def test_float16_is_refused_on_a_cpu(pictures, tmp_path):
    model = models.random_model("ViT-B-32")
    checkpoint = models.save_open_clip(model, tmp_path / "a", config={"model_cfg": {"quick_gelu": True}})
    result = run("extract", "--model", checkpoint, "--images", pictures[2], "--out", tmp_path / "a.h5", "--device", "cpu",
                 "--precision", "f16")
    assert result.code == 2 and len(result.errors) == 1, result.err
    assert "--precision f16" in result.errors[0] and "bf16" in result.errors[0]
    assert not (tmp_path / "a.h5").exists()


def test_real_photographs(data, tmp_path):
    """The whole RN50."""
    images = data("imagenette") / "val"
    if not FULL:
        for number, path in enumerate(sorted(images.rglob("*.JPEG"))):
            if number % 10 == 0:
                (tmp_path / "some" / path.parent.name).mkdir(parents=True, exist_ok=True)
                (tmp_path / "some" / path.parent.name / path.name).symlink_to(path)
        images = tmp_path / "some"
    transform = open_clip.image_transform(224, is_train=False)
    seen = torch.stack([transform(Image.open(p)) for p in sorted(images.rglob("*.JPEG"))[::19 if FULL else 2]])
    model = models.random_model("RN50", images=seen)
    checkpoint = models.save_open_clip(model, tmp_path, config={"model_cfg": {"quick_gelu": True}})
    ours, paths = image_features(checkpoint, images, tmp_path)
    theirs = reference_images(model, paths)

    def cosine(a, b):
        return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)

    plain, centred = cosine(ours, theirs), cosine(ours - theirs.mean(0), theirs - theirs.mean(0))
    print(f"{len(plain)} photographs: least cosine {plain.min():.7f}, about the mean {centred.min():.7f}, "
          f"relative error {relative(ours, theirs):.2e}")
    assert len(plain) == (600 if FULL else 60)
    assert plain.min() >= 0.99999
    assert centred.min() >= 0.9999
