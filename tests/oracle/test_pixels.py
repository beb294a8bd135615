"""Decoding and the transform give the same bytes as Pillow."""
import subprocess

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import CenterCrop, InterpolationMode, Resize

from conftest import BUILD


def ours(paths, n, tmp_path):
    out = tmp_path / "pixels.bin"
    process = subprocess.run([BUILD / "tests" / "dump_pixels", str(n), out, *map(str, paths)], capture_output=True, text=True,
                             check=True)
    lines = process.stdout.splitlines()
    pixels = np.fromfile(out, dtype=np.uint8).reshape(-1, n, n, 3)
    it = iter(pixels)
    return [(line, next(it) if line == "ok" else None) for line in lines]


def pillow(path, n):
    with Image.open(path) as image:
        image.load()
        rgb = image.convert("RGB")
    square = CenterCrop(n)(Resize(n, interpolation=InterpolationMode.BICUBIC)(rgb))
    return np.asarray(square)


@pytest.mark.parametrize("n", [224, 288])
def test_photographs(data, tmp_path, n):
    paths = sorted(data("photos").glob("*.JPEG"))
    off, total, worst = 0, 0, 0
    for path, (line, got) in zip(paths, ours(paths, n, tmp_path), strict=True):
        assert line == "ok", (path, line)
        gap = np.abs(got.astype(int) - pillow(path, n).astype(int))
        worst = max(worst, gap.max())
        off += (gap > 0).sum()
        total += gap.size
    print(f"{len(paths)} photographs at {n}: {100 * off / total:.3f} % of the values differ, at most by {worst}")
    assert worst == 0


def test_odd_and_broken_pictures(data, tmp_path):
    """The same pictures open and the same are refused as in Pillow; what opens looks the same."""
    paths = sorted(p for p in data("badimages").iterdir() if p.suffix in (".jpg", ".png"))
    assert len(paths) == 23
    for path, (line, got) in zip(paths, ours(paths, 64, tmp_path), strict=True):
        try:
            want = pillow(path, 64)
        except Exception as error:  # Pillow raises OSError, SyntaxError, ValueError and more
            assert line.startswith("refused: "), f"{path.name}: Pillow refuses ({error}), we do not"
            continue
        assert line == "ok", f"{path.name}: Pillow opens it, we say {line}"
        assert np.array_equal(got, want), path.name


WRITABLE = [(mode, "png") for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")]
WRITABLE += [(mode, "jpg") for mode in ("1", "L", "RGB", "CMYK")]
WRITABLE += [(mode, "webp") for mode in ("L", "RGB", "RGBA", "P")]


@pytest.mark.parametrize("mode,kind", WRITABLE)
def test_every_mode(tmp_path, mode, kind):
    rng = np.random.default_rng(1)
    base = Image.fromarray(rng.integers(0, 256, (9, 11, 3), dtype=np.uint8)).resize((90, 70), Image.BICUBIC)
    if mode == "I;16":
        image = Image.fromarray(rng.integers(0, 600, (70, 90), dtype=np.uint16))
    else:
        image = base.convert(mode)
    path = tmp_path / f"a.{kind}"
    image.save(path)
    [(line, got)] = ours([path], 32, tmp_path)
    assert line == "ok"
    assert np.array_equal(got, pillow(path, 32))


def gradient(alpha=False):
    rng = np.random.default_rng(2)
    return Image.fromarray(rng.integers(0, 256, (9, 11, 4 if alpha else 3), dtype=np.uint8)).resize((90, 70), Image.BICUBIC)


def test_webp_kinds(tmp_path):
    """Lossless, with transparent pixels, animated (the first frame counts), and cut off."""
    paths = [tmp_path / f"{name}.webp" for name in ("lossless", "alpha", "animated", "cut")]
    gradient().save(paths[0], lossless=True)
    gradient(alpha=True).save(paths[1], exact=True)
    gradient().save(paths[2], save_all=True, append_images=[gradient().rotate(90)], duration=100)
    paths[3].write_bytes(paths[0].read_bytes()[:-200])
    for path, (line, got) in zip(paths, ours(paths, 32, tmp_path), strict=True):
        try:
            want = pillow(path, 32)
        except Exception:
            assert line.startswith("refused: WebP"), (path.name, line)
            continue
        assert line == "ok", (path.name, line)
        assert np.array_equal(got, want), path.name
