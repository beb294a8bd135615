"""Image folders as they are: what is read, what is left out and said, links, classes without images."""
import csv
import hashlib
import io
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile

import h5py
import jsonschema
import numpy
import pytest
from PIL import Image

from conftest import DEMO_MODEL, PROGRAM, ROOT, reseal, run, run_ok, study_arguments

EXTRACT = ["extract", "--model", DEMO_MODEL, "--quiet"]


@pytest.fixture(scope="module")
def picture(digits):
    return next(iter(sorted((digits / "val/3").iterdir()))).read_bytes()


@pytest.fixture
def folder(tmp_path, picture):
    """Makes files below tmp_path/images: names that end in .png hold a picture, others text, unless said otherwise."""
    root = tmp_path / "images"

    def make(*names, content=None):
        for name in names:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if content is not None else picture if path.suffix == ".png" else b"some text\n")
        return root

    make.root = root
    return make


def extract(root, tmp_path, *options, np=0):
    result = run_ok(*EXTRACT, "--images", root, "--out", tmp_path / "f.h5", *options, np=np, json_path=tmp_path / "e.json")
    with h5py.File(tmp_path / "f.h5") as file:
        result.paths = list(file["paths"][()])
        result.classes = [c.decode("utf8", "replace") for c in file["classes"][()]]
    return result


def refused(root, tmp_path, *options, np=0, command=EXTRACT):
    """The one line of an extraction that fails."""
    result = run(*command, "--images", root, "--out", tmp_path / "f.h5", *options, np=np, timeout=60)
    assert result.code == 3 and len(result.errors) == 1, (result.code, result.out, result.err)
    return result.errors[0]


@pytest.mark.parametrize("np_", [0, 2])
def test_what_is_no_picture_is_counted_by_kind(folder, tmp_path, np_):
    root = folder("cat/1.png", "dog/1.png", "dog/README", "cat/a.XML", "dog/film.mp4",
                  *(f"cat/{i}.txt" for i in range(12)), *(f"dog/deep/{i}.mat" for i in range(8)))
    folder("names.txt", "cover.png")
    result = extract(root, tmp_path, np=np_)
    assert result.paths == [b"cat/1.png", b"dog/1.png"]
    assert "skipped 23 files: 12 .txt, 8 .mat, 1 .mp4, 1 .xml, 1 without ending\n" in result.out
    assert "skipped 2 files beside the class folders: 1 .png, 1 .txt\n" in result.out
    assert result.json["skipped_files"] == {".txt": 12, ".mat": 8, ".mp4": 1, ".xml": 1, "without ending": 1}
    assert result.json["files_beside_classes"] == {".png": 1, ".txt": 1} and result.json["images"] == 2
    assert "skipped 23 files" in result.err  # before hours of work, too
    again = extract(root, tmp_path)
    assert again.json["up_to_date"] and again.json["skipped_files"] == result.json["skipped_files"]


def test_one_file_and_many_kinds(folder, tmp_path):
    root = folder("cat/1.png", "cat/one.txt")
    assert "skipped 1 file: 1 .txt\n" in extract(root, tmp_path).out
    folder(*(f"cat/x.k{i:02}" for i in range(20)))
    line = next(line for line in extract(root, tmp_path).out.splitlines() if line.startswith("skipped"))
    assert line.startswith("skipped 21 files: 1 .k00, 1 .k01") and line.endswith(", 13 of 13 other kinds")


def test_pictures_by_their_first_bytes(folder, digits, tmp_path, picture):
    grey = Image.open(io.BytesIO(picture)).convert("RGB")
    root = folder("cat/a.png")
    made = {"a.png"}
    for name, kind in (("n01440764_10026", "JPEG"), ("photo.jpg?width=200", "JPEG"), ("image.JPG.1", "JPEG"),
                       ("x.jpeg_large", "JPEG"), ("b.jfif", "JPEG"), ("c.jpe", "JPEG"), ("d.PJPEG", "JPEG"),
                       ("really.heic", "JPEG"), ("e", "PNG"), ("f.", "PNG")):
        buffer = io.BytesIO()
        grey.save(buffer, kind)
        folder(f"cat/{name}", content=buffer.getvalue())
        made.add(name)
    folder("cat/copy.png.bak", "cat/half.part", "cat/edited.png~", "cat/notes.txt", content=picture)  # other things by name
    folder("cat/LICENSE", "cat/empty", content=b"")
    folder("cat/BM", content=b"BMW makes cars")
    result = extract(root, tmp_path)
    assert {p.decode().removeprefix("cat/") for p in result.paths} == made
    assert result.json["skipped_files"] == {".bak": 1, ".part": 1, ".txt": 1, "without ending": 4}


@pytest.mark.parametrize("bad", ["a.png", "a.TIFF", "a.bmp", "a.gif", "a.ppm", "a.jfif"])
def test_a_picture_by_name_that_is_none_is_named(folder, tmp_path, bad):
    root = folder("cat/1.png")
    folder(f"cat/{bad}", content=b"some text, no picture")
    assert f"cat/{bad}: " in refused(root, tmp_path)


def test_hidden_and_system_entries_are_left_out_at_any_depth(folder, tmp_path):
    root = folder("cat/1.png", "cat/deep/2.png", "dog/1.png", "cat/.png")
    folder(".ipynb_checkpoints/1.png", "@eaDir/1.png", "cat/@eaDir/1.png/thumb.png", "cat/deep/.Trash-0/1.png",
           "dog/__MACOSX/1.png", "dog/._1.png", "dog/._2.png", "dog/Thumbs.db", "cat/desktop.ini", "cat/DESKTOP.INI",
           "cat/.DS_Store", "dog/$RECYCLE.BIN/1.png", "lost+found/1.png", "System Volume Information/1.png",
           "dog/#recycle/1.png")
    result = extract(root, tmp_path)
    assert result.paths == [b"cat/1.png", b"cat/deep/2.png", b"dog/1.png"] and result.classes == ["cat", "dog"]
    hidden = {".ipynb_checkpoints": 1, "@eaDir": 2, ".Trash-0": 1, "__MACOSX": 1, "._*": 2, "Thumbs.db": 1, "desktop.ini": 1,
              "DESKTOP.INI": 1, ".DS_Store": 1, "$RECYCLE.BIN": 1, "lost+found": 1, "System Volume Information": 1,
              "#recycle": 1, ".png": 1}
    assert result.json["hidden_entries"] == hidden and result.json["skipped_files"] == {}
    assert "left out 16 hidden or system entries: 2 ._*, 2 @eaDir, 1 #recycle" in result.out


def test_a_class_folder_without_pictures_says_what_is_there(folder, tmp_path):
    root = folder("cat/1.png", "dog/a.txt", "dog/b.txt", "dog/deep/c.txt")
    assert "dog: class folder has no pictures; skipped 3 files: 3 .txt; fill or remove it" in refused(root, tmp_path)
    shutil.rmtree(root / "dog")
    (root / "dog").mkdir()
    assert "dog: class folder has no pictures; it is empty" in refused(root, tmp_path)
    folder("dog/.hidden.png")
    assert "left out 1 hidden or system entry: 1 .hidden.png" in refused(root, tmp_path)
    shutil.rmtree(root)
    folder("1.png", "2.png")
    assert "no class folders with images" in (line := refused(root, tmp_path)) and "2 .png" in line


def test_a_nested_folder_alone_and_folders_named_as_pictures(folder, tmp_path):
    root = folder("cat/only/deeper/1.png", "dog/x.png/2.png", "dog/x.png/3.png", "bird.jpg/4.png", "bird.jpg/a.png/notes.txt")
    result = extract(root, tmp_path)
    assert result.paths == [b"bird.jpg/4.png", b"cat/only/deeper/1.png", b"dog/x.png/2.png", b"dog/x.png/3.png"]
    assert result.json["skipped_files"] == {".txt": 1}


def test_linked_folders_are_followed(folder, tmp_path, picture):
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "sub").mkdir(parents=True)
    (elsewhere / "sub/2.png").write_bytes(picture)
    (tmp_path / "bird").mkdir()
    (tmp_path / "bird/1.png").write_bytes(picture)
    root = folder("cat/1.png")
    (root / "bird").symlink_to(tmp_path / "bird")                   # a class folder
    (tmp_path / "hop").symlink_to(elsewhere)
    (root / "cat/more").symlink_to("../../hop")                     # a chain
    (root / "cat/again").symlink_to(elsewhere / "sub")              # two ways to one folder
    (root / "cat/single").symlink_to(elsewhere / "sub/2.png")       # a picture without ending
    result = extract(root, tmp_path)
    assert result.paths == [b"bird/1.png", b"cat/1.png", b"cat/again/2.png", b"cat/more/sub/2.png", b"cat/single"]


@pytest.mark.parametrize("link, target, back_to", [
    ("cat/up", "..", ""), ("cat/here", ".", "cat"), ("cat/deep/back", "../../cat", "cat"), ("self", ".", ""),
    ("above", "..", None), ("cat/outside", "../..", None), ("cat/root", "/", None)])
def test_a_loop_is_named(folder, tmp_path, link, target, back_to):
    root = folder("cat/1.png", "cat/deep/2.png")
    (root / link).symlink_to(target)
    line = refused(root, tmp_path, "--on-bad-image", "skip")
    assert f"{link}: is a link to '{target}' that leads back to " in line and "a loop; remove it" in line
    if back_to is not None:
        assert f"leads back to {root / back_to if back_to else root}," in line


def test_classes_that_link_to_each_other(folder, tmp_path):
    root = folder("cat/1.png", "dog/2.png")
    (root / "cat/d").symlink_to("../dog")
    (root / "dog/c").symlink_to("../cat")
    assert "cat/d/c: is a link to '../cat' that leads back to " in refused(root, tmp_path)
    (root / "dog/c").unlink()
    assert extract(root, tmp_path).paths == [b"cat/1.png", b"cat/d/2.png", b"dog/2.png"]


def test_very_many_ways_to_one_folder_end(folder, tmp_path):
    root = folder("cat/1.png")
    for level in range(40):
        (tmp_path / f"level{level}").mkdir()
        for name in "ab":
            (tmp_path / f"level{level}/{name}").symlink_to(f"../level{level + 1}")
    (tmp_path / "level40").mkdir()
    (root / "cat/in").symlink_to("../../level0")
    assert "on more than 2000 ways" in refused(root, tmp_path)


def unopenable(root):
    """Pictures by name that cannot be opened, with a word of what is said of each."""
    cat = root / "cat"
    (cat / "dangling.png").symlink_to("../gone.png")
    (cat / "itself.png").symlink_to("itself.png")
    (cat / "nowhere").symlink_to("/no/such/folder")
    os.mkfifo(cat / "pipe.png")
    with open(cat / "large.png", "wb") as file:
        file.truncate((256 << 20) + 1)
    with socket.socket(socket.AF_UNIX) as plug:
        directory = os.open(cat, os.O_RDONLY)  # the path itself may be too long for a socket
        plug.bind(f"/proc/self/fd/{directory}/socket.png")
        os.close(directory)
    return {"dangling.png": "is a link to '../gone.png', which is not there",
            "itself.png": "is a link to 'itself.png', which leads back to itself",
            "nowhere": "is a link to '/no/such/folder', which is not there", "pipe.png": "is a pipe",
            "large.png": "268435457 bytes, more than", "socket.png": "is a socket"}


@pytest.mark.parametrize("np_", [0, 2])
def test_what_cannot_be_opened_is_skipped_and_recorded(folder, tmp_path, np_):
    root = folder("cat/1.png", "dog/1.png", "cat/2.png")
    words = unopenable(root)
    result = extract(root, tmp_path, "--on-bad-image", "skip", np=np_)
    assert result.paths == [b"cat/1.png", b"cat/2.png", b"dog/1.png"] and result.json["skipped"] == len(words)
    with h5py.File(tmp_path / "f.h5") as file:
        reasons = {p.decode(): r.decode() for p, r in zip(file["skipped_path"], file["skipped_reason"])}
    assert set(reasons) == {f"cat/{name}" for name in words}
    for name, word in words.items():
        assert word in reasons[f"cat/{name}"]
    run_ok("verify", tmp_path / "f.h5")
    assert "--max-bad 2" in refused(root, tmp_path, "--fresh", "--on-bad-image", "skip", "--max-bad", "2")


def test_what_cannot_be_opened_is_named(folder, tmp_path):
    root = folder("cat/1.png", "dog/1.png")
    words = unopenable(root)
    for name, word in words.items():
        line = refused(root, tmp_path)
        found = next(n for n in words if f"cat/{n}: {words[n]}" in line)
        assert "--on-bad-image skip" in line
        (root / "cat" / found).unlink()
    extract(root, tmp_path)


def test_what_cannot_be_opened_in_a_list(folder, tmp_path):
    root = folder("cat/1.png", "dog/1.png")
    words = unopenable(root)
    (tmp_path / "list.txt").write_text("cat/1.png\n" + "".join(f"cat/{name}\n" for name in words) + "dog/1.png\n")
    result = extract(root, tmp_path, "--list", tmp_path / "list.txt", "--on-bad-image", "skip")
    assert len(result.paths) == 2 and result.json["skipped"] == len(words) and result.json["skipped_files"] == {}
    for entry, word in (("cat/none.png", "does not exist"), ("cat", "is a folder")):
        (tmp_path / "list.txt").write_text(f"dog/1.png\n{entry}\tcat\n")
        line = refused(root, tmp_path, "--list", tmp_path / "list.txt", "--on-bad-image", "skip")
        assert "list.txt:2: " in line and word in line


def test_a_class_folder_that_is_a_dangling_link(folder, tmp_path):
    root = folder("cat/1.png")
    (root / "dog").symlink_to("../moved")
    assert "dog: is a link to '../moved', which is not there" in refused(root, tmp_path, "--on-bad-image", "skip")
    (root / "dog").unlink()
    (root / "names.txt").symlink_to("../moved")
    assert extract(root, tmp_path).json["files_beside_classes"] == {".txt": 1}


def test_special_files_of_other_names(folder, tmp_path):
    root = folder("cat/1.png")
    os.mkfifo(root / "cat/pipe")
    os.mkfifo(root / "cat/pipe.txt")
    assert extract(root, tmp_path).json["skipped_files"] == {"special file": 1, ".txt": 1}


@pytest.fixture
def open_folder():
    """A folder that any user may go into, unlike tmp_path."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield pathlib.Path(name)


NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", str(PROGRAM)]


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root and setpriv")
def test_without_permission(folder, open_folder):
    """As another user: pictures and folders that may not be opened."""
    if subprocess.run([*NOBODY, "--version"], capture_output=True).returncode in (126, 127):
        pytest.skip("the program may not be run by another user here")
    folder("cat/1.png", "cat/secret.png", "cat/deep/2.png", "dog/1.png", "dog/unknown")
    root, out, model = (open_folder / name for name in ("images", "out", "model.safetensors"))
    shutil.copytree(folder.root, root)
    shutil.copy(DEMO_MODEL, model)
    out.mkdir()
    out.chmod(0o777)

    def as_nobody(*options):
        arguments = ["extract", "--quiet", "--model", model, "--images", root, "--out", out / "f.h5", *options]
        return subprocess.run([*NOBODY, *map(str, arguments)], capture_output=True, text=True, timeout=60)

    (root / "cat/secret.png").chmod(0)
    (root / "dog/unknown").chmod(0)
    result = as_nobody()
    assert result.returncode == 3 and ": cannot be opened: Permission denied; " in result.stderr
    assert "cat/secret.png" in result.stderr or "dog/unknown" in result.stderr
    result = as_nobody("--on-bad-image", "skip")
    assert result.returncode == 0, result.stderr
    with h5py.File(out / "f.h5") as file:
        assert [p.decode() for p in file["skipped_path"]] == ["cat/secret.png", "dog/unknown"]
    (root / "cat/deep").chmod(0)
    try:
        result = as_nobody("--on-bad-image", "skip", "--fresh")
        assert result.returncode == 3 and "cat/deep: folder cannot be listed: Permission denied" in result.stderr
        line = [line for line in result.stderr.splitlines() if line.startswith("clipsweep: ")]
        assert len(line) == 1
    finally:
        (root / "cat/deep").chmod(0o755)


def test_names_of_any_bytes(folder, tmp_path, picture):
    root = folder("cat/1.png", "-rf/-n.png", "dog/new\nline.png", "dog/tab\there.png", "dog/a.b\nc")
    with open(bytes(root) + b"/cat/q\xff.txt", "wb") as file:  # is not read, so its name may be anything
        file.write(picture)
    result = extract(root, tmp_path)
    assert result.paths == [b"-rf/-n.png", b"cat/1.png", b"dog/new\nline.png", b"dog/tab\there.png"]
    assert result.json["skipped_files"] == {".txt": 1, "without ending": 1}
    with open(bytes(root) + b"/cat/\xff\xfe.png", "wb") as file:
        file.write(picture)
    assert "cat/\\xff\\xfe.png" in refused(root, tmp_path)
    os.remove(bytes(root) + b"/cat/\xff\xfe.png")
    run_ok("verify", tmp_path / "f.h5")
    os.mkdir(bytes(root) + b"/empty\n")
    line = refused(root, tmp_path)
    assert "\\x0a" in line and "class folder has no pictures" in line


def test_ten_thousand_files(folder, tmp_path, picture):
    root = folder("cat/1.png", "dog/1.png")
    for i in range(10_000):
        (root / f"cat/{i:05}{('.txt', '.xml', '')[i % 3]}").write_bytes(b"x")
    result = extract(root, tmp_path)
    assert len(result.paths) == 2
    assert result.json["skipped_files"] == {".txt": 3334, ".xml": 3333, "without ending": 3333}


# Pictures without classes.

@pytest.fixture(scope="module")
def adapter(demo, tmp_path_factory):
    out = tmp_path_factory.mktemp("adapter") / "a.h5"
    run_ok("finetune", "--cache", demo / "train.h5", "--features", demo / "test.h5", "--text", demo / "text.h5", "--alpha", 12,
           "--beta", 9, "--shots", 1, "--epochs", 1, "--out", out, "--quiet")
    return out


@pytest.mark.parametrize("np_", [0, 2])
def test_predict_looks_at_folders_alike(folder, adapter, tmp_path, np_):
    root = folder("cat/1.png", "deep/x.png/2.png", "notes.txt", "cat/.DS_Store", "cat/a.xml")
    folder("cat/noending", content=(root / "cat/1.png").read_bytes())
    words = unopenable(root)
    arguments = ["predict", "--adapter", adapter, "--model", DEMO_MODEL, "--images", root, "--quiet"]
    fails = run(*arguments, np=np_, timeout=60)
    assert fails.code == 3 and len(fails.errors) == 1 and "/cat/" in fails.errors[0]
    result = run_ok(*arguments, "--on-bad-image", "skip", "--csv", tmp_path / "p.csv", np=np_, json_path=tmp_path / "p.json")
    read = [str(root / name) for name in ("cat/1.png", "cat/noending", "deep/x.png/2.png")]
    assert [row["path"] for row in result.json["predictions"]] == read
    assert {row["path"] for row in result.json["skipped"]} == {str(root / "cat" / name) for name in words}
    for row in result.json["skipped"]:
        assert words[os.path.basename(row["path"])] in row["reason"]
    assert result.json["skipped_files"] == {".txt": 1, ".xml": 1} and result.json["hidden_entries"] == {".DS_Store": 1}
    assert "skipped 2 files: 1 .txt, 1 .xml\n" in result.out
    with open(tmp_path / "p.csv", newline="") as file:
        assert {row["path"] for row in csv.DictReader(file)} == set(read)
    (root / "deep/loop").symlink_to("..")
    loop = run(*arguments, "--on-bad-image", "skip", np=np_)
    assert loop.code == 3 and "deep/loop: is a link to '..' that leads back to" in loop.errors[0]
    gone = run("predict", "--adapter", adapter, "--model", DEMO_MODEL, "--images", root / "gone.png", "--on-bad-image", "skip")
    assert gone.code == 3 and "gone.png: is not there" in gone.errors[0]


def test_similarity_says_what_it_left_out(folder, tmp_path):
    root = folder("1.png", "x.png/2.png", "notes.txt")
    (tmp_path / "texts.txt").write_text("a seven\nan eight\n")
    result = run_ok("similarity", "--model", DEMO_MODEL, "--images", root, "--texts", tmp_path / "texts.txt", "--out",
                    tmp_path / "s.html", json_path=tmp_path / "s.json")
    assert [row["image"] for row in result.json["images"]] == [str(root / "1.png")]
    assert result.json["skipped_files"] == {".txt": 1, "folder": 1} and "skipped 2 files: 1 .txt, 1 folder" in result.out
    os.mkfifo(root / "pipe.png")
    fails = run("similarity", "--model", DEMO_MODEL, "--images", root, "--texts", tmp_path / "texts.txt", "--out",
                tmp_path / "s.html", timeout=60)
    assert fails.code == 3 and "pipe.png: is a pipe" in fails.errors[0]


# Classes without images. Labels go by name, never by position.

LACKING = ["0", "4", "9"]


@pytest.fixture(scope="module")
def lacking(digits, tmp_path_factory):
    """The demo's test and val folders without some classes."""
    out = tmp_path_factory.mktemp("lacking")
    for split in ("test", "val"):
        shutil.copytree(digits / split, out / split, ignore=lambda at, names: LACKING if at == str(digits / split) else [])
    return out


@pytest.fixture(scope="module")
def lacking_features(lacking, digits, tmp_path_factory):
    """Of those folders, with the names file (named) and without one (own)."""
    out = tmp_path_factory.mktemp("features")
    for split in ("test", "val"):
        result = run_ok(*EXTRACT, "--images", lacking / split, "--classnames", digits / "classnames.txt", "--out",
                        out / f"{split}-named.h5", json_path=out / "named.json")
        assert "3 of 10 classes have no image\n" in result.out and result.json["classes_without_images"] == 3
        assert result.json["classes"] == 10 and "3 of 10 classes have no image" in result.err
        result = run_ok(*EXTRACT, "--images", lacking / split, "--out", out / f"{split}-own.h5", json_path=out / "own.json")
        assert result.json["classes"] == 7 and result.json["classes_without_images"] == 0
    return out


@pytest.mark.parametrize("np_", [0, 2])
def test_zero_shot_over_all_classes(demo, lacking_features, tmp_path, np_):
    arguments = ["zeroshot", "--text", demo / "text.h5", "--quiet", "--features"]
    named = run_ok(*arguments, lacking_features / "test-named.h5", np=np_, json_path=tmp_path / "z.json")
    with h5py.File(lacking_features / "test-named.h5") as file, h5py.File(demo / "text.h5") as text:
        f = file["features"][()].astype("f8")
        names = [c.decode() for c in file["classes"][()]]
        order = [[c.decode() for c in text["classes"][()]].index(c) for c in names]
        logits = f @ text["text"][()][order].T
        right = int((logits.argmax(1) == file["labels"][()]).sum())
        assert len(names) == 10 and not set(names[l] for l in file["labels"][()]) & set(LACKING)
    assert named.json["test"]["top1"] == right and named.json["test"]["samples"] == len(f)
    path = str(lacking_features / "test-named.h5")
    assert named.json["classes_without_images"] == {path: 3} and f"3 of 10 classes have no image in {path}" in named.out


@pytest.mark.parametrize("np_", [0, 3])
def test_few_shot_stages_map_labels_by_name(demo, lacking_features, tmp_path, np_):
    outputs = {}
    for kind in ("named", "own"):
        test, val = (lacking_features / f"{split}-{kind}.h5" for split in ("test", "val"))
        files = ["--cache", demo / "train.h5", "--features", test, "--text", demo / "text.h5", "--quiet"]
        tip = run_ok("tip", *files, "--alpha", "1", "--beta", "5", np=np_, json_path=tmp_path / "t.json")
        sweep = run_ok("sweep", *files, "--tune-on", val, "--alpha", "1:3:0.5", "--beta", "1:5:1", "--shots", "4", "--out",
                       tmp_path / f"{kind}.h5", np=np_, json_path=tmp_path / "s.json")
        tuned = run_ok("finetune", *files, "--sweep", tmp_path / f"{kind}.h5", "--shots", "4", "--select", "val", "--val", val,
                       "--epochs", "2", "--out", tmp_path / f"a-{kind}.h5", np=np_, json_path=tmp_path / "f.json")
        assert tip.json["classes_without_images"] == {str(test): 3}
        for result in (sweep, tuned):
            assert result.json["classes_without_images"] == {str(test): 3, str(val): 3}
            assert "3 of 10 classes have no image in" in result.out
        again = run_ok("sweep", "--adapter", tmp_path / f"a-{kind}.h5", "--features", test, "--text", demo / "text.h5",
                       "--tune-on", val, "--alpha", "1:3:0.5", "--beta", "1:5:1", "--out", tmp_path / f"b-{kind}.h5",
                       json_path=tmp_path / "b.json")
        assert again.json["classes_without_images"] == {str(test): 3, str(val): 3}
        outputs[kind] = [tip.json["test"], sweep.json["cells"], sweep.json["zero_shot"], tuned.json["test"],
                         tuned.json["history"], again.json["cells"]]
        run_ok("verify", tmp_path / f"{kind}.h5", tmp_path / f"a-{kind}.h5")
    assert outputs["named"] == outputs["own"]
    # The same rows with other classes behind the labels are other input: nothing is taken for up to date.
    result = run("sweep", "--cache", demo / "train.h5", "--features", lacking_features / "test-own.h5", "--text",
                 demo / "text.h5", "--tune-on", lacking_features / "val-own.h5", "--alpha", "1:3:0.5", "--beta", "1:5:1",
                 "--shots", "4", "--out", tmp_path / "named.h5")
    assert result.code == 3 and "named.h5" in result.errors[0]


def test_a_class_of_the_test_that_the_cache_lacks(demo, lacking_features, digits, lacking, tmp_path):
    run_ok(*EXTRACT, "--images", lacking / "val", "--out", tmp_path / "cache.h5")
    for command in (["tip", "--alpha", "1", "--beta", "5"], ["sweep", "--tune-on", "test", "--alpha", "1:3:1", "--beta", "1:3:1",
                                                             "--out", tmp_path / "s.h5"]):
        result = run(*command, "--cache", tmp_path / "cache.h5", "--features", demo / "test.h5", "--text", demo / "text.h5")
        assert result.code == 3 and "its class '0' is not one of the 7 classes of " in result.errors[0], result.err
    # A cache whose names file has more classes than it has folders: no key of some.
    run_ok(*EXTRACT, "--images", lacking / "val", "--classnames", digits / "classnames.txt", "--out", tmp_path / "few.h5")
    result = run("tip", "--alpha", "1", "--beta", "5", "--cache", tmp_path / "few.h5", "--features", demo / "test.h5", "--text",
                 demo / "text.h5")
    assert result.code == 3 and "class '0' has no keys" in result.errors[0]


def test_swapped_names_swap_labels(demo, tmp_path):
    """Files whose classes are the same in another order."""
    shutil.copy(demo / "test.h5", tmp_path / "t.h5")
    order = numpy.array([3, 1, 2, 0, 4, 5, 9, 8, 7, 6])

    def change(file):
        names, labels = file["classes"][()][order], numpy.argsort(order)[file["labels"][()]].astype("<i4")
        file["classes"][...] = names
        file["labels"][...] = labels
        digest = hashlib.sha256(file["features"][()].astype("<f4").tobytes() + labels.tobytes()).hexdigest()
        file.attrs["content_sha256"] = numpy.bytes_(digest)

    reseal(tmp_path / "t.h5", change)
    tip = ["tip", "--cache", demo / "train.h5", "--text", demo / "text.h5", "--alpha", "1", "--beta", "5", "--features"]
    plain = run_ok(*tip, demo / "test.h5", json_path=tmp_path / "a.json")
    other = run_ok(*tip, tmp_path / "t.h5", json_path=tmp_path / "b.json")
    assert plain.json["test"] == other.json["test"] and plain.json["test"]["top1"] > 600


def test_an_extra_class_folder_stays_refused(digits, tmp_path):
    (tmp_path / "names.txt").write_text("".join(f"{i}\tdigit {i}\n" for i in range(9)))
    line = refused(digits / "val", tmp_path, "--classnames", tmp_path / "names.txt")
    assert "class folder '9' is not in --classnames" in line


@pytest.mark.parametrize("np_", [0, 2])
def test_an_experiment_whose_test_and_val_lack_classes(digits, lacking, tmp_path, np_):
    (lacking / "test/notes.txt").write_text("x")
    (lacking / "test/1/notes.txt").write_text("x")
    study = [str(a) for a in study_arguments(digits)]
    for split in ("test", "val"):
        study[study.index(f"--{split}") + 1] = str(lacking / split)
    study[study.index("--shots") + 1] = "1"
    run_folder = tmp_path / "run"
    result = run_ok(*study, "--run", run_folder, np=np_, json_path=tmp_path / "e.json")
    assert f"3 of 10 classes have no image in {run_folder}/test.h5" in result.out
    assert result.json["classes_without_images"] == {f"{run_folder}/{split}.h5": 3 for split in ("test", "val")}
    assert result.json["folders"]["test"]["skipped_files"] == {".txt": 1}
    assert result.json["folders"]["test"]["files_beside_classes"] == {".txt": 1}
    assert "test: skipped 1 file: 1 .txt" in result.out and "3 of 10 classes have no image" in (run_folder / "table.txt").read_text()
    results = json.loads((run_folder / "results.json").read_text())
    jsonschema.validate(results, json.loads((ROOT / "docs/results.schema.json").read_text()))
    assert results["classes"] == 10 and [c for c, n in enumerate(results["class_samples"]) if n == 0] == [0, 4, 9]
    for done in results["evaluations"]:
        assert done["class_top1"][0] == 0 and 0 < done["counts"]["top1_accuracy"] <= 1
    run_ok("report", "--run", run_folder, "--out", tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text().lower()
    assert "3 of 10 classes have no test image" in page
    table = page[page.index("every class"):]
    rows = table.split("<tr>")[2:12]
    for number, row in enumerate(rows):
        cells = row.count('<td class="n">–</td>')
        assert cells == (3 if str(number) in LACKING else 0), row
    assert "nan" not in table[:table.index("</table>")]


def test_an_experiment_needs_every_class_in_train(digits, lacking, tmp_path):
    study = [str(a) for a in study_arguments(digits)]
    study[study.index("--train") + 1] = str(lacking / "val")
    study[study.index("--val") + 1] = str(digits / "val")
    for options in ([], ["--plan"]):
        result = run(*study, "--run", tmp_path / "run", *options)
        assert result.code == 3 and "3 of 10 classes have no training image, the first is '0'" in result.errors[0], result.err
    at = study.index("--val")
    result = run(*study[:at], *study[at + 2:], "--run", tmp_path / "run")
    assert result.code == 3 and "no training image" in result.errors[0]
    # Without a names file train's folders are the classes: one more in test is refused by name.
    at = study.index("--classnames")
    result = run(*study[:at], *study[at + 2:], "--run", tmp_path / "run")
    assert result.code == 3 and "class folder '0' is not in --classnames" in result.errors[0]
