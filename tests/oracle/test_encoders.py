"""Features equal open_clip's, preprocess included, on real photographs where they are present."""
import json

import h5py
import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from conftest import run_ok

TEXTS = ["tench", "great white shark", "coral reef", "tiger"]


def export(name, folder, images, quick_gelu=True, dtype=torch.float32):
    """A randomly initialised model whose batch norms have seen `images`, so that features differ by picture."""
    torch.manual_seed(0)
    model = open_clip.create_model(name, force_quick_gelu=quick_gelu)
    with torch.no_grad():
        for p in model.visual.parameters():
            if p.ndim == 1:
                p.add_(0.1 * torch.randn_like(p))
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = None  # plain average of what it sees
        model.visual.train()
        model.visual(images)
        model.visual.eval()
    model.eval()
    path = folder / f"{name}.safetensors"
    state = {k: v.to(dtype).contiguous() for k, v in model.state_dict().items() if v.is_floating_point()}
    config = {"model_cfg": {"quick_gelu": quick_gelu}}
    save_file(state, path, metadata={"open_clip_config": json.dumps(config)})
    model.load_state_dict({k: v.float() for k, v in state.items()}, strict=False)
    return path, model.eval()


def noise_images(folder, count, size=300):
    """Smooth random pictures for where photographs are absent."""
    rng = np.random.default_rng(0)
    for i in range(count):
        (folder / f"class{i % 2}").mkdir(parents=True, exist_ok=True)
        small = rng.integers(0, 256, (6 + i, 8, 3), dtype=np.uint8)
        Image.fromarray(small).resize((size, size + 20 * i), Image.BICUBIC).save(folder / f"class{i % 2}/{i}.png")
    return folder


def preprocess_of(model):
    size = model.visual.image_size
    return open_clip.image_transform(size if isinstance(size, int) else size[0], is_train=False)


def reference(model, paths):
    transform = preprocess_of(model)
    features = []
    with torch.no_grad():
        for at in range(0, len(paths), 16):
            batch = torch.stack([transform(Image.open(p)) for p in paths[at:at + 16]])
            features.append(model.encode_image(batch))
    return torch.cat(features).numpy()


def cosines(a, b):
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def check_images(model, checkpoint, images, out):
    run_ok("extract", "--model", checkpoint, "--images", images, "--out", out, "--quiet")
    with h5py.File(out) as file:
        ours = file["features"][:]
        paths = [images / p.decode() for p in file["paths"][:]]
    theirs = reference(model, paths)
    # Beside the plain cosine, the cosine about the mean picture: random networks give all pictures much in common.
    centre = theirs.mean(0)
    return cosines(ours, theirs), cosines(ours - centre, theirs - centre)


def check_texts(model, checkpoint, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("".join(f"{t}\n" for t in TEXTS))
    run_ok("text", "--model", checkpoint, "--classnames", names, "--templates", "imagenet-7", "--out",
           tmp_path / "text.h5", "--quiet")
    with h5py.File(tmp_path / "text.h5") as file:
        ours = file["text"][:]
        templates = [t.decode() for t in file["templates"][:]]
    tokenizer = open_clip.get_tokenizer("RN50")
    with torch.no_grad():
        rows = [torch.nn.functional.normalize(model.encode_text(tokenizer([t.format(n) for t in templates])))
                for n in TEXTS]
        theirs = torch.nn.functional.normalize(torch.stack([r.mean(0) for r in rows])).numpy()
    return np.abs(ours - theirs).max() / np.abs(theirs).max()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    return noise_images(tmp_path_factory.mktemp("pictures"), 6)


def sample_batch(size):
    torch.manual_seed(1)
    return torch.nn.functional.interpolate(torch.randn(8, 3, 12, 12), (size, size), mode="bicubic")


@pytest.mark.parametrize("name,size", [("RN50", 224), ("RN101", 224), ("RN50x4", 288), ("RN50x16", 384),
                                       ("RN50x64", 448)])
def test_every_resnet(name, size, pictures, tmp_path):
    large = size >= 384
    checkpoint, model = export(name, tmp_path, sample_batch(size)[:2 if large else 8],
                               dtype=torch.float16 if large else torch.float32)
    plain, centred = check_images(model, checkpoint, pictures, tmp_path / "f.h5")
    assert plain.min() >= 0.99999, plain
    assert centred.min() >= 0.999, centred
    assert check_texts(model, checkpoint, tmp_path) < 1e-4


def test_gelu_comes_from_the_configuration(pictures, tmp_path):
    checkpoint, model = export("RN50", tmp_path, sample_batch(224), quick_gelu=False)
    assert check_texts(model, checkpoint, tmp_path) < 1e-4


def test_real_photographs(data, tmp_path):
    images = data("imagenette") / "val"
    batch = torch.stack([open_clip.image_transform(224, is_train=False)(Image.open(p))
                         for p in sorted(images.rglob("*.JPEG"))[::19]])
    checkpoint, model = export("RN50", tmp_path, batch)
    plain, centred = check_images(model, checkpoint, images, tmp_path / "f.h5")
    print(f"{len(plain)} photographs: least cosine {plain.min():.7f}, about the mean {centred.min():.7f}")
    assert len(plain) == 600
    assert plain.min() >= 0.99999
    assert centred.min() >= 0.9999
