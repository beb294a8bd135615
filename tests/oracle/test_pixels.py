"""Decoding and the transform give the same bytes as Pillow."""
import subprocess

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import CenterCrop, InterpolationMode, Resize

import hostile_pictures
import pictures
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


def test_shapes_of_every_aspect(tmp_path):
    """Pillow takes columns before rows where a picture is tall; sizes about that border, and any others."""
    rng, paths, n = np.random.default_rng(4), [], 64
    for i in range(300):
        width = int(rng.integers(20, 300))
        height = int(rng.integers(20, 700)) if i % 2 else int(2 * width + rng.integers(-6, 7))
        paths.append(tmp_path / f"{i:03d}.png")
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(paths[-1])
    for path, (line, got) in zip(paths, ours(paths, n, tmp_path), strict=True):
        assert line == "ok"
        with Image.open(path) as image:
            size = image.size
        assert np.array_equal(got, pillow(path, n)), size


def test_augmented_views(tmp_path):
    """Crop, resize and flip as Pillow does them; crops as RandomResizedCrop(scale=(0.5, 1)) draws them."""
    rng = np.random.default_rng(3)
    pictures = [(400, 300), (90, 400), (64, 64), (301, 97)]
    paths = []
    for i, (width, height) in enumerate(pictures * 60):
        paths.append(tmp_path / f"{i:03d}.png")
        small = Image.fromarray(rng.integers(0, 256, (7, 9, 3), dtype=np.uint8))
        small.resize((width, height), Image.BICUBIC).save(paths[-1])
    n, out = 48, tmp_path / "views.bin"
    process = subprocess.run([BUILD / "tests" / "dump_pixels", "--view", "5", str(n), out, *map(str, paths)],
                             capture_output=True, text=True, check=True)
    views = np.fromfile(out, dtype=np.uint8).reshape(-1, n, n, 3)
    areas, aspects, flips = [], [], []
    for path, got, line in zip(paths, views, process.stdout.splitlines(), strict=True):
        left, top, width, height, flip = map(int, line.split()[1:])
        with Image.open(path) as image:
            want = image.convert("RGB").crop((left, top, left + width, top + height)).resize((n, n), Image.BICUBIC)
            assert left >= 0 and top >= 0 and left + width <= image.width and top + height <= image.height
            fits = 0.75 <= image.width / image.height <= 4 / 3
            areas.append(width * height / (image.width * image.height) if fits else None)
        if flip:
            want = want.transpose(Image.FLIP_LEFT_RIGHT)
        assert np.array_equal(got, np.asarray(want)), (path, line)
        aspects.append(width / height)
        flips.append(flip)
    areas = [area for area in areas if area]
    assert min(areas) > 0.49 and max(areas) <= 1 and np.std(areas) > 0.1
    assert 0.7 < min(aspects) < 0.85 and 1.2 < max(aspects) < 1.4
    assert 0.35 < np.mean(flips) < 0.65


def test_every_kind_of_picture(tmp_path):
    """What Pillow writes and what is made by hand: the same pixels, or a refusal by name where Pillow has none."""
    rows = pictures.compare(pictures.write_all(tmp_path, sizes=((1, 1), (7, 5), (33, 31))))
    print("\n" + pictures.table(rows))
    for path, outcome, line, want in rows:
        assert outcome != "other pixels", (path.name, line, want)
        if outcome == "only we refuse":
            assert "which is not read here" in line or "Pillow misreads" in line or "is missing" in line, (path.name, line)
        if outcome == "only Pillow refuses":
            assert pictures.kind_of(path) == "TIFF", (path.name, want)
    counts = pictures.collections.Counter(outcome for _, outcome, _, _ in rows)
    assert counts["same pixels"] > 1500


@pytest.mark.parametrize("seed", [11, 12])
def test_damaged_pictures_never_give_other_pixels(tmp_path, seed):
    (tmp_path / "whole").mkdir()
    (tmp_path / "damaged").mkdir()
    whole = pictures.write_all(tmp_path / "whole", sizes=((33, 31),))
    rows = pictures.compare(pictures.mutants(whole, tmp_path / "damaged", 1, seed), 2_000_000)
    print("\n" + pictures.table(rows))
    assert [row for row in rows if row[1] == "other pixels"] == []


def test_hostile_pictures_are_bounded(tmp_path):
    """Small files that ask for much: a refusal or a picture, with memory that the picture accounts for."""
    answers = {}
    for name, path in hostile_pictures.write(tmp_path, large=False).items():
        process = subprocess.run([BUILD / "tests" / "dump_pixels", "--whole", "--usage", path], capture_output=True, text=True)
        assert process.returncode == 0, name
        answer, usage = process.stdout.splitlines()
        words = answer.split()
        picture = 3 * int(words[1]) * int(words[2]) >> 20 if words[0] == "ok" else 0
        assert int(usage.split()[1]) < picture + 1024, name
        answers[name] = answer
    for name in ("PNG, 3,000 texts of 1 MiB unpacked", "JPEG, 4,000 x 4,000, 5,000 scans", "GIF, claims 65,535 x 65,535",
                 "TIFF, a tile of 65,536 x 65,536"):
        assert answers[name].startswith("refused: "), (name, answers[name])
