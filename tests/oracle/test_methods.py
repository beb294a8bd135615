"""Zero-shot, Tip-Adapter and Tip-Adapter-F against the published formulas in PyTorch."""
import h5py
import numpy as np
import pytest
import torch
import torch.nn.functional as F

import import_tip_adapter as importer
from conftest import run, run_ok


class Problem:
    def __init__(self, folder, cache, test):
        def features(name):
            with h5py.File(folder / name) as file:
                return (F.normalize(torch.from_numpy(file["features"][:]).double()),
                        torch.from_numpy(file["labels"][:]).long())

        self.keys, self.key_labels = features(cache)
        self.queries, self.labels = features(test)
        with h5py.File(folder / "text.h5") as file:
            self.text = torch.from_numpy(file["text"][:]).double()
        self.one_hot = F.one_hot(self.key_labels).double()
        self.zero_shot = 100 * self.queries @ self.text.T

    def logits(self, alpha, beta, keys=None):
        affinity = self.queries @ (self.keys if keys is None else keys).T
        return 100 * self.queries @ self.text.T + alpha * ((-beta * (1 - affinity)).exp() @ self.one_hot)

    def counts(self, logits):
        top = logits.topk(5).indices
        return (top[:, 0] == self.labels).sum().item(), (top == self.labels[:, None]).any(1).sum().item()


@pytest.fixture(scope="module")
def real(caltech):
    return Problem(caltech, "cache.h5", "val.h5")


def files(folder, cache="cache.h5", test="val.h5"):
    return ["--cache", folder / cache, "--features", folder / test, "--text", folder / "text.h5", "--quiet"]


def near(test, want):
    assert abs(test["top1"] - want[0]) <= 1 and abs(test["top5"] - want[1]) <= 1, (test, want)


def test_zero_shot_on_real_features(real, caltech, tmp_path):
    result = run_ok("zeroshot", "--features", caltech / "val.h5", "--text", caltech / "text.h5",
                    json_path=tmp_path / "z.json")
    near(result.json["test"], (801, 849))
    near(result.json["test"], real.counts(real.logits(0, 1)))


def test_tip_on_real_features(real, caltech, tmp_path):
    result = run_ok("tip", *files(caltech), "--alpha", 1, "--beta", 5.5, json_path=tmp_path / "t.json")
    near(result.json["test"], (808, 850))
    near(result.json["test"], real.counts(real.logits(1, 5.5)))


def test_the_grid_on_real_features(real, caltech, tmp_path):
    result = run_ok("sweep", *files(caltech), "--alpha", "0.5:2.5:0.02", "--beta", "3:7:0.1", "--tune-on", "test",
                    "--out", tmp_path / "s.h5", json_path=tmp_path / "s.json")
    cell = result.json["cells"][0]
    assert abs(cell["test"]["top1"] - 810) <= 1
    assert result.json["grid_points"] == 4000 and result.json["tuned_on"] == "test"
    assert "(tuned on test)" in result.out
    with h5py.File(tmp_path / "s.h5") as file:
        top1, top5 = file["top1"][0, 0], file["top5"][0, 0]  # [B, A]
        alphas, betas = file["alpha"][:], file["beta"][:]
    assert top1.shape == (40, 100)
    for b in range(40):
        s = (-betas[b] * (1 - real.queries @ real.keys.T)).exp() @ real.one_hot
        for a in range(100):
            want = real.counts(real.zero_shot + alphas[a] * s)
            assert abs(top1[b, a] - want[0]) <= 1 and abs(top5[b, a] - want[1]) <= 1, (a, b)
    best = np.unravel_index(top1.argmax(), top1.shape)
    assert (cell["alpha"], cell["beta"]) == (alphas[best[1]], betas[best[0]])  # first maximum, beta outer


def test_the_grid_on_many_synthetic_samples(tmp_path):
    """20,000 samples: counts within 0.02 % of a float64 brute force."""
    rng = np.random.default_rng(5)
    classes, shots, width, samples = 40, 4, 64, 20_000
    names = [f"c{i:02d}" for i in range(classes)]
    centres = rng.normal(size=(classes, width))

    def near(labels, spread):
        return (centres[labels] + spread * rng.normal(size=(len(labels), width)) + 2).astype(np.float32)

    key_labels, labels = np.arange(classes * shots) % classes, np.arange(samples) % classes
    importer.write_features(tmp_path / "cache.h5", near(key_labels, 1.2), key_labels, names, "cache", {})
    importer.write_features(tmp_path / "test.h5", near(labels, 1.6), labels, names, "test", {})
    importer.write_text(tmp_path / "text.h5", near(np.arange(classes), 1.2), names, names, {})
    problem = Problem(tmp_path, "cache.h5", "test.h5")
    run_ok("sweep", *files(tmp_path, test="test.h5"), "--alpha", "0.1:20:1", "--beta", "1:12:0.5", "--tune-on", "test",
           "--out", tmp_path / "s.h5")
    with h5py.File(tmp_path / "s.h5") as file:
        top1, top5, alphas, betas = (file[name][()] for name in ("top1", "top5", "alpha", "beta"))
    assert len(np.unique(top1)) > 100
    for b, beta in enumerate(betas):
        s = (-beta * (1 - problem.queries @ problem.keys.T)).exp() @ problem.one_hot
        for a, alpha in enumerate(alphas):
            want = problem.counts(problem.zero_shot + alpha * s)
            assert abs(top1[0, 0, b, a] - want[0]) <= 4 and abs(top5[0, 0, b, a] - want[1]) <= 4, (a, b)


def torch_reference(problem, alpha, beta, epochs=20, batch=256):
    """The official training loop with the step on stored features."""
    keys = torch.nn.Parameter(problem.keys.clone().float())
    f, labels = problem.keys.float(), problem.key_labels
    text, one_hot = problem.text.float(), problem.one_hot.float()
    optimizer = torch.optim.AdamW([keys], lr=1e-3, eps=1e-4)
    steps = -(-len(f) // batch)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * steps)
    generator = torch.Generator().manual_seed(0)
    for _ in range(epochs):
        for rows in torch.randperm(len(f), generator=generator).split(batch):
            cache = (-beta * (1 - f[rows] @ keys.T)).exp() @ one_hot
            loss = F.cross_entropy(100 * f[rows] @ text.T + alpha * cache, labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
    return problem.counts(problem.logits(alpha, beta, keys.detach().double()))


def test_finetune_on_real_features(real, caltech, tmp_path):
    result = run_ok("finetune", *files(caltech), "--alpha", 1, "--beta", 5.5, "--out", tmp_path / "a.h5",
                    json_path=tmp_path / "f.json")
    assert result.json["test"]["top1"] >= 818
    want = torch_reference(real, 1, 5.5)
    assert abs(result.json["test"]["top1"] - want[0]) <= 0.004 * 854 + 1, (result.json["test"], want)
    assert result.json["tuned_on"] == "none"


@pytest.mark.parametrize("learn", ["keys", "keys,alpha,beta,text", "alpha,beta"])
def test_whole_batches_give_the_same_values_as_torch(demo, tmp_path, learn):
    """One batch holds everything, so the order of samples is no matter: ten steps of AdamW and cosine."""
    problem = Problem(demo, "train.h5", "test.h5")
    run_ok("finetune", *files(demo, "train.h5", "test.h5"), "--alpha", 2, "--beta", 5, "--epochs", 10, "--batch", 640,
           "--learn", learn, "--out", tmp_path / "a.h5")
    start = {"keys": problem.keys, "text": problem.text, "alpha": torch.tensor(2.0, dtype=torch.double),
             "beta": torch.tensor(5.0, dtype=torch.double)}
    values = {name: torch.nn.Parameter(value.clone(), requires_grad=name in learn) for name, value in start.items()}
    groups = [{"params": [values[n] for n in learn.split(",") if n in names], "weight_decay": decay}
              for names, decay in ((("keys", "text"), 0.01), (("alpha", "beta"), 0.0))]
    optimizer = torch.optim.AdamW([g for g in groups if g["params"]], lr=1e-3, eps=1e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
    losses = []
    for _ in range(10):
        cache = (-values["beta"] * (1 - problem.keys @ values["keys"].T)).exp() @ problem.one_hot
        loss = F.cross_entropy(100 * problem.keys @ values["text"].T + values["alpha"] * cache, problem.key_labels)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
    with h5py.File(tmp_path / "a.h5") as file:
        ours = {"keys": file["keys"][:], "text": file["text"][:], "alpha": file.attrs["alpha"], "beta": file.attrs["beta"]}
        rows, history = file["cache_row"][:], file["history_loss"][:]
    for name in start:
        want, begun = values[name].detach().numpy(), start[name].numpy()
        if name == "keys":
            want, begun = want[rows], begun[rows]
        assert np.abs(ours[name] - want).max() / np.abs(want).max() < 1e-5, name
        moved = np.abs(want - begun).max()
        assert (moved > 0) == (name in learn)
        if moved > 0:  # of the distance travelled
            assert np.abs(ours[name] - want).max() / moved < 1e-2, name
    assert np.allclose(history, losses, rtol=1e-4)


def test_shots_and_seeds_choose_nested_subsets(demo, tmp_path):
    """The sweep's subsets are those that tip and finetune take."""
    result = run_ok("sweep", *files(demo, "train.h5", "test.h5"), "--alpha", "1:4:1", "--beta", "2:6:2",
                    "--tune-on", demo / "val.h5", "--shots", "5,1,64", "--subset-seeds", "31,32", "--out",
                    tmp_path / "s.h5", json_path=tmp_path / "s.json")
    assert result.json["tuned_on"] == "val"
    for cell in result.json["cells"]:
        tip = run_ok("tip", *files(demo, "train.h5", "test.h5"), "--alpha", cell["alpha"], "--beta", cell["beta"],
                     "--shots", cell["shots"], "--subset-seed", cell["subset_seed"], json_path=tmp_path / "t.json")
        assert tip.json["test"] == cell["test"]
    whole = [c["test"] for c in result.json["cells"] if c["shots"] == 64]
    assert whole[0] == whole[1]  # all keys: the same subset for every seed


@pytest.mark.parametrize("learn", ["keys", "keys,alpha,beta,text"])
def test_a_second_sweep_with_the_trained_keys(demo, tmp_path, learn):
    """Equal to the formula at every point, although trained keys are longer than 1."""
    run_ok("finetune", *files(demo, "train.h5", "test.h5"), "--alpha", 2, "--beta", 5, "--lr", 0.01, "--learn", learn,
           "--select", "val", "--val", demo / "val.h5", "--out", tmp_path / "a.h5")
    swept = ["--features", demo / "test.h5", "--text", demo / "text.h5", "--alpha", "0.1:20:1", "--beta", "1:12:0.5"]
    result = run_ok("sweep", "--adapter", tmp_path / "a.h5", *swept, "--tune-on", "test", "--out", tmp_path / "s.h5")
    assert "tuned on test" in result.out
    problem = Problem(demo, "train.h5", "test.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        keys, text = (torch.from_numpy(file[name][()]).double() for name in ("keys", "text"))
        one_hot = F.one_hot(torch.from_numpy(file["class_index"][()]).long()).double()
    assert (keys.norm(dim=1) > 1.001).any()
    zero_shot = 100 * problem.queries @ text.T
    with h5py.File(tmp_path / "s.h5") as file:
        top1, alphas, betas = (file[name][()] for name in ("top1", "alpha", "beta"))
    for b, beta in enumerate(betas):
        s = (-beta * (1 - problem.queries @ keys.T)).exp() @ one_hot
        for a, alpha in enumerate(alphas):
            assert abs(top1[0, 0, b, a] - problem.counts(zero_shot + alpha * s)[0]) <= 1, (a, b)
    # Chosen on the images that chose the epoch: still val. Measured on them: test.
    val = run_ok("sweep", "--adapter", tmp_path / "a.h5", *swept, "--tune-on", demo / "val.h5", "--out",
                 tmp_path / "v.h5", json_path=tmp_path / "v.json")
    assert val.json["tuned_on"] == "val"
    swapped = ["--features", demo / "val.h5", *swept[2:]]
    seen = run_ok("sweep", "--adapter", tmp_path / "a.h5", *swapped, "--tune-on", demo / "test.h5", "--out",
                  tmp_path / "w.h5", json_path=tmp_path / "w.json")
    assert seen.json["tuned_on"] == "test"
    train = run("sweep", "--adapter", tmp_path / "a.h5", *swept, "--tune-on", demo / "train.h5", "--out", tmp_path / "x.h5")
    assert train.code == 3 and "own images" in train.err
    both = run("sweep", "--adapter", tmp_path / "a.h5", "--cache", demo / "train.h5", *swept, "--tune-on", "test", "--out",
               tmp_path / "x.h5")
    assert both.code == 2 and "--adapter" in both.err


def test_an_exported_adapter_in_the_official_formula(real, caltech, tmp_path):
    import subprocess
    import sys
    from conftest import ROOT
    from safetensors.torch import load_file
    run_ok("finetune", *files(caltech), "--alpha", 1, "--beta", 5.5, "--out", tmp_path / "a.h5", json_path=tmp_path / "f.json")
    script = [sys.executable, ROOT / "launch/export_adapter.py", tmp_path / "a.h5", "--out"]
    for name in ("best_F_16shots.pt", "a.safetensors"):
        subprocess.run([*script, tmp_path / name], check=True)
    weight = torch.load(tmp_path / "best_F_16shots.pt", weights_only=False)
    assert weight.dtype == torch.half and weight.shape == (672, 1024)
    adapter = torch.nn.Linear(1024, 672, bias=False)
    adapter.weight = torch.nn.Parameter(weight.float())  # as the official code puts it back
    affinity = adapter(real.queries.float())
    logits = 100 * real.queries.float() @ real.text.float().T + ((-1) * (5.5 - 5.5 * affinity)).exp() @ real.one_hot.float()
    with h5py.File(tmp_path / "a.h5") as file:
        top1 = file.attrs["test_top1"]
    assert abs(real.counts(logits.double())[0] - top1) <= 1  # half precision
    tensors = load_file(tmp_path / "a.safetensors")
    assert tensors["keys"].shape == (672, 1024) and tensors["text"].shape == (42, 1024)
    spoiled = tmp_path / "spoiled.h5"
    spoiled.write_bytes((tmp_path / "a.h5").read_bytes()[:-1])
    script[2] = spoiled
    wrong = subprocess.run([*script, tmp_path / "b.pt"], capture_output=True, text=True)
    assert wrong.returncode == 3 and "spoiled.h5" in wrong.stderr and "Traceback" not in wrong.stderr
