"""Checkpoints for tests: the demo's weights, and what a command says of a bad one."""
import json

import pytest
from safetensors import safe_open
from safetensors.torch import load_file

from conftest import DEMO_MODEL, run

CONFIG = {"open_clip_config": json.dumps({"model_cfg": {"quick_gelu": True, "vision_cfg": {"width": 10},
                                                        "text_cfg": {"width": 64, "heads": 1}}})}


@pytest.fixture(scope="session")
def state():
    return {k: v.float() for k, v in load_file(DEMO_MODEL).items()}


def text_of(checkpoint, tmp_path, *options):
    names = tmp_path / "names.txt"
    names.write_text("one\ntwo\n")
    return run("text", "--model", checkpoint, "--classnames", names, "--out", tmp_path / "t.h5", "--quiet", *options)


def refused(checkpoint, tmp_path, *words, options=()):
    result = text_of(checkpoint, tmp_path, *options)
    assert result.code == 3, (result.code, result.err)
    assert len(result.errors) == 1 and len(result.err.splitlines()) == 1, result.err
    for word in words:
        assert word in result.errors[0], result.errors[0]
    assert str(checkpoint) in result.errors[0]


def metadata():
    with safe_open(DEMO_MODEL, "pt") as file:
        return file.metadata()
