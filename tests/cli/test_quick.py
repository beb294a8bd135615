"""launch/test.sh --quick: each command once, from photographs to a night, on a part of the demo."""
import re
import shutil

import pytest

from conftest import DEMO_MODEL, DEMO_TEMPLATES, run_ok

IMAGES = 12  # of a class


@pytest.fixture(scope="module")
def few(digits, tmp_path_factory):
    """The first images of each class of the demo."""
    out = tmp_path_factory.mktemp("few")
    for split in ("train", "val", "test"):
        for folder in (digits / split).iterdir():
            (out / split / folder.name).mkdir(parents=True)
            for path in sorted(folder.iterdir())[:IMAGES]:
                shutil.copy(path, out / split / folder.name)
    shutil.copy(digits / "classnames.txt", out)
    return out


def test_each_command_once(few, tmp_path):
    model = ["--model", DEMO_MODEL]
    texts = ["--classnames", few / "classnames.txt", "--templates", DEMO_TEMPLATES]
    tmp_path.joinpath("texts.txt").write_text("a zero\na one\n")
    at = {name: tmp_path / f"{name}.h5" for name in ("train", "val", "test", "text", "sweep", "adapter", "classifier")}
    common = ["--cache", at["train"], "--features", at["test"], "--text", at["text"]]
    study = [*model, *texts, "--shots", "2", "--subset-seeds", "1:3", "--compare-templates", "none", "--epochs", "2",
             *(word for split in ("train", "val", "test") for word in (f"--{split}", few / split))]
    calls = [
        *(("extract", *model, "--images", few / split, "--out", at[split]) for split in ("train", "val", "test")),
        ("text", *model, *texts, "--out", at["text"]),
        ("tokenize", "a photo of a zero"),
        ("zeroshot", "--features", at["test"], "--text", at["text"]),
        ("tip", *common, "--alpha", "1", "--beta", "5"),
        ("sweep", *common, "--tune-on", at["val"], "--alpha", "0.5:3:0.5", "--beta", "1:6:1", "--shots", "2", "--out", at["sweep"]),
        ("finetune", *common, "--sweep", at["sweep"], "--shots", "2", "--epochs", "2", "--out", at["adapter"]),
        ("methods", "gda"),
        ("fit", "--method", "gda", "--cache", at["train"], "--text", at["text"], "--tune-on", at["val"], "--out", at["classifier"]),
        ("evaluate", "--classifier", at["classifier"], "--features", at["test"]),
        ("predict", *model, "--classifier", at["classifier"], "--images", few / "val" / "3"),
        ("similarity", *model, "--images", few / "val" / "3", "--texts", tmp_path / "texts.txt", "--out", tmp_path / "s.html"),
        ("experiment", *study, "--run", tmp_path / "run"),
        ("report", "--run", tmp_path / "run", "--out", tmp_path / "report.html"),
        ("nightly", *study, "--run", tmp_path / "nights", "--history", tmp_path / "history.db"),
        ("export", at["test"], "--out", tmp_path / "test.npz"),
        ("import", tmp_path / "test.npz", "--as", "features", "--out", tmp_path / "again.h5"),
        ("verify", tmp_path / "run", *at.values()),
        ("inspect", at["adapter"]),
    ]
    for call in calls:
        run_ok(*call)
    assert {call[0] for call in calls} == set(re.findall(r"^  ([a-z]+) ", run_ok("--help").out, re.MULTILINE))
