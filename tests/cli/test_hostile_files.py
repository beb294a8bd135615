"""Sealed HDF5 files and JSON made to crash, mislead or exhaust their reader: each ends in one line and exit code 3."""
import hashlib
import json
import os
import random
import re
import shutil
import struct
import subprocess
import time

import h5py
import numpy as np
import pytest

from conftest import DEMO_MODEL, DEMO_TEMPLATES, FULL, PROGRAM, command_line, measured, mpi_environment, reseal, run, run_ok
from results_tools import seal

SECRET = b"the bytes of another file of this machine, root:x:0:0 "


def seal_bytes(path, content):
    path.write_bytes(f"clipsweep sha256 {hashlib.sha256(content).hexdigest()}\n".encode().ljust(512, b"\0") + content)


@pytest.fixture(scope="module")
def secret(tmp_path_factory):
    """A file that no report may show, and an HDF5 file to be followed to."""
    folder = tmp_path_factory.mktemp("secret")
    (folder / "raw").write_bytes(SECRET * 20000)
    with h5py.File(folder / "other.h5", "w") as file:
        file["features"] = np.ones((300, 64), np.float32)
    return folder


def replaced(name, make):
    """A change that makes data set `name` anew: make(file, name, old values)."""
    def apply(file):
        old = file[name][()]
        del file[name]
        make(file, name, old)
    return apply


def low_level(file, name, old, type_id, plan=None, shape=None):
    space = h5py.h5s.create_simple(old.shape if shape is None else shape)
    return h5py.h5d.create(file.id, name.encode(), type_id, space, plan)


def long_text(file, name, old):
    kind = h5py.h5t.C_S1.copy()
    kind.set_size(2 << 20)
    low_level(file, name, old, kind, shape=(1,))


def compact(file, name, old):
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_layout(h5py.h5d.COMPACT)
    low_level(file, name, old, h5py.h5t.NATIVE_INT32, plan)


def missing_chunks(file, name, old):
    file.create_dataset(name, shape=old.shape, dtype="f4", chunks=(1, old.shape[1]), fletcher32=True)
    file[name][0] = old[0]


def unknown_filter(file, name, old):
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk(old.shape)
    plan.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, (3,))
    low_level(file, name, old, h5py.h5t.IEEE_F32LE, plan)


def virtual(secret):
    def make(file, name, old):
        layout = h5py.VirtualLayout(shape=old.shape, dtype="f4")
        layout[:] = h5py.VirtualSource(secret / "other.h5", "features", shape=old.shape)
        file.create_virtual_dataset(name, layout)
    return make


def external(secret, kind=None):
    def make(file, name, old):
        file.create_dataset(name, shape=old.shape, dtype=kind or old.dtype, external=[(str(secret / "raw"), 0, 1 << 20)])
    return make


def create(**options):
    return lambda file, name, old: file.create_dataset(name, data=old, **options)


def linked(link):
    def make(file, name, old):
        file[name] = link
    return make


def typed(kind):
    return lambda file, name, old: file.create_dataset(name, shape=old.shape[:1], dtype=kind)


def committed(file, name, old):
    file["kind"] = np.dtype("i4")
    file.create_dataset(name, data=old, dtype=file["kind"])
    del file["kind"]  # its name alone


def attribute(value, name="comment", **options):
    return lambda file: file.attrs.create(name, value, **options)


def structures(secret):
    """name -> (change of a features file, word of the error)"""
    return {
        "external raw storage": (replaced("features", external(secret)), "stored in another file"),
        "external labels": (replaced("labels", external(secret)), "stored in another file"),
        "external texts": (replaced("paths", external(secret)), "stored in another file"),
        "external link": (replaced("features", linked(h5py.ExternalLink(str(secret / "other.h5"), "features"))), "link to another file"),
        "external extra": (lambda f: f.__setitem__("more", h5py.ExternalLink("/dev/zero", "x")), "link to another file"),
        "soft link": (replaced("features", linked(h5py.SoftLink("/labels"))), "link to another name"),
        "dangling link": (lambda f: f.__setitem__("more", h5py.SoftLink("/none")), "link to another name"),
        "virtual": (replaced("features", virtual(secret)), "view of other files"),
        "gzip": (replaced("features", create(compression="gzip")), "filter 1"),
        "gzip and checksum": (replaced("features", create(compression="gzip", fletcher32=True)), "filter"),
        "shuffle": (replaced("labels", create(shuffle=True, chunks=True)), "filter 2"),
        "lzf": (replaced("features", create(compression="lzf")), "filter 32000"),
        "scale": (replaced("labels", create(scaleoffset=0, chunks=True)), "filter 6"),
        "unknown filter": (replaced("features", unknown_filter), "filter 32015"),
        "no checksums": (replaced("features", create(chunks=(1, 64))), "without their checksums"),
        "compact": (replaced("labels", compact), "neither contiguous nor in chunks"),
        "missing chunks": (replaced("features", missing_chunks), "more values than are stored"),
        "compound": (replaced("labels", typed(np.dtype([("a", "i4"), ("b", "f4")]))), "neither plain numbers nor texts"),
        "complex": (replaced("labels", typed("c8")), "neither plain"),
        "reference": (replaced("labels", typed(h5py.ref_dtype)), "neither plain"),
        "region reference": (replaced("labels", typed(h5py.regionref_dtype)), "neither plain"),
        "variable text": (replaced("paths", typed(h5py.string_dtype())), "neither plain"),
        "variable list": (replaced("labels", typed(h5py.vlen_dtype(np.int32))), "neither plain"),
        "enumeration": (replaced("labels", typed(h5py.enum_dtype({"a": 1}))), "neither plain"),
        "opaque": (replaced("labels", typed("V8")), "neither plain"),
        "array": (replaced("labels", typed(np.dtype(("i4", (3,))))), "neither plain"),
        "extended": (replaced("features", typed(np.longdouble)), "neither plain"),
        "committed": (replaced("labels", committed), "kept elsewhere"),
        "long text": (replaced("paths", long_text), "texts of 2097152 bytes"),
        "scalar": (replaced("labels", lambda f, n, old: f.create_dataset(n, data=np.int32(1))), "1 to 8 dimensions"),
        "null space": (replaced("labels", lambda f, n, old: f.create_dataset(n, data=h5py.Empty("i4"))), "1 to 8 dimensions"),
        "claims": (replaced("features", lambda f, n, old: f.create_dataset(n, shape=(2 ** 40, 64), dtype="f4", chunks=(64, 64),
                                                                         fletcher32=True)), "more values than are stored"),
        "group": (lambda f: f.create_group("more"), "is no data set"),
        "loop of groups": (lambda f: f.__setitem__("more", f["/"]), "is no data set"),
        "kind": (lambda f: f.__setitem__("more", np.dtype("f4")), "is no data set"),
        "attribute of texts": (attribute(["a", "b"], dtype=h5py.string_dtype("utf-8", 4)), "not one number or text"),
        "variable attribute": (attribute("text", dtype=h5py.string_dtype()), "neither plain"),
        "compound attribute": (attribute(np.zeros((), [("a", "i4")])), "neither plain"),
        "reference attribute": (lambda f: f.attrs.__setitem__("comment", f["labels"].ref), "neither plain"),
        "empty attribute": (attribute(h5py.Empty("S4")), "not one number or text"),
        "large attribute": (attribute(np.zeros(1 << 12, np.float64)), "not one number or text"),
        "attribute of no kind": (attribute(h5py.Empty("i4"), name="format"), "not one number or text"),
    }


def pad(n):
    return (n + 7) // 8 * 8


def byte_level(content):
    """name -> content with a size or an address of HDF5's metadata replaced."""
    made = {}

    def put(name, place, fmt, value):
        bad = bytearray(content)
        struct.pack_into(fmt, bad, place, value)
        made[name] = bytes(bad)

    # Attribute messages, version 1: version, 0, sizes of name, type and space, then these padded to 8.
    for name in (b"format", b"program_version", b"format_version"):
        place = content.index(name + b"\0") - 8
        assert content[place] == 1
        kind = place + 8 + pad(len(name) + 1)
        for value in (0, 1, 7, 255, 0x7fff, 0xffff):
            for at, part in ((2, "name"), (4, "type"), (6, "space")):
                put(f"{name.decode()} {part} size {value}", place + at, "<H", value)
        for value in (0, 1, 0x10000, 0x7fffffff, 0xffffffff):
            put(f"{name.decode()} text of {value}", kind + 4, "<I", value)
        for value in range(0x10, 0x1c):
            put(f"{name.decode()} class {value:x}", kind, "<B", value)
        for value in (0x01ff, 0x0101, 0xffff):
            put(f"{name.decode()} dimensions {value:x}", kind + 8, "<H", value)
    # Types of texts of width 0 in data sets: class 3, version 1.
    for number, found in enumerate(list(re.finditer(rb"\x13[\x00-\x22]\x00\x00", content))[:40]):
        put(f"text {number} of width 0", found.end(), "<I", 0)
    for mark in (b"TREE", b"SNOD", b"HEAP"):
        for number, found in enumerate(re.finditer(mark, content)):
            at = found.start()
            if mark == b"TREE":  # kind, level, entries, left, right, then keys and children
                key = 8 if content[at + 4] == 0 else 8 + 8 * (3 if number % 2 else 2)
                put(f"TREE {number} level", at + 5, "<B", 1)
                put(f"TREE {number} entries", at + 6, "<H", 0xffff)
                put(f"TREE {number} loop", at + 24 + key, "<Q", at)
                put(f"TREE {number} right", at + 16, "<Q", at)
                put(f"TREE {number} chunk of 2 bytes", at + 24, "<I", 2)
                put(f"TREE {number} chunk of 4 GB", at + 24, "<I", 0xfffffff0)
                put(f"TREE {number} chunk unfiltered", at + 28, "<I", 0xffffffff)
                put(f"TREE {number} elsewhere", at + 24 + key, "<Q", 1 << 40)
            elif mark == b"SNOD":
                put(f"SNOD {number} entries", at + 6, "<H", 0xffff)
            else:
                put(f"HEAP {number} size", at + 8, "<Q", 1 << 62)
                put(f"HEAP {number} free", at + 16, "<Q", 8)
    return made


def judged(files, tmp_path, timeout=100):
    """What `verify` says of many files at once, by name: a crash or a hang over one would take the whole process along."""
    result = run("verify", *files, json_path=tmp_path / "v.json", timeout=timeout)
    assert result.code in (0, 3) and len(result.errors) <= 1, result.err
    return {entry["file"].rpartition("/")[2]: entry for entry in result.json["files"]}


def test_hostile_structures_are_refused(demo, secret, tmp_path):
    made = structures(secret)
    names = {}
    for number, (name, (change, _)) in enumerate(made.items()):
        path = tmp_path / f"{number:02}.h5"
        shutil.copy(demo / "test.h5", path)
        reseal(path, change)
        names[path.name] = name
    started = time.monotonic()
    told = judged(sorted(tmp_path.glob("*.h5")), tmp_path)
    print(f"{len(told)} structures in {time.monotonic() - started:.1f} s")
    for file, entry in told.items():
        error = entry.get("error", "whole")
        assert not entry["whole"] and made[names[file]][1] in error, (names[file], error)
        assert "\n" not in error and SECRET[:10].decode() not in error


@pytest.mark.parametrize("command", ["inspect", "sweep", "zeroshot", "report", "verify"])
def test_no_command_follows_a_file_elsewhere(command, demo, secret, tmp_path, request):
    bad = tmp_path / "test.h5"
    shutil.copy(demo / "test.h5", bad)
    reseal(bad, replaced("paths", external(secret)))
    if command == "report":
        folder = tmp_path / "run"
        shutil.copytree(request.getfixturevalue("study"), folder)
        reseal(folder / "test.h5", replaced("paths", external(secret)))
        results = json.loads((folder / "results.json").read_text())
        results["files"]["test.h5"]["sha256"] = (folder / "test.h5").read_bytes()[17:81].decode()
        seal(folder / "results.json", results)
        result = run("report", "--run", folder, "--out", tmp_path / "out.html")
    elif command == "inspect":
        result = run("inspect", bad)
    elif command == "sweep":
        result = run("sweep", "--cache", demo / "train.h5", "--features", bad, "--text", demo / "text.h5", "--tune-on",
                     demo / "val.h5", "--shots", 1, "--alpha", "1:2:1", "--beta", "1:2:1", "--out", tmp_path / "s.h5")
    elif command == "zeroshot":
        result = run("zeroshot", "--features", bad, "--text", demo / "text.h5")
    else:
        result = run("verify", bad, np=2)
    assert result.code == 3 and len(result.errors) == 1 and "stored in another file" in result.err, result.err
    assert SECRET[:10].decode() not in result.out + result.err and not (tmp_path / "out.html").exists()


def test_sizes_that_crash_hdf5_are_refused(demo, tmp_path):
    """HDF5 1.10.8 itself dies over some of these: in a child process of ours."""
    content = (demo / "text.h5").read_bytes()[512:]
    made = byte_level(content)
    if not FULL:  # every kind, not of every part
        names = sorted(made)
        made = {name: made[name] for name in names[::2]}
    for number, bad in enumerate(made.values()):
        seal_bytes(tmp_path / f"{number:03}.h5", bad)
    started = time.monotonic()
    told = judged(sorted(tmp_path.glob("*.h5")), tmp_path)
    seconds = time.monotonic() - started
    crashes = sum("crashes" in entry.get("error", "") for entry in told.values())
    refused = sum(not entry["whole"] for entry in told.values())
    print(f"{len(told)} files: {refused} refused, {crashes} of them crash HDF5; {seconds:.1f} s")
    assert len(told) == len(made) > 60 and refused > len(made) // 2
    for name, entry in zip(made, (told[f] for f in sorted(told))):
        if re.search(r"text of 0$|chunk of|entries", name) and "TREE 0" not in name:
            assert not entry["whole"], name


def test_texts_of_width_0_and_crashes_end_every_command(demo, tmp_path):
    content = (demo / "text.h5").read_bytes()[512:]
    made = byte_level(content)
    for name in ("format text of 0", "format type size 65535"):
        bad = tmp_path / "bad.h5"
        seal_bytes(bad, made[name])
        for arguments in (["inspect", bad], ["zeroshot", "--features", demo / "test.h5", "--text", bad]):
            result = run(*arguments)
            assert result.code == 3 and len(result.errors) == 1 and "bad.h5" in result.err, (name, result.err)


def test_flipped_bits_under_a_new_seal_never_kill(demo, tmp_path):
    rng = random.Random(7)
    content = (demo / "text.h5").read_bytes()[512:]
    for number in range(400 if FULL else 40):
        bad = bytearray(content)
        for _ in range(rng.choice((1, 1, 4))):
            bad[rng.randrange(4096)] ^= 1 << rng.randrange(8)  # where HDF5's own records are
        seal_bytes(tmp_path / f"{number:03}.h5", bytes(bad))
    told = judged(sorted(tmp_path.glob("*.h5")), tmp_path)
    assert len(told) >= 40


def test_files_on_file_systems_without_locks_are_read(demo, tmp_path):
    """Somebody else's lock does not matter to a reader; HDF5's own variable still decides where it is set."""
    import fcntl
    with open(demo / "text.h5", "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        run_ok("verify", demo / "text.h5")
        told = subprocess.run([PROGRAM, "verify", demo / "text.h5"], capture_output=True, text=True,
                              env=dict(mpi_environment(), HDF5_USE_FILE_LOCKING="TRUE"), check=False)
        assert told.returncode == 3 and "HDF5 cannot open it" in told.stderr


def bomb(kind, size):
    """JSON of about `size` bytes."""
    if kind == "deep":
        return b"[" * size
    if kind == "deep objects":
        return b'{"a":' * (size // 5)
    if kind == "wide":
        return b"[" + b"1," * (size // 2) + b"1]"
    if kind == "empty lists":
        return b"[" + b"[]," * (size // 3) + b"1]"
    if kind == "texts":
        return b"[" + b'"aaaaaaaaaaaaaaaaaaa",' * (size // 22) + b"1]"
    keys = b",".join(b'"%d":{}' % n for n in range(size // 12))
    return b"{" + keys + b"}"


CASES = [("class names", "deep"), ("class names", "wide"), ("class names", "keys"), ("subsets", "deep objects"), ("subsets", "texts"),
         ("subsets", "keys"), ("results", "empty lists"), ("results", "deep objects"), ("run", "keys"), ("safetensors", "deep objects"),
         ("safetensors", "wide"), ("index", "keys"), ("index", "deep"), ("configuration of a model", "deep"), ("split", "empty lists")]


@pytest.mark.parametrize("place,kind", CASES if FULL else CASES[::2])
def test_json_bombs_end_soon_and_small(place, kind, demo, study, digits, tmp_path):
    size = (60 if FULL else 16) << 20
    text, file = bomb(kind, size), tmp_path / "bomb.json"
    file.write_bytes(text)
    if place == "class names":
        arguments = ["text", "--model", DEMO_MODEL, "--classnames", file, "--templates", DEMO_TEMPLATES, "--out", tmp_path / "t.h5"]
    elif place == "subsets":
        arguments = ["sweep", "--cache", demo / "train.h5", "--features", demo / "test.h5", "--text", demo / "text.h5", "--tune-on",
                     demo / "val.h5", "--subset-file", file, "--alpha", "1:2:1", "--beta", "1:2:1", "--out", tmp_path / "s.h5"]
    elif place in ("results", "run"):
        folder = tmp_path / "run"
        folder.mkdir()
        shutil.copy(study / "results.json", folder)
        (folder / f"{place}.json").write_bytes(b'{"schema": "clipsweep-%s-1", "x": %s}' % (place.encode(), text))
        arguments = ["report", "--run", folder, "--out", tmp_path / "r.html"]
    elif place == "safetensors":
        file = tmp_path / "model.safetensors"
        file.write_bytes(struct.pack("<Q", len(text)) + text)
        arguments = ["inspect", file]
    elif place == "index":
        file = tmp_path / "model.safetensors.index.json"
        file.write_bytes(b'{"weight_map":%s}' % bomb(kind, 15 << 20))
        arguments = ["inspect", file]
    elif place == "split":
        file.write_bytes(b'{"train":%s}' % text)
        arguments = ["experiment", "--model", DEMO_MODEL, "--images", digits / "train", "--split", file, "--run", tmp_path / "e", "--plan"]
    else:
        shutil.copy(DEMO_MODEL, tmp_path / "model.safetensors")
        (tmp_path / "preprocessor_config.json").write_bytes(text[:1_000_000])
        arguments = ["inspect", tmp_path]
    code, err, _, seconds, memory = measured(command_line(arguments))
    print(f"{place}, {kind}: {seconds:.1f} s, {memory >> 20} MiB; {err.strip()[:200]}")
    assert code == 3 and len(err.splitlines()) == 1, err
    assert seconds < 20 and memory < size + (1 << 30) + (400 << 20)  # the program alone takes up to 400 MiB


