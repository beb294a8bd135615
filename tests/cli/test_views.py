"""Augmented views: extracted once, the cache is their mean, training goes through them."""
import hashlib

import h5py
import numpy as np
import pytest

from conftest import DEMO_MODEL, reseal, run, run_ok

VIEWS = 3


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def views(digits, tmp_path_factory):
    out = tmp_path_factory.mktemp("views") / "train.h5"
    result = run_ok("extract", "--model", DEMO_MODEL, "--images", digits / "train", "--views", VIEWS, "--out", out)
    assert f"in {VIEWS} views" in result.out
    return out


def read(path):
    with h5py.File(path) as file:
        features = file["features"][()]
        further = file["views"][()] if "views" in file else np.empty((len(features), 0), "f4")
    return np.concatenate([features, further], axis=1).reshape(len(features), -1, features.shape[1])


def test_the_first_view_is_the_plain_one_and_the_others_are_near(views, demo):
    got, plain = read(views), read(demo / "train.h5")
    assert got.shape[1] == VIEWS
    assert np.abs(got[:, 0] - plain[:, 0]).max() <= 1e-5 * np.abs(plain).max()
    unit = got / np.linalg.norm(got, axis=2, keepdims=True)
    near = (unit[:, :1] * unit[:, 1:]).sum(2)
    others = (np.roll(unit[:, :1], 101, axis=0) * unit[:, 1:]).sum(2)
    # Changed, but not beyond recognition: nearer to their own picture than to others.
    assert np.median(others) + 0.2 < np.median(near) < 0.999
    assert not np.allclose(unit[:, 1], unit[:, 2], atol=1e-3)


def test_any_number_of_ranks_and_a_seed(views, digits, tmp_path):
    extract = ["extract", "--model", DEMO_MODEL, "--images", digits / "train", "--views", VIEWS, "--out"]
    for np_ in (2, 3):
        run_ok(*extract, tmp_path / f"{np_}.h5", np=np_)
        assert sha256(tmp_path / f"{np_}.h5") == sha256(views)
    run_ok(*extract, tmp_path / "other.h5", "--seed", 2)
    other, got = read(tmp_path / "other.h5"), read(views)
    assert np.array_equal(other[:, 0], got[:, 0]) and not np.allclose(other[:, 1], got[:, 1])
    fewer = run("extract", "--model", DEMO_MODEL, "--images", digits / "train", "--out", views)
    assert fewer.code == 3 and "views" in fewer.err
    for count in (0, 65):
        wrong = run(*extract, tmp_path / "x.h5", "--views", count)
        assert wrong.code == 2 and "--views" in wrong.err


def test_the_cache_is_the_mean_of_the_views(views, demo, tmp_path):
    """Against the same mean written as a file of one view."""
    import import_tip_adapter as importer
    with h5py.File(views) as file:
        labels, classes = file["labels"][()], [name.decode() for name in file["classes"]]
    importer.write_features(tmp_path / "mean.h5", read(views).astype("f8").mean(1), labels, classes, "mean", {})
    others = ["--features", demo / "test.h5", "--text", demo / "text.h5"]
    tip = [run_ok("tip", "--cache", cache, *others, "--alpha", 9, "--beta", 7, json_path=tmp_path / "t.json").json["test"]
           for cache in (views, tmp_path / "mean.h5")]
    assert tip[0] == tip[1]
    swept = []
    for name, cache in (("a.h5", views), ("b.h5", tmp_path / "mean.h5")):
        run_ok("sweep", "--cache", cache, *others, "--tune-on", demo / "val.h5", "--alpha", "1:20:1", "--beta", "1:12:1",
               "--out", tmp_path / name)
        with h5py.File(tmp_path / name) as file:
            swept.append(file["top1"][()])
    assert np.array_equal(*swept)


def test_training_goes_through_the_views(views, demo, tmp_path):
    """One batch an epoch, so that PyTorch can follow: epoch e takes view e mod V, keys begin as the mean."""
    import torch
    import torch.nn.functional as F
    out = tmp_path / "a.h5"
    train = ["finetune", "--cache", views, "--features", demo / "test.h5", "--text", demo / "text.h5", "--alpha", 2, "--beta",
             5, "--epochs", 5, "--batch", 640, "--out"]
    run_ok(*train, out)
    run_ok(*train, tmp_path / "b.h5", np=3)
    assert sha256(out) == sha256(tmp_path / "b.h5")
    rows = torch.from_numpy(read(views)).double()
    with h5py.File(views) as file:
        labels = torch.from_numpy(file["labels"][()]).long()
    with h5py.File(demo / "text.h5") as file:
        text = F.normalize(torch.from_numpy(file["text"][()]).double())
    keys = torch.nn.Parameter(F.normalize(rows.mean(1)))
    one_hot = F.one_hot(labels).double()
    optimizer = torch.optim.AdamW([keys], lr=1e-3, eps=1e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 5)
    losses = []
    for epoch in range(1, 6):
        f = F.normalize(rows[:, epoch % VIEWS])
        cache = (-5 * (1 - f @ keys.T)).exp() @ one_hot
        loss = F.cross_entropy(100 * f @ text.T + 2 * cache, labels)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
    with h5py.File(out) as file:
        ours, order, history = file["keys"][()], file["cache_row"][()], file["history_loss"][()]
    want = keys.detach().numpy()[order]
    assert np.abs(ours - want).max() / np.abs(want).max() < 1e-5
    assert np.allclose(history, losses, rtol=1e-4)


def test_a_spoiled_view_is_found(views, tmp_path):
    def spoil(value):
        def change(file):
            file["views"][4, 7] = value
        return change

    for value, word in ((np.nan, "row 4"), (0.5, "content_sha256")):
        bad = tmp_path / "bad.h5"
        bad.write_bytes(views.read_bytes())
        reseal(bad, spoil(value))
        result = run("verify", bad)
        assert result.code == 3 and word in result.err
