"""Kinds, limits and warnings of pictures as the commands show them."""
import h5py
import numpy as np
import pytest
from PIL import Image

from conftest import DEMO_MODEL, run, run_ok

EXTRACT = ["extract", "--model", DEMO_MODEL, "--quiet"]


@pytest.fixture
def images(digits, tmp_path):
    """A picture in every kind, some 16-bit grey, one with a wrong checksum."""
    folder = tmp_path / "images" / "3"
    folder.mkdir(parents=True)
    with Image.open(sorted((digits / "val").rglob("*.png"))[0]) as picture:
        # What a file is called says nothing about it.
        for kind in ("png", "gif", "bmp", "tiff", "ppm", "webp"):
            picture.convert("RGB").save(folder / f"{kind}.png", kind, **({"lossless": True} if kind == "webp" else {}))
    for i in range(2):
        Image.fromarray(np.full((9, 9), 40000, np.uint16)).save(folder / f"deep{i}.png")
    data = bytearray((folder / "png.png").read_bytes())
    data[-13] ^= 1
    (folder / "sum.png").write_bytes(data)
    return folder.parent


def test_kinds_give_the_same_features(images, tmp_path):
    run_ok(*EXTRACT, "--images", images, "--out", tmp_path / "f.h5")
    with h5py.File(tmp_path / "f.h5") as file:
        rows = dict(zip([p.decode() for p in file["paths"]], np.asarray(file["features"]), strict=True))
    for kind in ("gif", "bmp", "tiff", "ppm", "webp"):
        assert np.array_equal(rows[f"3/{kind}.png"], rows["3/png.png"]), kind


@pytest.mark.parametrize("np_", [0, 2])
def test_warnings_are_told_once_and_counted(images, tmp_path, np_):
    out = tmp_path / "f.h5"
    counts = {"grey16_clipped": 2, "bad_checksum": 1}
    result = run_ok(*EXTRACT, "--images", images, "--out", out, "--views", "3", np=np_, json_path=tmp_path / "r.json")
    assert result.json["image_warnings"] == counts
    for name in ("deep0.png", "deep1.png", "sum.png"):
        assert result.err.count(str(images / "3" / name)) == 1, result.err
    again = run_ok(*EXTRACT, "--images", images, "--out", out, "--views", "3", json_path=tmp_path / "r.json")
    assert again.json["up_to_date"] and again.json["image_warnings"] == counts
    run_ok("verify", out)


def test_max_pixels(images, tmp_path):
    out = tmp_path / "f.h5"
    refused = run(*EXTRACT, "--images", images, "--out", out, "--max-pixels", "63")
    assert refused.code == 3 and "--max-pixels" in refused.errors[0] and len(refused.errors) == 1
    for bad in ("0", "-1", "4294967297"):
        wrong = run(*EXTRACT, "--images", images, "--out", out, "--max-pixels", bad)
        assert wrong.code == 2 and len(wrong.errors) == 1 and "--max-pixels" in wrong.errors[0], wrong.err
    run_ok(*EXTRACT, "--images", images, "--out", out, "--max-pixels", "1000000")
    with h5py.File(out) as file:
        assert "1000000" in str(dict(file.attrs)) or any("1000000" in str(v) for v in file.attrs.values())
