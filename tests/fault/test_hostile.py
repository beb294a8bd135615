"""Files of hostile making in every place that takes one: an error or an answer, no signal, no hang, bounded memory.

HDF5 files are in tests/cli/test_hostile_files.py, histories in tests/cli/test_history.py, pictures that ask for much in
tests/oracle/hostile_pictures.py. CLIPSWEEP_FULL=1 makes four times as many.
"""
import json
import random
import struct

import pytest

from conftest import DEMO_MODEL, FULL, ROOT, command_line, measured

TIMES = 4 if FULL else 1
SECONDS, BYTES = 20, 1 << 30
SEEDS = ROOT / "tests/fuzz/seeds"


@pytest.fixture(scope="module")
def plain_memory():
    return measured(command_line(["inspect", DEMO_MODEL])).memory


def check(line, path, plain_memory, codes=(0, 2, 3)):
    code, errors, _, seconds, memory = measured(command_line(line), SECONDS * 5)
    said = f"{path}: exit {code}, {seconds:.1f} s, {memory >> 20} MiB: {errors[-300:]}"
    assert code in codes, said
    assert seconds < SECONDS, said
    assert memory < plain_memory + path.stat().st_size + BYTES, said
    lines = [text for text in errors.splitlines() if text.startswith("clipsweep: ")]
    assert len(lines) == (1 if code else 0), said
    assert "\x1b" not in errors and "internal error" not in errors, said
    return code


def mutated(content, rng):
    data = bytearray(content)
    for _ in range(rng.choice([1, 2, 8, 30])):
        kind, at = rng.randrange(4), rng.randrange(len(data))
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at:at + 4] = rng.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"])
        elif kind == 2:
            del data[at:at + rng.randrange(1, 64)]
        else:
            data[at:at] = data[max(0, at - 40):at]
        if not data:
            data = bytearray(b"x")
    return bytes(data)


def safetensors(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def hostile_safetensors(rng):
    def tensor(shape, begin, end, dtype="F32"):
        return {"visual.conv1.weight": {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}}

    yield from (safetensors(h, b"\0" * 64) for h in (
        tensor([1 << 62, 4], 0, 16), tensor([-1], 0, 16), tensor([4], 16, 0), tensor([4], 0, 1 << 62), tensor([0] * 4000, 0, 0),
        tensor([1 << 32, 1 << 32], 0, 16), tensor([4.5], 0, 16), tensor(["4"], 0, 16), tensor([4], 0, 16, "F" * 100000),
        tensor([4], 0, 16, "\x1b[31m"), tensor([4], 8, 24), {"a": None}, {"a": []}, {"": tensor([4], 0, 16)}, [], None, 3, {},
        {"__metadata__": {"x": "\x1b]0;title\7"}, "\x1b[2J": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}},
        {f"t{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(30000)}))
    yield from (safetensors(h) for h in (
        b"[" * 5_000_000, b'{"a":' * 2_000_000, b'{"a":[' + b"0," * 4_000_000 + b"0]}", b'{"' + b"x" * 5_000_000 + b'":1}',
        b"{\"a\":1,\"a\":2}", b'{"\xff\xfe":1}', b"{}" + b" " * 1_000_000, b"\0" * 1000, b'{"a":1e999999}', b"nul"))
    yield from (struct.pack("<Q", n) + b"{}" for n in (0, 1, 3, 1 << 63, (1 << 64) - 1, 1 << 40))
    small = safetensors(tensor([4], 0, 16), b"\0" * 16)
    for _ in range(24 * TIMES):
        yield mutated(small, rng)


def test_safetensors(tmp_path, plain_memory):
    files = 0
    for content in hostile_safetensors(random.Random(1)):
        path = tmp_path / "m.safetensors"
        path.write_bytes(content)
        assert check(["inspect", path], path, plain_memory) == 3
        files += 1
    print(f"{files} safetensors files")


def hostile_json():
    yield from (b"[" * 64_000_000, b"{" * 1_000_000, b'{"a":' * 5_000_000, b"[" + b"0," * 20_000_000 + b"0]",
                b'["' + b"a" * 60_000_000 + b'"]', b"[" + b'"\\ud800",' * 1000 + b'""]', b'{"a":"\x1b[31m"}', b'["\x1b]0;x\x07"]',
                b"[1e400]", b"[-0]", b'["a","a"]', b'{"0":"a","0":"b"}', b"[[[]]]", b"null", b'"text"', b"[null]", b"\xff\xfe[\0]\0",
                b'["a"' + b"]" * 100000, b'{"labels":[["a"]]}', b"[true,false]", b'["' + "‮".encode() + b'"]')


@pytest.mark.parametrize("option", ["classnames", "subset-file", "config", "templates", "texts"])
def test_json_and_lists(demo, tmp_path, plain_memory, option):
    points = ["--features", demo / "test.h5", "--text", demo / "text.h5"]
    for number, content in enumerate(hostile_json()):
        path = tmp_path / f"{number}.json"
        path.write_bytes(content)
        line = {"classnames": ["text", "--model", DEMO_MODEL, "--classnames", path, "--out", tmp_path / "t.h5", "--fresh"],
                "subset-file": ["sweep", "--cache", demo / "train.h5", *points, "--alpha", "1:2:1", "--beta", "1:2:1", "--subset-file",
                                path, "--out", tmp_path / "s.h5", "--fresh"],
                "config": ["zeroshot", *points, "--config", path],
                "templates": ["text", "--model", DEMO_MODEL, "--classnames", ROOT / "launch/demo/templates.txt", "--templates", path,
                              "--out", tmp_path / "t.h5", "--fresh"],
                "texts": ["tokenize", "--file", path]}[option]
        if option in ("templates", "texts", "config") and number not in (0, 4, 6, 16, 20):
            continue
        check([*line, "--quiet"], path, plain_memory)
        path.unlink()


def test_pictures(digits, tmp_path, plain_memory):
    """All in one extraction, which must name or decode each."""
    rng, folder = random.Random(2), tmp_path / "images"
    seeds = [p for p in sorted((SEEDS / "image").iterdir()) if p.is_file()]
    for number in range(120 * TIMES):
        target = folder / f"class{number % 2}" / f"{number}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(mutated(seeds[number % len(seeds)].read_bytes(), rng))
    out = tmp_path / "f.h5"
    line = ["extract", "--model", DEMO_MODEL, "--images", folder, "--on-bad-image", "skip", "--out", out, "--quiet"]
    code, errors, _, seconds, memory = measured(command_line(line), SECONDS * 5)
    assert code == 0 and seconds < SECONDS * TIMES and memory < plain_memory + BYTES, (code, seconds, memory, errors[-500:])
