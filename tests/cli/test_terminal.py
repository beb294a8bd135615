"""What a terminal or a log gets of foreign names: no control characters, valid UTF-8, wherever the name comes from."""
import os
import re
import shutil
import subprocess

import numpy
import pytest

from conftest import DEMO_MODEL, PROGRAM, mpi_environment, reseal

RED = b"\x1b[31m\x9b\xff\xc2\x9b\r"  # ESC, bytes that are no UTF-8, C1, a return


def shown(*arguments, code):
    """stdout and stderr, which hold nothing that a terminal acts on."""
    done = subprocess.run([os.fsencode(PROGRAM), *map(os.fsencode, arguments)], capture_output=True, env=mpi_environment(), timeout=60)
    for text in (done.stdout, done.stderr):
        text.decode()
        assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]", text), text
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


SWEEP = ["sweep", "--cache", "x", "--features", "x", "--text", "x", "--tune-on", "test", "--alpha", "1", "--beta", "1", "--out", "x.h5"]


@pytest.mark.parametrize("arguments", [
    ["verify", RED], ["inspect", b"/none/" + RED], ["report", "--run", RED, "--out", b"x.html"], [RED], ["sweep", b"--" + RED],
    [*SWEEP, "--shots", RED], ["extract", "--model", RED, "--images", RED, "--out", RED + b".h5"], ["verify", "x", "--threads", RED],
    ["verify", "x", "--log-level", RED], ["verify", "x", "--config", RED], ["zeroshot", "--features", RED, "--text", RED],
])
def test_arguments(arguments):
    code = 2 if any(a in (b"--" + RED, "--shots", "--threads", "--log-level") for a in arguments) or len(arguments) == 1 else 3
    assert rb"\x1b[31m" in shown(*arguments, code=code)


@pytest.mark.parametrize("line", [b"x\x1b[31m", b"shots = \x1b[31m", b"\x1b[31m = 4", b"[\x1b[31m]\ny = 1"])
def test_lines_of_a_configuration(tmp_path, line):
    (tmp_path / "c.ini").write_bytes(line + b"\n")
    assert rb"\x1b[31m" in shown(*SWEEP, "--config", tmp_path / "c.ini", code=2)


def test_folders_and_classes(digits, tmp_path):
    images = tmp_path / os.fsdecode(b"im\x1b[31mages")
    for number in (0, 1):
        shutil.copytree(sorted((digits / "test").iterdir())[number], images / f"class {number}")
    (images / os.fsdecode(b"empty\x1b[31m")).mkdir()
    (images / os.fsdecode(b"class 0/note\x1b[31m.txt")).write_text("")
    arguments = ["extract", "--model", DEMO_MODEL, "--images", images, "--out", tmp_path / "o.h5", "--log-level", "debug"]
    assert rb"empty\x1b[31m" in shown(*arguments, code=3)
    (images / os.fsdecode(b"empty\x1b[31m")).rmdir()
    assert rb"im\x1b[31mages" in shown(*arguments, code=0)


def test_attributes_and_results(demo, tmp_path):
    path = tmp_path / os.fsdecode(b"a\x1b[31m.h5")
    shutil.copy(demo / "text.h5", path)
    reseal(path, lambda file: file.attrs.create("program_version", numpy.bytes_(b"1\x1b[31m\r")))
    assert shown("inspect", path, code=0).count(rb"\x1b[31m") == 2
    assert rb"\x1b[31m" in shown("verify", path, code=0)
    assert rb"\x1b[31m" in shown("zeroshot", "--features", path, "--text", path, code=3)
