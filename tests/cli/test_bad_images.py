"""Images that cannot be read: named when they stop the job, recorded and left out of every count otherwise."""
import h5py
import pytest

from conftest import DEMO_MODEL, DEMO_TEMPLATES, run, run_ok

EXTRACT = ["extract", "--model", DEMO_MODEL, "--quiet"]


@pytest.fixture(scope="module")
def images(digits, tmp_path_factory):
    """100 pictures, four of them bad."""
    folder = tmp_path_factory.mktemp("bad") / "images"
    for place, path in enumerate(sorted((digits / "val").rglob("*.png"))[::2]):
        target = folder / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        bad = [b"", b"no picture", b"\xff\xd8\xffbroken", b"\x89PNG\r\n\x1a\nbroken"]
        target.write_bytes(bad[place // 20 - 1] if place % 20 == 7 and place > 20 else path.read_bytes())
    return folder


@pytest.fixture(scope="module")
def skipped(images, tmp_path_factory):
    out = tmp_path_factory.mktemp("skipped") / "f.h5"
    run_ok(*EXTRACT, "--images", images, "--out", out, "--on-bad-image", "skip")
    return out


@pytest.mark.parametrize("np_", [0, 2])
def test_fail_names_the_image_and_what_is_wrong(images, tmp_path, np_):
    result = run(*EXTRACT, "--images", images, "--out", tmp_path / "f.h5", np=np_)
    assert result.code == 3 and len(result.errors) == 1 and str(images) in result.errors[0]
    assert any(word in result.errors[0] for word in ("is empty", "is text, which is not read", "JPEG decoder", "PNG decoder"))
    assert not (tmp_path / "f.h5").exists()


def test_skip_records_index_path_and_reason(images, skipped):
    with h5py.File(skipped) as file:
        paths = [p.decode() for p in file["skipped_path"]]
        reasons = [r.decode() for r in file["skipped_reason"]]
        assert len(paths) == 4 and file["features"].shape[0] == 96 and all(reasons)
        everything = sorted(str(p.relative_to(images)) for p in images.rglob("*.png"))
        assert [everything[i] for i in file["skipped_index"]] == paths
    run_ok("verify", skipped)


def test_every_result_says_so(digits, demo, skipped, tmp_path):
    inputs = ["--features", skipped, "--text", demo / "text.h5"]
    cache = ["--cache", demo / "train.h5"]
    for arguments in (["zeroshot", *inputs], ["tip", *cache, *inputs, "--alpha", "1", "--beta", "5"],
                      ["sweep", *cache, *inputs, "--tune-on", "test", "--alpha", "1:2:0.5", "--beta", "1:3:1", "--out",
                       tmp_path / "s.h5"],
                      ["finetune", *cache, *inputs, "--alpha", "1", "--beta", "5", "--epochs", "1", "--out",
                       tmp_path / "a.h5"]):
        result = run_ok(*arguments, json_path=tmp_path / "r.json", np=2)
        assert f"not counted, unreadable images: 4 of {skipped}" in result.out
        assert result.json["skipped_images"] == {str(skipped): 4}
        assert result.json["test"]["samples"] == 96


def test_an_experiment_with_bad_images(digits, images, tmp_path):
    arguments = ["experiment", "--model", DEMO_MODEL, "--train", digits / "train", "--val", digits / "val", "--test", images,
                 "--classnames", digits / "classnames.txt", "--templates", DEMO_TEMPLATES, "--shots", "1", "--subset-seeds",
                 "1", "--alpha", "1:2:0.5", "--beta", "1:3:1", "--epochs", "1", "--quiet", "--allow-overlap", "--run", tmp_path / "run"]
    assert run(*arguments).code == 3
    result = run_ok(*arguments, "--on-bad-image", "skip", json_path=tmp_path / "e.json")
    assert "4 of" in result.out and "test.h5" in result.out
    assert list(result.json["skipped_images"].values()) == [4] and result.json["test"]["samples"] == 96


@pytest.mark.parametrize("np_", [0, 3])
def test_max_bad(images, skipped, tmp_path, np_):
    out = tmp_path / "f.h5"
    few = run(*EXTRACT, "--images", images, "--out", out, "--on-bad-image", "skip", "--max-bad", "3", np=np_)
    assert few.code == 3 and len(few.errors) == 1, few.err
    assert "--max-bad 3: 4 images could not be read" in few.errors[0] and not out.exists()
    enough = run_ok(*EXTRACT, "--images", images, "--out", out, "--on-bad-image", "skip", "--max-bad", "4", np=np_,
                    json_path=tmp_path / "e.json")
    assert enough.json["shards_reused"] > 0 and out.read_bytes() == skipped.read_bytes()
    again = run(*EXTRACT, "--images", images, "--out", out, "--on-bad-image", "skip", "--max-bad", "0")
    assert again.code == 3 and "--max-bad 0: 4 images" in again.errors[0]


@pytest.mark.parametrize("arguments", [["--max-bad", "3"], ["--max-bad=-1", "--on-bad-image", "skip"],
                                       ["--max-bad", "x", "--on-bad-image", "skip"]])
def test_max_bad_usage(images, tmp_path, arguments):
    result = run(*EXTRACT, "--images", images, "--out", tmp_path / "f.h5", *arguments)
    assert result.code == 2 and len(result.errors) == 1 and "max-bad" in result.errors[0]
