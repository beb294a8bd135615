"""Bad input gets one clear line and exit 3; wrong usage exits 2; also on several ranks, printed once."""
import os
import shutil

import h5py
import numpy as np
import pytest

from conftest import DEMO_MODEL, reseal, run, run_ok


def fails(code, *words, np=0, **options):
    """-> a function that runs a command and checks its exit code and its one line."""
    def check(*arguments):
        result = run(*arguments, np=np, **options)
        assert result.code == code, (result.code, result.out, result.err)
        assert len(result.errors) == 1, result.err
        for word in words:
            assert word in result.errors[0], result.errors[0]
        return result

    return check


@pytest.mark.parametrize("ranks", [0, 2])
@pytest.mark.parametrize("arguments,word", [
    ([], "--help"),
    (["polish"], "polish"),
    (["tip"], "required"),
    (["tip", "--alhpa", "1"], "--alhpa"),
    (["tip", "--alpha", "x"], "--alpha"),
    (["extract", "--model", "m", "--images", "i", "--out", "o", "--dtype", "f64"], "f64"),
    (["extract", "--model", "m", "--images", "i", "--out", "o", "--on-bad-image", "hide"], "hide"),
    (["extract", "--model", "m", "--images", "i", "--out", "o", "--batch", "0"], "--batch"),
    (["zeroshot", "--features", "f", "--text", "t", "--device", "tpu"], "tpu"),
    (["zeroshot", "--features", "f", "--text", "t", "--log-level", "loud"], "loud"),
    (["zeroshot", "--features", "f", "--text", "t", "--threads", "-1"], "--threads"),
    (["zeroshot", "--features", "f", "--text", "t", "--comm", "smoke"], "smoke"),
    (["finetune", "--cache", "c", "--features", "f", "--text", "t", "--out", "o"], "--alpha"),
])
def test_wrong_usage_exits_2(arguments, word, ranks, tmp_path):
    fails(2, word, np=ranks, cwd=tmp_path)(*arguments)


@pytest.mark.skipif(os.path.exists("/dev/nvidiactl"), reason="a GPU is here")
def test_cuda_without_a_gpu_exits_2(demo):
    fails(2, "--device cuda")("zeroshot", "--features", demo / "test.h5", "--text", demo / "text.h5", "--device", "cuda")


def tune(demo):
    return ["--cache", demo / "train.h5", "--features", demo / "test.h5", "--text", demo / "text.h5"]


@pytest.mark.parametrize("ranks", [0, 3])
def test_grids_that_cannot_be(demo, tmp_path, ranks):
    sweep = ["sweep", *tune(demo), "--tune-on", demo / "val.h5", "--out", tmp_path / "s.h5"]
    fails(3, "--beta", "backwards", np=ranks)(*sweep, "--alpha", "1:2:0.1", "--beta", "7:3:0.1")
    fails(3, "--alpha", "finite", np=ranks)(*sweep, "--alpha", "nan:2:0.1", "--beta", "3:7:0.1")
    fails(3, "--alpha", "finite", np=ranks)(*sweep, "--alpha", "1:inf:0.1", "--beta", "3:7:0.1")
    fails(2, "--tune-on", np=ranks)("sweep", *tune(demo), "--alpha", "1:2:0.1", "--beta", "3:7:0.1", "--out",
                                    tmp_path / "s.h5")
    fails(3, "--shots", np=ranks)(*sweep, "--alpha", "1:2:0.1", "--beta", "3:7:0.1", "--shots", "65")
    fails(3, "same images", np=ranks)("sweep", *tune(demo), "--tune-on", demo / "test.h5", "--alpha", "1:2:0.1",
                                      "--beta", "3:7:0.1", "--out", tmp_path / "s.h5")
    assert not list(tmp_path.iterdir())


def test_points_that_cannot_be(demo, tmp_path):
    for value in ("nan", "inf", "-1"):
        fails(3, "--alpha")("tip", *tune(demo), f"--alpha={value}", "--beta", "1")
        fails(3, "--beta")("tip", *tune(demo), "--alpha", "1", f"--beta={value}")
    train = ["finetune", *tune(demo), "--alpha", "1", "--beta", "2", "--out", tmp_path / "a.h5"]
    fails(2, "--epochs")(*train, "--epochs", "0")
    fails(2, "--batch")(*train, "--batch", "0")
    fails(3, "--lr")(*train, "--lr", "nan")
    for shots in ("--shots=-1", "--shots=-3"):
        fails(2, "--shots")(*train, shots)
        fails(2, "--shots")("tip", *tune(demo), "--alpha", "1", "--beta", "1", shots)
    fails(2, "--batch")(*train, "--batch", "9223372036854775807")
    fails(3, "--alpha")("tip", *tune(demo), "--alpha", "1e39", "--beta", "0")
    for rate in ("1e30", "1e39"):  # the very last step diverges
        fails(3, "finite")(*train, "--epochs", "1", "--shots", "1", "--lr", rate)
    fails(2, "--val")(*train, "--select", "val")
    fails(3, "finite", "epoch")("finetune", *tune(demo), "--alpha", "1", "--beta", "2", "--lr", "1e30", "--epochs", "3",
                               "--out", tmp_path / "a.h5")
    assert not (tmp_path / "a.h5").exists()


@pytest.mark.parametrize("ranks", [0, 2])
def test_image_folders(digits, tmp_path, ranks):
    extract = ["extract", "--model", DEMO_MODEL, "--out", tmp_path / "f.h5", "--images"]
    bad = fails(3, np=ranks)
    bad(*extract, tmp_path / "none")
    (tmp_path / "empty").mkdir()
    bad(*extract, tmp_path / "empty")
    shutil.copytree(digits / "val", tmp_path / "val")
    names = ["--classnames", digits / "classnames.txt"]
    shutil.rmtree(tmp_path / "val/7")
    # A class of the names file may lack images; images of a class that it lacks are refused.
    (tmp_path / "some.txt").write_text("".join(l for l in open(digits / "classnames.txt") if not l.startswith("3")))
    fails(3, "'3'", "--classnames", np=ranks)(*extract, tmp_path / "val", "--classnames", tmp_path / "some.txt")
    result = run_ok(*extract[:-2], tmp_path / "n.h5", "--images", tmp_path / "val", *names, np=ranks, json_path=tmp_path / "n.json")
    assert result.json["classes_without_images"] == 1 and "1 of 10 classes have no image" in result.out
    (tmp_path / "val/7").mkdir()
    fails(3, "val/7", np=ranks)(*extract, tmp_path / "val")
    shutil.rmtree(tmp_path / "val/7")
    victim = tmp_path / "val/3/broken.png"
    victim.write_bytes(b"\x89PNG\r\n\x1a\nnonsense")
    fails(3, "3/broken.png", "--on-bad-image skip", np=ranks)(*extract, tmp_path / "val")
    result = run_ok(*extract, tmp_path / "val", "--on-bad-image", "skip", np=ranks, json_path=tmp_path / "e.json")
    fails(3, "--on-bad-image skip", np=ranks)(*extract, tmp_path / "val")  # what skip made is not what fail asks for
    assert result.json["skipped"] == 1 and result.json["images"] == 180 and "1 skipped" in result.out
    with h5py.File(tmp_path / "f.h5") as file:
        assert file["skipped_path"][0] == b"3/broken.png" and len(file["features"]) == 180


@pytest.mark.parametrize("content,word", [
    (b"", "safetensors"), (b"\xff" * 100, "safetensors"), (b"\x02\0\0\0\0\0\0\0{}", "CLIP")])
def test_wrong_checkpoints(digits, tmp_path, content, word):
    model = tmp_path / "m.safetensors"
    model.write_bytes(content)
    fails(3, "m.safetensors", word)("extract", "--model", model, "--images", digits / "val", "--out", tmp_path / "f.h5")
    fails(3, "gone")("extract", "--model", tmp_path / "gone", "--images", digits / "val", "--out", tmp_path / "f.h5")


def spoiled_checkpoint(path, spoil):
    from safetensors import safe_open
    from safetensors.torch import save_file
    with safe_open(DEMO_MODEL, "pt") as file:
        state = {k: file.get_tensor(k) for k in file.keys()}
    spoil(state)
    save_file(state, path)


def test_spoiled_checkpoints_are_named_by_tensor(digits, tmp_path):
    def nan(state):
        state["visual.layer2.0.conv2.weight"][0, 0, 0, 0] = float("nan")

    def shape(state):
        state["visual.attnpool.c_proj.bias"] = state["visual.attnpool.c_proj.bias"][:-1].clone()

    def gone(state):
        del state["transformer.resblocks.1.mlp.c_fc.bias"]

    arguments = ["--images", digits / "val", "--out", tmp_path / "f.h5"]
    for spoil, name in ((nan, "layer2.0.conv2.weight"), (shape, "attnpool.c_proj.bias")):
        spoiled_checkpoint(tmp_path / "m.safetensors", spoil)
        fails(3, name)("extract", "--model", tmp_path / "m.safetensors", *arguments)
    spoiled_checkpoint(tmp_path / "m.safetensors", gone)
    fails(3, "resblocks.1.mlp.c_fc.bias")("text", "--model", tmp_path / "m.safetensors", "--classnames",
                                          digits / "classnames.txt", "--out", tmp_path / "t.h5")



def test_a_sweep_of_other_files_is_refused_and_test_is_called_test(demo, caltech_like, tmp_path):
    sweep = ["--alpha", "1:3:1", "--beta", "1:3:1", "--out", tmp_path / "s.h5"]
    run_ok("sweep", *tune(demo), "--tune-on", demo / "val.h5", *sweep)
    other = ["--cache", demo / "val.h5", "--features", demo / "test.h5", "--text", demo / "text.h5"]
    fails(3, "s.h5", "another cache")("finetune", *other, "--sweep", tmp_path / "s.h5", "--out", tmp_path / "a.h5")
    fails(2, "--sweep")("finetune", *tune(demo), "--sweep", tmp_path / "s.h5", "--alpha", "1", "--beta", "1", "--out",
                        tmp_path / "a.h5")
    # alpha and beta were chosen on val: measured there, the number is tuned on test.
    swapped = ["--cache", demo / "train.h5", "--features", demo / "val.h5", "--text", demo / "text.h5"]
    result = run_ok("finetune", *swapped, "--sweep", tmp_path / "s.h5", "--epochs", "1", "--out", tmp_path / "a.h5",
                    json_path=tmp_path / "f.json")
    assert result.json["tuned_on"] == "test" and "(tuned on test)" in result.out
    fails(3, "cache's own images")("sweep", *tune(demo), "--tune-on", demo / "train.h5", *sweep, "--fresh")
    fails(3, "counts", "larger steps")("sweep", *tune(demo), "--tune-on", demo / "val.h5", "--alpha", "0:1:1e-5", "--beta",
                                       "0:1:1e-5", "--out", tmp_path / "t.h5")


def test_ranks_must_see_the_same_images(digits, tmp_path):
    """Each rank gets a folder of its own, as with node-local disks; one lacks a picture."""
    import subprocess
    from conftest import PROGRAM, mpi_environment
    for rank in (0, 1):
        shutil.copytree(digits / "val", tmp_path / f"images{rank}")
    next((tmp_path / "images1/4").iterdir()).unlink()
    script = (f'exec {PROGRAM} extract --model {DEMO_MODEL} --images {tmp_path}/images$OMPI_COMM_WORLD_RANK '
              f'--out {tmp_path}/f.h5')
    process = subprocess.run(["mpirun", "-np", "2", "bash", "-c", script], capture_output=True, text=True,
                             env=mpi_environment(), timeout=60)
    assert process.returncode == 3 and "rank 1 sees other input" in process.stderr and "list_sha256" in process.stderr
    assert not (tmp_path / "f.h5").exists()


def test_links_keep_their_own_paths(digits, tmp_path):
    for path in (digits / "val").rglob("*.png"):
        target = tmp_path / "links" / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path)
    run_ok("extract", "--model", DEMO_MODEL, "--images", tmp_path / "links", "--out", tmp_path / "f.h5")
    with h5py.File(tmp_path / "f.h5") as file:
        assert file["paths"][0].startswith(b"0/digit-")
    (tmp_path / "links/3/gone.png").symlink_to(tmp_path / "nothing")
    fails(3, "3/gone.png", "link")("extract", "--model", DEMO_MODEL, "--images", tmp_path / "links", "--out",
                                   tmp_path / "g.h5")


def test_hostile_files_get_a_line_not_a_crash(demo, tmp_path):
    bad = tmp_path / "bad.h5"

    def wide_attribute(file):
        del file.attrs["format"]
        file.attrs.create("format", np.array([b"x" * 1000] * 60))

    def huge(file):
        del file["text"]
        file.create_dataset("text", shape=(2 ** 32, 2 ** 32), chunks=(1024, 1024), dtype="f4")

    for change in (wide_attribute, huge):
        shutil.copy(demo / "text.h5", bad)
        reseal(bad, change)
        fails(3, "bad.h5")("verify", bad)
        fails(3, "bad.h5")("zeroshot", "--features", demo / "test.h5", "--text", bad)


def test_too_many_threads(demo):
    result = run("zeroshot", "--features", demo / "test.h5", "--text", demo / "text.h5", "--threads", 5000)
    assert result.code == 2 and "--threads" in result.err


def test_features_of_another_width_and_labels_outside(demo, caltech_like, tmp_path):
    fails(3, "wide")("zeroshot", "--features", demo / "test.h5", "--text", caltech_like / "text.h5")
    fails(3, "wide")("tip", "--cache", caltech_like / "cache.h5", "--features", demo / "test.h5", "--text",
                     caltech_like / "text.h5", "--alpha", "1", "--beta", "1")
    bad = tmp_path / "bad.h5"
    shutil.copy(demo / "test.h5", bad)

    def outside(file):
        file["labels"][5] = 10

    reseal(bad, outside)
    fails(3, "label 10", "outside")("zeroshot", "--features", bad, "--text", demo / "text.h5")
    shutil.copy(demo / "test.h5", bad)

    def not_finite(file):
        file["features"][7, 3] = np.nan

    reseal(bad, not_finite)
    fails(3, "row 7", "not finite")("zeroshot", "--features", bad, "--text", demo / "text.h5")
    fails(3, "not finite")("verify", bad)


@pytest.fixture(scope="session")
def caltech_like(tmp_path_factory):
    """Features of another model: 16 wide, 10 classes, as the import script writes them."""
    import import_tip_adapter as importer
    out = tmp_path_factory.mktemp("other")
    rng = np.random.default_rng(0)
    classes = [str(d) for d in range(10)]
    importer.write_features(out / "cache.h5", rng.normal(size=(20, 16)), np.arange(20) % 10, classes, "cache", {})
    importer.write_text(out / "text.h5", rng.normal(size=(10, 16)), classes, classes, {})
    return out


def test_damage_is_found(demo, tmp_path):
    bad = tmp_path / "bad.h5"
    whole = (demo / "test.h5").read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(whole), 25):
        bad.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1:])
        fails(3, "bad.h5")("verify", bad)
    bad.write_bytes(whole[:100_000])
    fails(3, "bad.h5")("zeroshot", "--features", bad, "--text", demo / "text.h5")
    result = run("verify", demo / "test.h5", bad)
    assert result.code == 3 and "test.h5: whole" in result.out


def test_another_configuration_is_refused_by_name(digits, demo, tmp_path):
    out = tmp_path / "f.h5"
    shutil.copy(demo / "val.h5", out)
    before = out.read_bytes()
    extract = ["extract", "--model", DEMO_MODEL, "--images", digits / "val", "--out", out]
    fails(3, "batch was '8', now '16'", "--fresh")(*extract, "--batch", "16")
    assert out.read_bytes() == before
    run_ok(*extract, "--batch", "16", "--fresh")


def test_the_same_classes_are_asked_for(digits, demo, tmp_path):
    shutil.copytree(digits / "val", tmp_path / "val")
    shutil.rmtree(tmp_path / "val/7")
    (tmp_path / "val/8").rename(tmp_path / "val/eight")
    run_ok("extract", "--model", DEMO_MODEL, "--images", tmp_path / "val", "--out", tmp_path / "v.h5")
    fails(3, "'eight'", "--classnames")("tip", "--cache", demo / "train.h5", "--features", tmp_path / "v.h5", "--text",
                                        demo / "text.h5", "--alpha", "1", "--beta", "1")
