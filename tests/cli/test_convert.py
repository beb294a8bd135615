"""import and export: arrays of NumPy, PyTorch and safetensors, held to numpy, h5py and launch/import_tip_adapter.py."""
import io
import json
import struct
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from safetensors.torch import save_file as save_torch

from conftest import DEMO_MODEL, ROOT, run, run_ok

RNG = np.random.default_rng(3)
N, D, C = 14, 6, 4
LABELS = np.arange(N) % C


def rows(*shape, dtype=np.float32):
    return RNG.normal(size=shape).astype(dtype)


def imported(path):
    """features or text, labels, classes of a file."""
    with h5py.File(path) as file:
        name = "features" if "features" in file else "text"
        labels = file["labels"][:] if "labels" in file else None
        return file[name][:], labels, file["classes"].asstr()[:].tolist()


def refused(*arguments, code=3, says=()):
    """One line that names what is wrong; nothing is written."""
    result = run(*arguments)
    assert result.code == code and len(result.errors) == 1, (result.code, result.err)
    for word in says:
        assert word in result.errors[0], (word, result.errors[0])
    out = arguments[arguments.index("--out") + 1]
    assert not out.exists() and not list(out.parent.glob(f"{out.name}.*")), result.errors
    return result.errors[0]


@pytest.fixture
def labels(tmp_path):
    np.save(tmp_path / "labels.npy", LABELS)
    return tmp_path / "labels.npy"


# The real cache

def test_real_cache_is_what_the_script_makes_of_it(data, tmp_path):
    source = data("caltech101-rn50")
    subprocess.run([sys.executable, ROOT / "launch/import_tip_adapter.py", source, "--text", source / "text_42.npz", "--out",
                    tmp_path / "script"], check=True)
    keep = ["--classes-of", source / "text_42.npz"]
    run_ok("import", source, "--as", "cache", *keep, "--out", tmp_path / "cache.h5")
    run_ok("import", source, "--as", "features", "--part", "val", *keep, "--out", tmp_path / "val.h5")
    run_ok("import", source / "text_42.npz", "--as", "text", "--out", tmp_path / "text.h5")
    for name in ("cache.h5", "val.h5", "text.h5"):
        with h5py.File(tmp_path / name) as ours, h5py.File(tmp_path / "script" / name) as theirs:
            assert set(ours) == set(theirs)
            for array in theirs:
                assert ours[array].dtype == theirs[array].dtype and ours[array].shape == theirs[array].shape
                assert ours[array][:].tobytes() == theirs[array][:].tobytes(), (name, array)
            if name != "text.h5":
                assert ours.attrs["content_sha256"] == theirs.attrs["content_sha256"]
            for word in ("source", "source_sha256"):
                assert ours.attrs[f"made_from.{word}"] == theirs.attrs[f"made_from.{word}"]
    run_ok("verify", *(tmp_path / name for name in ("cache.h5", "val.h5", "text.h5")))
    common = ["--features", tmp_path / "val.h5", "--text", tmp_path / "text.h5", "--alpha", "1", "--beta", "5"]
    ours = run_ok("tip", "--cache", tmp_path / "cache.h5", *common, json_path=tmp_path / "a.json").json
    theirs = run_ok("tip", "--cache", tmp_path / "script" / "cache.h5", *common, json_path=tmp_path / "b.json").json
    assert ours["test"] == theirs["test"]


# A folder of the official code

@pytest.fixture
def official(tmp_path):
    """keys [D, K] and values [K, C] as the official code writes them, small."""
    folder = tmp_path / "official"
    folder.mkdir()
    kept = {"keys_2shots": torch.from_numpy(rows(2 * C, D)).half().T, "test_f": torch.from_numpy(rows(N, D)).half(),
            "values_2shots": torch.nn.functional.one_hot(torch.arange(2 * C) % C, C).half(), "test_l": torch.from_numpy(LABELS),
            "clip_weights": torch.from_numpy(10 * rows(C, D)).half().T.contiguous()}
    for name, value in kept.items():
        torch.save(value, folder / f"{name}.pt")
    return folder, kept


def test_official_folder(official, tmp_path):
    folder, kept = official
    run_ok("import", folder, "--as", "cache", "--out", tmp_path / "cache.h5")
    run_ok("import", folder, "--as", "features", "--part", "test", "--out", tmp_path / "test.h5")
    result = run_ok("import", folder, "--as", "text", "--out", tmp_path / "text.h5", json_path=tmp_path / "t.json")
    features, got, classes = imported(tmp_path / "cache.h5")
    assert np.array_equal(features, kept["keys_2shots"].T.float().numpy()) and got.tolist() == (np.arange(2 * C) % C).tolist()
    assert classes == [f"class-{c:04d}" for c in range(C)]
    assert np.array_equal(imported(tmp_path / "test.h5")[0], kept["test_f"].float().numpy())
    given = kept["clip_weights"].T.double().numpy()
    lengths = np.linalg.norm(given, axis=1)
    assert np.array_equal(imported(tmp_path / "text.h5")[0], (given / lengths[:, None]).astype(np.float32))
    assert result.json["text_norm"] == pytest.approx(lengths.mean()) and "made 1 long" in result.out
    with h5py.File(tmp_path / "text.h5") as file:
        assert float(file.attrs["text_norm"]) == pytest.approx(lengths.mean(), rel=1e-5)
        assert file.attrs["made_from.importer"] == b"tip-adapter"
    run_ok("sweep", "--cache", tmp_path / "cache.h5", "--features", tmp_path / "test.h5", "--text", tmp_path / "text.h5",
           "--alpha", "1:3:1", "--beta", "1:3:1", "--tune-on", "test", "--out", tmp_path / "sweep.h5")


def test_official_folder_with_two_caches_and_a_missing_part(official, tmp_path):
    folder, kept = official
    out = ["--out", tmp_path / "o.h5"]
    refused("import", folder, "--as", "features", *out, code=2, says=["--part", "val", "test"])
    refused("import", folder, "--as", "features", "--part", "val", *out, says=["val_f.pt"])
    refused("import", folder, "--as", "cache", "--labels", folder / "test_l.pt", *out, code=2, says=["--labels"])
    refused("import", folder, "--as", "cache", "--shots", 4, *out, says=["keys_4shots.pt", "--shots"])
    torch.save(kept["keys_2shots"], folder / "keys_1shots.pt")
    refused("import", folder, "--as", "cache", *out, says=["1, 2 shots", "--shots"])
    run_ok("import", folder, "--as", "cache", "--shots", 2, *out)


# Every container, type and layout

@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_npy_of_every_order(tmp_path, labels, dtype):
    given = rows(N, D, dtype=dtype)
    expected = given.astype(np.float32)
    forms = {"c": given, "fortran": np.asfortranarray(given), "big": given.astype(given.dtype.newbyteorder(">")),
             "big fortran": np.asfortranarray(given.astype(given.dtype.newbyteorder(">"))), "turned": np.ascontiguousarray(given.T)}
    for form, array in forms.items():
        np.save(tmp_path / f"{form}.npy", array)
        result = run_ok("import", tmp_path / f"{form}.npy", "--as", "features", "--labels", labels, "--out", tmp_path / f"{form}.h5")
        features, got, classes = imported(tmp_path / f"{form}.h5")
        assert features.tobytes() == expected.tobytes() and got.tolist() == LABELS.tolist() and len(classes) == C
        assert ("read as a column" in result.out) == (form == "turned")


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "uint64", "float32", "bool", "one-hot", "column", ">i4"])
def test_labels_of_every_type(tmp_path, dtype):
    classes = 2 if dtype == "bool" else C
    wanted = np.arange(N) % classes
    stored = {"one-hot": np.eye(classes)[wanted], "column": wanted[:, None]}.get(dtype)
    np.save(tmp_path / "l.npy", wanted.astype(dtype) if stored is None else stored)
    np.save(tmp_path / "f.npy", rows(N, D))
    run_ok("import", tmp_path / "f.npy", "--as", "features", "--labels", tmp_path / "l.npy", "--out", tmp_path / "o.h5")
    assert imported(tmp_path / "o.h5")[1].tolist() == wanted.tolist()


def test_npz_and_safetensors_with_their_labels(tmp_path):
    given, names = rows(N, D), ["Löwe", "b", "c", "猫"]
    one_hot = np.eye(C, dtype=np.float32)[LABELS]
    np.savez(tmp_path / "a.npz", features=given, labels=LABELS, classname=np.array(names))
    np.savez_compressed(tmp_path / "b.npz", keys=given, values=one_hot, classes=np.array(names))
    np.savez(tmp_path / "c.npz", embeddings=given.T, labels=LABELS, classname=np.array(names))
    save_file({"features": given, "labels": LABELS}, tmp_path / "d.safetensors", metadata={"classes": json.dumps(names)})
    save_torch({"keys": torch.from_numpy(given).bfloat16(), "values": torch.from_numpy(one_hot).bfloat16()},
               tmp_path / "e.safetensors", metadata={"classes": json.dumps(names)})
    for name, kind, more in (("a.npz", "features", []), ("b.npz", "cache", []), ("c.npz", "features", ["--key", "embeddings"]),
                             ("d.safetensors", "features", []), ("e.safetensors", "cache", [])):
        run_ok("import", tmp_path / name, "--as", kind, *more, "--out", tmp_path / f"{name}.h5")
        features, got, classes = imported(tmp_path / f"{name}.h5")
        expected = torch.from_numpy(given).bfloat16().float().numpy() if name == "e.safetensors" else given
        assert np.array_equal(features, expected) and got.tolist() == LABELS.tolist() and classes == names, name


@pytest.mark.parametrize("form", ["plain", "half", "bfloat16", "double", "transposed", "sliced", "parameter", "offset", "view of one"])
def test_tensors_of_torch_save(tmp_path, labels, form):
    """Views, of which the whole storage is in the file, too."""
    base = torch.from_numpy(rows(2 * N, 2 * D))
    tensor = {"plain": base[:N, :D].contiguous(), "half": base[:N, :D].half(), "bfloat16": base[:N, :D].bfloat16(),
              "double": base[:N, :D].double(), "transposed": base[:N, :D].T.contiguous().T, "sliced": base[::2, ::2],
              "parameter": torch.nn.Parameter(base[:N, :D].contiguous()), "offset": base[N:, D:],
              "view of one": base.reshape(-1)[5:5 + N].view(N, 1)}[form]
    torch.save(tensor, tmp_path / "f.pt")
    run_ok("import", tmp_path / "f.pt", "--as", "features", "--labels", labels, "--out", tmp_path / "o.h5")
    assert np.array_equal(imported(tmp_path / "o.h5")[0], tensor.detach().float().numpy())


def test_text_and_its_layout(tmp_path):
    text = rows(C, D)
    unit = (text.astype("f8") / np.linalg.norm(text.astype("f8"), axis=1, keepdims=True)).astype("f4")
    (tmp_path / "names.txt").write_text("one\ntwo\nthree\nfour_teen\n")
    np.save(tmp_path / "t.npy", text)
    np.save(tmp_path / "turned.npy", text.T)
    names = ["--classnames", tmp_path / "names.txt"]
    for source, more in (("t.npy", names), ("turned.npy", names), ("t.npy", ["--layout", "CxD"]), ("turned.npy", ["--layout", "DxC"])):
        result = run_ok("import", tmp_path / source, "--as", "text", *more, "--out", tmp_path / "o.h5", "--fresh")
        got, _, classes = imported(tmp_path / "o.h5")
        assert got.tobytes() == unit.tobytes()
        assert classes == (["one", "two", "three", "four_teen"] if more is names else [f"class-{c:04d}" for c in range(C)])
        assert ("a column" in result.out) == (source == "turned.npy")
    with h5py.File(tmp_path / "o.h5") as file:
        assert file["templates"].asstr()[:].tolist() == ["imported"]
    # Nothing says how many classes there are; a square says nothing either.
    out = ["--out", tmp_path / "x.h5"]
    refused("import", tmp_path / "t.npy", "--as", "text", *out, says=["--layout CxD", "--layout DxC"])
    np.save(tmp_path / "square.npy", rows(C, C))
    refused("import", tmp_path / "square.npy", "--as", "text", *names, *out, says=["--layout CxD"])
    refused("import", tmp_path / "t.npy", "--as", "text", *names, "--layout", "DxC", *out, says=["4 x 6", "--layout does not fit"])
    refused("import", tmp_path / "t.npy", "--as", "text", "--layout", "CD", *out, code=2, says=["--layout", "CxD, DxC"])


def test_square_features_are_asked_for(tmp_path):
    square, wanted = rows(N, N), LABELS
    np.savez(tmp_path / "s.npz", features=square, labels=wanted)
    out = tmp_path / "o.h5"
    refused("import", tmp_path / "s.npz", "--as", "features", "--out", out, says=["14 x 14", "--layout"])
    for layout, expected in (("NxD", square), ("DxN", square.T)):
        run_ok("import", tmp_path / "s.npz", "--as", "features", "--layout", layout, "--out", out, "--fresh")
        assert np.array_equal(imported(out)[0], expected)


def test_only_some_classes(tmp_path):
    given = rows(N, D)
    np.savez(tmp_path / "f.npz", features=given, labels=LABELS)
    np.savez(tmp_path / "keep.npz", class_index=np.array([3, 1]), classname=np.array(["three", "one"]))
    np.savez(tmp_path / "numbers.npz", class_index=np.array([3, 1]))
    kept = [i for i in range(N) if LABELS[i] in (3, 1)]
    for keep, names in (("keep.npz", ["three", "one"]), ("numbers.npz", ["class-0003", "class-0001"])):
        result = run_ok("import", tmp_path / "f.npz", "--as", "features", "--classes-of", tmp_path / keep, "--out", tmp_path / f"{keep}.h5")
        features, got, classes = imported(tmp_path / f"{keep}.h5")
        assert np.array_equal(features, given[kept]) and got.tolist() == [0 if LABELS[i] == 3 else 1 for i in kept] and classes == names
        assert f"{N - len(kept)} rows are of other classes" in result.out
    text = rows(C, D)
    np.savez(tmp_path / "t.npz", text=text, classname=np.array(["zero", "one", "two", "three"]))
    run_ok("import", tmp_path / "t.npz", "--as", "text", "--classes-of", tmp_path / "numbers.npz", "--out", tmp_path / "t.h5")
    got, _, classes = imported(tmp_path / "t.h5")
    assert classes == ["three", "one"] and np.allclose(got, (text / np.linalg.norm(text, axis=1, keepdims=True))[[3, 1]], atol=1e-6)


def test_a_second_import_finds_its_output(tmp_path, labels):
    np.save(tmp_path / "f.npy", rows(N, D))
    call = ["import", tmp_path / "f.npy", "--as", "features", "--labels", labels, "--out", tmp_path / "o.h5"]
    first = run_ok(*call, json_path=tmp_path / "a.json").json
    again = run_ok(*call, json_path=tmp_path / "a.json")
    assert again.json["up_to_date"] and again.json["sha256"] == first["sha256"] and "up to date" in again.out
    np.save(tmp_path / "f.npy", rows(N, D))
    result = run(*call)
    assert result.code == 3 and "source_sha256" in result.errors[0] and "--fresh" in result.errors[0]
    assert run_ok(*call, "--fresh", json_path=tmp_path / "a.json").json["sha256"] != first["sha256"]
    result = run(*call[:-1], labels)
    assert result.code == 2 and np.array_equal(np.load(labels), LABELS), result.err
    # A text file does not take a feature file's place.
    np.savez(tmp_path / "t.npz", text=rows(C, D))
    result = run("import", tmp_path / "t.npz", "--as", "text", "--out", tmp_path / "o.h5", "--fresh")
    assert result.code == 2 and "is no text file" in result.errors[0], result.err


# What cannot be used

def changed(value, place, to):
    value = value.copy()
    value[place] = to
    return value


GOOD = {"features": rows(N, D), "labels": LABELS}
BAD_ARRAYS = {
    "not a number": ({"features": changed(GOOD["features"], (5, 2), np.nan)}, ["row 5", "not finite"]),
    "infinite": ({"features": changed(GOOD["features"], (0, 0), -np.inf)}, ["row 0", "not finite"]),
    "beyond float32": ({"features": changed(GOOD["features"].astype("f8"), (9, 1), 1e300)}, ["row 9", "beyond float32"]),
    "a row of zeros": ({"features": changed(GOOD["features"], 7, 0)}, ["row 7", "zero"]),
    "features of whole numbers": ({"features": np.ones((N, D), int)}, ["int64", "floating"]),
    "complex features": ({"features": GOOD["features"].astype("c8")}, ["c8"]),
    "features of one axis": ({"features": GOOD["features"][:, 0]}, ["a row of 14", "matrix"]),
    "features of three axes": ({"features": GOOD["features"][None]}, ["1 x 14 x 6", "matrix"]),
    "no rows": ({"features": GOOD["features"][:0], "labels": LABELS[:0]}, ["0 x 6"]),
    "features as text": ({"features": GOOD["features"].astype(str)}, ["text", "floating"]),
    "label below zero": ({"labels": changed(LABELS, 3, -1)}, ["label -1", "row 3", "'labels'"]),
    "labels with fractions": ({"labels": LABELS + 0.5}, ["row 0", "0.5", "whole"]),
    "labels that are no numbers": ({"labels": changed(LABELS.astype(float), 4, np.nan)}, ["row 4", "whole"]),
    "label too large": ({"labels": changed(LABELS.astype("u8"), 4, 2 ** 63)}, ["row 4", "too large"]),
    "a label that would make a billion classes": ({"labels": changed(LABELS, 4, 10 ** 9)}, ["row 4", "1000000000", "0..999999"]),
    "names as labels": ({"labels": LABELS.astype(str)}, ["text", "whole numbers"]),
    "fewer labels": ({"labels": LABELS[:-1]}, ["14 x 6", "13 rows"]),
    "labels of three axes": ({"labels": LABELS[:, None, None]}, ["14 x 1 x 1", "[N]"]),
    "two ones in a row": ({"labels": changed(np.eye(C)[LABELS], (2, 0), 1)}, ["row 2", "sum is 2"]),
    "a row without a one": ({"labels": changed(np.eye(C)[LABELS], 4, 0)}, ["row 4", "sum is 0"]),
    "a name twice": ({"classname": np.array(["a", "b", "a", "d"])}, ["'a' names two classes"]),
    "an empty name": ({"classname": np.array(["a", "b", "", "d"])}, ["class 2", "empty"]),
    "a name that turns the line": ({"classname": np.array(["a", "b", "\u202ex", "d"])}, ["class 2", "control"]),
    "fewer names than classes": ({"classname": np.array(["a", "b"])}, ["label 2", "0..1"]),
    "names that are numbers": ({"classname": np.arange(C)}, ["row of texts"]),
    "objects": ({"features": np.array([[1, None]], dtype=object)}, ["pickles are never run"]),
    "records": ({"features": np.zeros(N, dtype=[("x", "f4")])}, ["records"]),
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_arrays_that_cannot_be_used(tmp_path, case):
    arrays, words = BAD_ARRAYS[case]
    np.savez(tmp_path / "a.npz", **{**GOOD, **arrays})
    refused("import", tmp_path / "a.npz", "--as", "features", "--out", tmp_path / "o.h5", says=["a.npz", *words])


def test_arrays_that_are_not_there(tmp_path):
    out = ["--out", tmp_path / "o.h5"]
    np.savez(tmp_path / "a.npz", **{"embeddings": rows(N, D), "target": LABELS, "../x": LABELS})
    refused("import", tmp_path / "a.npz", "--as", "features", *out, says=["features or keys", "'embeddings', 'target'", "--key"])
    refused("import", tmp_path / "a.npz", "--as", "text", *out, says=["called text", "--key"])
    refused("import", tmp_path / "a.npz", "--as", "features", "--key", "embedings", *out, says=["did you mean 'embeddings'"])
    refused("import", tmp_path / "a.npz", "--as", "features", "--key", "embeddings", *out, says=["labels or values", "--labels"])
    np.save(tmp_path / "f.npy", rows(N, D))
    refused("import", tmp_path / "f.npy", "--as", "features", *out, code=2, says=["--labels", "f.npy"])
    refused("import", tmp_path / "f.npy", "--as", "features", "--key", "a", *out, code=2, says=["--key"])
    refused("import", tmp_path / "absent.npy", "--as", "features", *out, says=["absent.npy"])
    refused("import", tmp_path / "f.npy", "--as", "feature", *out, code=2, says=["--as", "cache, features, text"])
    np.savez(tmp_path / "keep.npz", class_index=np.array([1, 1]))
    np.savez(tmp_path / "good.npz", **GOOD)
    good = ["import", tmp_path / "good.npz", "--as", "features", "--classes-of"]
    refused(*good, tmp_path / "keep.npz", *out, says=["keep.npz", "entry 1", "stands there before"])
    refused(*good, tmp_path / "a.npz", *out, says=["class_index"])
    np.savez(tmp_path / "far.npz", class_index=np.array([40]))
    refused(*good, tmp_path / "far.npz", *out, says=["no row of the 1 classes"])
    np.savez(tmp_path / "minus.npz", class_index=np.array([-1]))
    refused(*good, tmp_path / "minus.npz", *out, says=["minus.npz", "-1"])


def zipped(*entries, size=None):
    """An archive of (name, bytes), the size of the last in its directory changed to `size`."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    made = bytearray(file.getvalue())
    if size is not None:
        at = made.rfind(b"PK\1\2")
        made[at + 24:at + 28] = struct.pack("<I", size)
    return bytes(made)


def npy(array, **changes):
    """The bytes of an .npy; `changes` replaces words of its header, in the same length."""
    file = io.BytesIO()
    np.save(file, array)
    made = file.getvalue()
    for old, new in changes.get("words", []):
        assert old in made
        made = made.replace(old, new.ljust(len(old)), 1)
    return made


def test_files_that_are_hostile(tmp_path, labels):
    good = npy(rows(N, D))
    base = io.BytesIO()
    np.savez(base, **GOOD)
    whole = base.getvalue()
    flipped = bytearray(whole)
    flipped[200] ^= 1
    tensor = io.BytesIO()
    torch.save(torch.from_numpy(rows(N, D)), tensor)
    tensor = tensor.getvalue()

    def tensor_with(old, new):
        with zipfile.ZipFile(io.BytesIO(tensor)) as archive:
            entries = [(name, archive.read(name)) for name in archive.namelist()]
        pickle = dict(entries)["archive/data.pkl"]
        assert old in pickle
        return zipped(*[(name, content.replace(old, new) if name == "archive/data.pkl" else content) for name, content in entries])

    eighth = b'{"features":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]}}'
    cases = {
        "nothing.npy": (b"", "empty"),
        "cut.npy": (good[:-1], "cut short"),  # a download that broke off
        "more.npy": (good + b"x", "1 bytes behind"),  # two arrays in one file, or a botched download
        "shape.npy": (npy(rows(N, D), words=[(b"(14, 6), }   ", b"(9999999, 6)}")]), "cut short"),  # promises gigabytes
        "huge.npy": (npy(rows(N, D), words=[(b"(14, 6), }" + b" " * 40, b"(4611686018427387904, 4611686018427387904), }")]),
                     "more than any file"),  # a product that overflows
        "minus.npy": (npy(rows(N, D), words=[(b"(14, 6)", b"(-4, 6)")]), "no number"),  # a negative length
        "digits.npy": (npy(rows(N, D), words=[(b"(14, 6), }" + b" " * 30, b"(99999999999999999999999999), }")]), "length"),
        "version.npy": (good[:6] + b"\x09" + good[7:], "version 9"),
        "long.npy": (good[:6] + b"\x02\x00\xff\xff\xff\xff" + good[10:], "longer"),  # a header of 4 GB
        "names.npy": (npy(rows(N, D), words=[(b"'descr'", b"'des_r'")]), "NumPy does not write"),
        "type.npy": (npy(rows(N, D), words=[(b"'<f4'", b"'<q4'")]), "'<q4'"),
        "object.npy": (npy(np.array([1, "a"], dtype=object)), "pickles are never run"),
        "word.npy": (b"hello, I am text" * 9, "does not begin"),
        "cut.npz": (whole[:-30], "zip archive"),  # without its directory
        "flipped.npz": (bytes(flipped), "damaged"),  # a bit of the numbers, found by the checksum
        "claim.npz": (zipped(("features.npy", good), size=2 ** 31), "claims 2147483648 bytes"),  # more than deflate can make
        "bomb.npz": (zipped(("features.npy", b"\0" * (60 << 20)), size=0xF0000000), "claims"),  # larger than its bytes allow
        "short.npz": (zipped(("labels.npy", npy(LABELS)), ("features.npy", good), size=len(good) + 5), "damaged"),
        "bare.npz": (zipped(("features.txt", b"1 2 3")), "without arrays"),
        "cut.pt": (tensor[:-40], "zip archive"),
        "call.pt": (tensor_with(b"ctorch._utils\n_rebuild_tensor_v2\n", b"cos\nsystem\n"), "'os system'"),  # runs a command
        "stack.pt": (tensor_with(b"\x80\x02", b"\x80\x02RRRR"), "malformed"),  # calls with nothing on the stack
        "memo.pt": (tensor_with(b"\x80\x02", b"\x80\x02h\x63"), "malformed"),  # what was never kept
        "size.pt": (tensor_with(b"K\x0eK\x06\x86", b"J\xff\xff\xff\x7fK\x06\x86"), "more numbers than are there"),
        "stride.pt": (tensor_with(b"K\x06K\x01\x86", b"J\xff\xff\xff\x7fK\x01\x86"), "more numbers than are there"),
        "before.pt": (tensor_with(b"QK\x00K\x0e", b"QJ\xff\xff\xff\xffK\x0e"), "more numbers than are there"),  # offset -1
        "negative.pt": (tensor_with(b"K\x06K\x01\x86", b"J\xff\xff\xff\xffK\x01\x86"), "no number"),
        "key.pt": (tensor_with(b"X\x01\x00\x00\x000", b"X\x01\x00\x00\x009"), "lacks its numbers"),
        "dict.pt": (None, "dictionary"),
        "list.pt": (None, "list"),
        "old.pt": (None, "pickle by itself"),
        "deep.pt": (zipped(("a/data.pkl", b"\x80\x02)" + b"\x85" * 60000 + b".")), "nested too deep"),  # a stack overflow
        "long.pt": (zipped(("a/data.pkl", b"\x80\x02" + b")" * 100000)), "more than a tensor"),
        "cut.safetensors": (struct.pack("<Q", 90) + b'{"a":{"dtype":"F32"', "cut short"),
        "none.safetensors": (struct.pack("<Q", 2) + b"[]", "not a safetensors"),
        "f8.safetensors": (struct.pack("<Q", len(eighth)) + eighth + b"12", "F8_E4M3"),  # a type that nothing here reads
        "other.csv": (b"1,2,3\n", ".npy, .npz, .safetensors"),
    }
    torch.save({"features": torch.ones(3)}, tmp_path / "dict.pt")
    torch.save([torch.ones(3)], tmp_path / "list.pt")
    torch.save(torch.ones(3), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    for name, (content, word) in cases.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        refused("import", tmp_path / name, "--as", "features", "--labels", labels, "--out", tmp_path / "o.h5", says=[name, word])


def test_an_npy_cut_anywhere_is_refused(tmp_path, labels):
    """A sample of the lengths; tests/unit/npy_test.cpp has all of them."""
    whole = npy(rows(N, D))
    for length in [*range(1, 130, 9), len(whole) - 4]:
        (tmp_path / "cut.npy").write_bytes(whole[:length])
        refused("import", tmp_path / "cut.npy", "--as", "features", "--labels", labels, "--out", tmp_path / "o.h5", says=["cut.npy"])


# Export

def test_round_trip_keeps_every_byte(tmp_path):
    given, names = rows(N, D), ["a", "b", "größer", "d"]
    np.savez(tmp_path / "a.npz", features=given, labels=LABELS, classes=np.array(names))
    run_ok("import", tmp_path / "a.npz", "--as", "features", "--out", tmp_path / "a.h5")
    run_ok("export", tmp_path / "a.h5", "--out", tmp_path / "b.npz")
    run_ok("export", tmp_path / "a.h5", "--out", tmp_path / "b.npy")
    run_ok("export", tmp_path / "a.h5", "--out", tmp_path / "b.safetensors")
    with np.load(tmp_path / "b.npz") as made:
        assert sorted(made.files) == ["classes", "features", "labels"]
        assert made["features"].tobytes() == given.tobytes() and made["features"].dtype == np.float32
        assert made["labels"].dtype == np.int32 and made["labels"].tolist() == LABELS.tolist() and made["classes"].tolist() == names
    assert np.load(tmp_path / "b.npy").tobytes() == given.tobytes()
    assert np.load(tmp_path / "b-labels.npy").tolist() == LABELS.tolist()
    made = load_file(tmp_path / "b.safetensors")
    assert made["features"].tobytes() == given.tobytes() and made["labels"].tolist() == LABELS.tolist()
    with safe_open(tmp_path / "b.safetensors", "np") as file:
        assert json.loads(file.metadata()["classes"]) == names and file.metadata()["clipsweep"] == "clipsweep-features"
    # And back: the same features, labels and classes from each.
    for name, more in (("b.npz", []), ("b.safetensors", []), ("b.npy", ["--labels", tmp_path / "b-labels.npy"])):
        run_ok("import", tmp_path / name, "--as", "features", *more, "--out", tmp_path / f"{name}.h5")
        features, got, classes = imported(tmp_path / f"{name}.h5")
        assert features.tobytes() == given.tobytes() and got.tolist() == LABELS.tolist()
        assert classes == (names if not more else [f"class-{c:04d}" for c in range(C)])
    # The same bytes again.
    before = (tmp_path / "b.npz").read_bytes()
    run_ok("export", tmp_path / "a.h5", "--out", tmp_path / "b.npz")
    assert (tmp_path / "b.npz").read_bytes() == before


def test_what_is_exported_of_each_file(demo, study, tmp_path):
    adapter = next(study.glob("adapter-*.h5"))
    predictions = next(study.glob("predictions-*.h5"))
    cases = {demo / "test.h5": ["features", "labels"], demo / "text.h5": ["text"], predictions: ["predicted", "probability", "labels"],
             adapter: ["keys", "class_index", "text"], study / "sweep.h5": ["top1", "top5", "alpha", "beta", "shots", "seeds", "best_alpha"]}
    for source, names in cases.items():
        result = run_ok("export", source, "--out", tmp_path / "o.npz", json_path=tmp_path / "o.json")
        run_ok("export", source, "--out", tmp_path / "o.safetensors")
        tensors = load_file(tmp_path / "o.safetensors")
        with np.load(tmp_path / "o.npz") as made, h5py.File(source) as file:
            for name in names:
                assert np.array_equal(made[name], file[name][:]) and np.array_equal(tensors[name], file[name][:]), (source, name)
                assert made[name].dtype == file[name].dtype == tensors[name].dtype
                assert result.json["arrays"][name] == list(file[name].shape)
            if "classes" in file:
                assert made["classes"].tolist() == file["classes"].asstr()[:].tolist()
            if source == adapter:
                assert made["alpha"] == file.attrs["alpha"] and tensors["beta"] == file.attrs["beta"]
    # Text goes through a file of arrays and comes back as it was.
    run_ok("export", demo / "text.h5", "--out", tmp_path / "t.npz")
    run_ok("import", tmp_path / "t.npz", "--as", "text", "--out", tmp_path / "t.h5")
    got, _, classes = imported(tmp_path / "t.h5")
    wanted = imported(demo / "text.h5")
    assert np.allclose(got, wanted[0], atol=1e-7) and classes == wanted[2]


def test_exports_that_are_refused(demo, study, tmp_path):
    def no(*arguments, code, says):
        result = run(*arguments)
        assert result.code == code and len(result.errors) == 1 and all(word in result.errors[0] for word in says), result.err

    source = demo / "test.h5"
    no("export", source, "--out", tmp_path / "o.csv", code=2, says=["--out", ".npy, .npz, .safetensors"])
    no("export", source, "--out", "/dev/stdout", code=2, says=["--out"])
    no("export", next(study.glob("adapter-*.h5")), "--out", tmp_path / "o.npy", code=2, says=["one array", ".npz"])
    (tmp_path / "shard.npz").write_bytes(zipped(("word/document.xml", b"x")))  # a zip archive of another program
    (tmp_path / "mine.npy").write_text("my notes")
    (tmp_path / "o-labels.npy").write_text("my notes")
    (tmp_path / "model.safetensors").write_bytes(DEMO_MODEL.read_bytes())  # a checkpoint is no export of ours
    for name in ("shard.npz", "mine.npy", "o.npy", "model.safetensors"):
        no("export", source, "--out", tmp_path / name, code=2, says=["is there and is no file of arrays"])
    assert not (tmp_path / "o.npy").exists() and (tmp_path / "mine.npy").read_text() == "my notes"
    no("export", tmp_path / "mine.npy", "--out", tmp_path / "a.npz", code=3, says=["mine.npy"])
    no("export", source, "--out", source, code=2, says=["--out"])
    damaged = bytearray(source.read_bytes())
    damaged[-9] ^= 1
    (tmp_path / "damaged.h5").write_bytes(damaged)
    no("export", tmp_path / "damaged.h5", "--out", tmp_path / "a.npz", code=3, says=["damaged"])
    assert not list(tmp_path.glob("a.npz*"))
