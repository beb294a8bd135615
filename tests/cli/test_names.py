"""Class names, lists and configurations: which shapes are taken, what text they are, where they may come from."""
import json
import os
import pathlib
import shutil
import signal
import subprocess

import h5py
import pytest

from conftest import DEMO_MODEL, DEMO_TEMPLATES, command_line, mpi_environment, run, run_ok

WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def text_command(names, out, *more):
    return ["text", "--model", DEMO_MODEL, "--classnames", names, "--templates", DEMO_TEMPLATES, "--out", out, "--quiet",
            *more]


def fails(code, word, *arguments, **options):
    result = run(*arguments, **options)
    assert result.code == code, (result.code, result.out, result.err)
    assert len(result.errors) == 1, result.err
    assert word in result.errors[0], result.errors[0]
    return result.errors[0]


def piped(text, *arguments, np=0, timeout=120):
    """Runs clipsweep with `text` coming in at /dev/stdin."""
    return subprocess.run(command_line(arguments, np), input=text, capture_output=True, timeout=timeout,
                          env=mpi_environment())


# Names

def test_json_keys_that_are_numbers_are_folders(demo, tmp_path):
    (tmp_path / "names.json").write_text(json.dumps({str(9 - i): WORDS[9 - i] for i in range(10)}))
    run_ok(*text_command(tmp_path / "names.json", tmp_path / "text.h5"))
    with h5py.File(tmp_path / "text.h5") as made, h5py.File(demo / "text.h5") as expected:
        assert made["classes"].asstr()[:].tolist() == [str(i) for i in range(10)]
        assert made["classnames"].asstr()[:].tolist() == WORDS
        assert (made["text"][:] == expected["text"][:]).all()
    (tmp_path / "more.json").write_text(json.dumps({"10": "ten", "2": "two", "0": "zero"}))
    run_ok(*text_command(tmp_path / "more.json", tmp_path / "more.h5"))
    with h5py.File(tmp_path / "more.h5") as made:
        assert made["classnames"].asstr()[:].tolist() == ["zero", "ten", "two"]


def test_numbered_folders_and_numbered_names_agree_by_key(digits, tmp_path):
    """Folders 1, 10, 2 stand in the order of their bytes; a plain list in the order of numbers is refused."""
    for digit, folder in (("1", "1"), ("0", "10"), ("2", "2")):
        shutil.copytree(digits / "test" / digit, tmp_path / "images" / folder)
    run_ok("extract", "--model", DEMO_MODEL, "--images", tmp_path / "images", "--out", tmp_path / "f.h5", "--quiet")
    top1 = {}
    for name, names in (("keys", json.dumps({"1": "one", "2": "two", "10": "zero"})), ("tabs", "2\ttwo\n10\tzero\n1\tone\n")):
        (tmp_path / name).write_text(names)
        run_ok(*text_command(tmp_path / name, tmp_path / f"{name}.h5"))
        result = run_ok("zeroshot", "--features", tmp_path / "f.h5", "--text", tmp_path / f"{name}.h5", "--quiet",
                        json_path=tmp_path / f"{name}.result")
        top1[name] = result.json["test"]["top1_accuracy"]
    assert top1["keys"] == top1["tabs"] > 0.8
    (tmp_path / "plain").write_text("one\ntwo\nzero\n")
    run_ok(*text_command(tmp_path / "plain", tmp_path / "plain.h5"))
    fails(3, "plain.h5", "zeroshot", "--features", tmp_path / "f.h5", "--text", tmp_path / "plain.h5", "--quiet")


def test_the_index_of_keras(tmp_path):
    (tmp_path / "names.json").write_text(json.dumps({"0": ["n01443537", "goldfish"], "1": ["n01440764", "tench"]}))
    run_ok(*text_command(tmp_path / "names.json", tmp_path / "text.h5"))
    with h5py.File(tmp_path / "text.h5") as made:
        assert made["classes"].asstr()[:].tolist() == ["n01440764", "n01443537"]


@pytest.mark.parametrize("names", ['{"labels": ["cat"]}', '{"cat": ["a", "b"]}', '{"cat": 1}', '{"cat": {"name": "a"}}',
                                   "id,name\n0,cat\n", "label,folder\ncat,a\n", "0: cat\n1: dog\n", "a\tb\tc\n",
                                   "{0: 'cat', 1: 'dog'}", "names:\n- cat\n- dog\n"])
def test_other_shapes_are_refused(names, tmp_path):
    (tmp_path / "names").write_text(names)
    fails(3, "understood are", *text_command(tmp_path / "names", tmp_path / "text.h5"))
    fails(3, "understood are", "extract", "--model", DEMO_MODEL, "--images", tmp_path, "--classnames", tmp_path / "names",
          "--out", tmp_path / "f.h5")


def test_two_classes_of_one_name(demo, digits, tmp_path):
    words = WORDS[:9] + ["six"]
    (tmp_path / "names").write_text("".join(f"{i}\t{word}\n" for i, word in enumerate(words)))
    made = run_ok(*text_command(tmp_path / "names", tmp_path / "text.h5"), json_path=tmp_path / "result")
    assert made.json["shared_names"] == {"six": ["6", "9"]}
    assert made.err.count("2 classes have one name, 'six' (6, 9)") == 1
    for command in ("zeroshot", "tip"):
        more = ["--cache", demo / "train.h5", "--alpha", "1", "--beta", "5"] if command == "tip" else []
        result = run_ok(command, *more, "--features", demo / "test.h5", "--text", tmp_path / "text.h5", "--quiet",
                        json_path=tmp_path / "result")
        with h5py.File(demo / "test.h5") as features:
            assert result.json["test"]["samples"] == len(features["labels"])
    # A plain list: by position for `text`, no folders for images.
    (tmp_path / "plain").write_text("\n".join(words))
    assert "only their places" in run_ok(*text_command(tmp_path / "plain", tmp_path / "plain.h5")).err
    fails(3, "'six' stands twice", "extract", "--model", DEMO_MODEL, "--images", digits / "test", "--classnames",
          tmp_path / "plain", "--out", tmp_path / "f.h5")


def test_a_split_with_two_labels_of_one_name(digits, tmp_path):
    """Both classes keep their images, also those that were held out, and the report tells them apart."""
    split = {part: [[f"{part}/{label}/{path.name}", label, "six" if label == 9 else WORDS[label]]
                    for label in (6, 8, 9) for path in sorted((digits / part / str(label)).iterdir())[:8]]
             for part in ("train", "test")}
    (tmp_path / "split.json").write_text("\ufeff" + json.dumps(split), encoding="utf-8")
    study = ["experiment", "--model", DEMO_MODEL, "--images", digits, "--split", tmp_path / "split.json", "--templates",
             DEMO_TEMPLATES, "--compare-templates", "none", "--shots", "2", "--subset-seeds", "1", "--alpha", "1:3:1",
             "--beta", "1:3:1", "--epochs", "1", "--quiet", "--run", tmp_path / "run"]
    made = run_ok(*study, json_path=tmp_path / "result")
    assert "2 classes have one name, 'six'" in made.err
    assert made.json["shared_names"] == {"six": ["0 six", "2 six"]}
    results = json.loads((tmp_path / "run/results.json").read_text())
    assert results["class_names"] == ["six", "eight", "six"]
    assert results["class_samples"] == [8, 8, 8]
    run_ok("report", "--run", tmp_path / "run", "--out", tmp_path / "page.html", "--quiet")
    page = (tmp_path / "page.html").read_text()
    assert "six (0 six)" in page and "six (2 six)" in page


def test_imagenet_names_with_their_doubles(tmp_path):
    names = pathlib.Path(__file__).resolve().parents[3] / "shared/reference/imagenet_classnames.txt"
    if not names.exists():
        pytest.skip("OpenAI's list of names is not beside the project")
    made = run_ok(*text_command(names, tmp_path / "text.h5"), json_path=tmp_path / "result")
    assert set(made.json["shared_names"]) == {"missile", "sunglasses"}


# Text

BAD_TEXT = {"latin": ("cat\ncaf\xe9 dog {}\n".encode("latin-1"), ":2: byte 4 is 0xe9, not UTF-8"),
            "utf16": ("\ufeffcat {}\ndog {}\n".encode("utf-16-le"), "is UTF-16; save it as UTF-8"),
            "utf16-no-mark": ("cat {}\ndog {}\n".encode("utf-16-be"), "is UTF-16; save it as UTF-8"),
            "nul": (b"cat {}\ndo\0g {} and some more of it\n", ":2: byte 3 is 0x00")}


def readers(digits, demo, file, out):
    """Every command that reads text, with `file` as that text."""
    extract = ["extract", "--model", DEMO_MODEL, "--images", digits / "test", "--out", out / "f.h5"]
    sweep = ["sweep", "--cache", demo / "train.h5", "--features", demo / "test.h5", "--text", demo / "text.h5", "--tune-on",
             demo / "val.h5", "--alpha", "1:2:1", "--beta", "1:2:1", "--out", out / "s.h5"]
    return {"names": text_command(file, out / "t.h5"),
            "names of images": [*extract, "--classnames", file],
            "templates": ["text", "--model", DEMO_MODEL, "--classnames", digits / "classnames.txt", "--templates", file,
                          "--out", out / "t.h5"],
            "list": [*extract, "--list", file],
            "subset": [*sweep, "--subset-file", file],
            "texts": ["similarity", "--model", DEMO_MODEL, "--images", next((digits / "test/0").iterdir()), "--texts", file, "--out", out / "p"],
            "tokenize": ["tokenize", "--file", file],
            "configuration": ["zeroshot", "--config", file],
            "split": ["experiment", "--model", DEMO_MODEL, "--images", digits, "--split", file, "--run", out / "run"]}


@pytest.mark.parametrize("kind", BAD_TEXT)
def test_what_is_not_utf8_is_refused_everywhere(kind, digits, demo, tmp_path):
    content, word = BAD_TEXT[kind]
    (tmp_path / "input").write_bytes(content)
    for reader, arguments in readers(digits, demo, tmp_path / "input", tmp_path).items():
        assert str(tmp_path / "input") in fails(3, word, *arguments), reader


def test_marks_and_windows_line_ends_are_dropped_everywhere(digits, demo, tmp_path):
    def marked(name, text):
        (tmp_path / name).write_bytes(("\ufeff" + text).replace("\n", "\r\n").encode())
        return tmp_path / name

    names = marked("names", "".join(f"{i}\t{word}\n" for i, word in enumerate(WORDS)))
    run_ok("text", "--model", DEMO_MODEL, "--classnames", names, "--templates",
           marked("templates", DEMO_TEMPLATES.read_text()), "--out", tmp_path / "t.h5", "--quiet")
    with h5py.File(tmp_path / "t.h5") as made, h5py.File(demo / "text.h5") as expected:
        assert (made["text"][:] == expected["text"][:]).all()
    config = marked("config", f"features = {demo / 'test.h5'}\ntext = {demo / 'text.h5'}\nquiet = yes\n")
    assert "zero-shot" in run_ok("zeroshot", "--config", config).out
    assert run_ok("tokenize", "--file", marked("file", "a cat\n\na dog\n")).out == run_ok("tokenize", "a cat", "", "a dog").out


# Unicode

COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


def two_classes(digits, folder, first):
    shutil.copytree(digits / "test/0", folder / first)
    shutil.copytree(digits / "test/1", folder / "one")
    return folder


def test_folders_of_macos_match_names_and_features_of_linux(digits, tmp_path):
    (tmp_path / "names").write_text(f"{COMPOSED}\tzero\none\tone\n")
    run_ok(*text_command(tmp_path / "names", tmp_path / "text.h5"))
    for name, first in (("mac", DECOMPOSED), ("linux", COMPOSED)):
        run_ok("extract", "--model", DEMO_MODEL, "--images", two_classes(digits, tmp_path / name, first), "--classnames",
               tmp_path / "names", "--out", tmp_path / f"{name}.h5", "--quiet")
    tip = ["tip", "--cache", tmp_path / "mac.h5", "--features", tmp_path / "linux.h5", "--text", tmp_path / "text.h5",
           "--alpha", "1", "--beta", "5", "--quiet", "--allow-overlap"]
    assert run_ok(*tip, json_path=tmp_path / "result").json["test"]["top1_accuracy"] > 0.8
    shutil.copytree(digits / "test/2", tmp_path / "mac" / COMPOSED)
    line = fails(3, "two normal forms", "extract", "--model", DEMO_MODEL, "--images", tmp_path / "mac", "--out",
                 tmp_path / "both.h5")
    assert r"caf\xc3\xa9" in line and r"cafe\xcc\x81" in line


def test_folders_that_are_no_utf8_are_refused_by_name(digits, tmp_path):
    folder = os.fsencode(tmp_path / "images") + b"/caf\xe9"
    os.makedirs(folder)
    shutil.copy(os.fsencode(next((digits / "test/0").iterdir())), folder + b"/1.png")
    extract = ["extract", "--model", DEMO_MODEL, "--images", tmp_path / "images", "--out", tmp_path / "f.h5"]
    assert r"caf\xe9" in fails(3, "not UTF-8", *extract)


def test_a_refusal_says_what_differs(digits, tmp_path):
    images = two_classes(digits, tmp_path / "images", "Hot_dog")
    for name, word in (("hot_dog", "only in letter case"), ("Hot dog", "only in blanks, underscores or hyphens")):
        (tmp_path / "names").write_text(f"{name}\none\n")
        fails(3, word, "extract", "--model", DEMO_MODEL, "--images", images, "--classnames", tmp_path / "names", "--out",
              tmp_path / "f.h5")


# Pipes

def test_text_from_pipes(digits, demo, tmp_path):
    names = (digits / "classnames.txt").read_bytes()
    made = piped(names, *text_command("/dev/stdin", tmp_path / "t.h5"))
    assert made.returncode == 0, made.stderr
    with h5py.File(tmp_path / "t.h5") as piped_text, h5py.File(demo / "text.h5") as expected:
        assert (piped_text["text"][:] == expected["text"][:]).all()
    command = command_line(["zeroshot", "--config", "@", "--text", demo / "text.h5", "--quiet"])
    shell = " ".join(command).replace("@", f"<(echo features={demo / 'test.h5'})")
    made = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, env=mpi_environment())
    assert made.returncode == 0 and "zero-shot" in made.stdout, made.stderr


def test_subsets_from_a_pipe_are_read_once_and_hashed_alike(demo, tmp_path):
    with h5py.File(demo / "train.h5") as cache:
        labels = cache["labels"][:].tolist()
    subset = json.dumps({str(c): [labels.index(c)] for c in range(10)}).encode()
    (tmp_path / "subset.json").write_bytes(subset)
    made_from = []
    for source in (tmp_path / "subset.json", "/dev/stdin"):
        out = tmp_path / f"s{len(made_from)}.h5"
        made = piped(subset, "sweep", "--cache", demo / "train.h5", "--features", demo / "test.h5", "--text",
                     demo / "text.h5", "--tune-on", demo / "val.h5", "--alpha", "1:2:1", "--beta", "1:2:1", "--subset-file",
                     source, "--out", out, "--quiet")
        assert made.returncode == 0, made.stderr
        with h5py.File(out) as file:
            made_from.append(file.attrs["made_from.subset_files_sha256"])
    assert made_from[0] == made_from[1]


def test_two_ranks_and_a_pipe(tmp_path, digits):
    for arguments in (text_command("/dev/stdin", tmp_path / "t.h5"), ["zeroshot", "--config", "/dev/stdin"]):
        made = piped((digits / "classnames.txt").read_bytes(), *arguments, np=2)
        errors = [line for line in made.stderr.decode().splitlines() if line.startswith("clipsweep: ")]
        assert made.returncode == 3 and len(errors) == 1, made.stderr
        assert "/dev/stdin: is a pipe or device, which 2 ranks cannot all read" in errors[0]


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("option", ["--config", "--classnames"])
def test_a_pipe_that_nobody_writes_ends_at_the_first_signal(option, stop, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    arguments = ["text", "--config", fifo] if option == "--config" else text_command(fifo, tmp_path / "t.h5")
    process = subprocess.Popen(command_line(arguments), stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not has_open(process.pid, fifo):
        pass
    process.send_signal(stop)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 128 + stop, error
    assert "stopped by signal" in error


def has_open(pid, path):
    """Whether a process holds `path` open; descriptors come and go while one looks."""
    try:
        return any(os.path.realpath(link) == str(path) for link in pathlib.Path(f"/proc/{pid}/fd").iterdir())
    except FileNotFoundError:
        return False


def test_files_that_cannot_be_pipes(demo, digits, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    tip = {"--cache": demo / "train.h5", "--features": demo / "test.h5", "--text": demo / "text.h5"}
    for option in tip:
        others = [word for item in {**tip, option: fifo}.items() for word in item]
        fails(3, f"{fifo}: is a pipe", "tip", *others, "--alpha", "1", "--beta", "1", timeout=60)
    fails(3, f"{fifo}: is a pipe", "verify", fifo, timeout=60)
    fails(3, f"{fifo}: is a pipe", "inspect", fifo, timeout=60)
    fails(3, f"{fifo}: is a pipe", "text", "--model", fifo, "--classnames", DEMO_TEMPLATES, "--out", tmp_path / "t.h5",
          timeout=60)
    fails(3, f"{fifo}: is a pipe", "predict", "--adapter", fifo, "--model", DEMO_MODEL, "--images", digits / "test/3",
          timeout=60)


# Configurations

def test_configurations_that_cannot_be(tmp_path):
    config = tmp_path / "c.ini"

    def refused(code, word, text):
        config.write_text(text)
        fails(code, word, "zeroshot", "--config", config)

    fails(3, "is a folder", "zeroshot", "--config", tmp_path)
    fails(3, "cannot be opened", "zeroshot", "--config", tmp_path / "none")
    refused(3, "is empty", "")
    refused(3, "is empty", "\n \n")
    refused(2, "'txet' is not an option; did you mean 'text'?", "txet = a\n")
    refused(2, "text", "text = a\ntext = b\n")
    refused(2, "'config' has no place", "config = other.ini\n")
    refused(2, "'help' has no place", "help = yes\n")
    refused(2, "invalid line", "features\n")
    fails(2, "config", "zeroshot", "--config", config, "--config", config)


def test_quotes_and_the_home_folder(demo, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(demo))
    config = tmp_path / "c.ini"
    config.write_text("features = \"~/test.h5\"\n")  # in quotes too, as on the command line
    assert "zero-shot" in run_ok("zeroshot", "--config", config, "--text", "~/text.h5", cwd=tmp_path).out
    config.write_text(f"features = ~/test.h5\ntext = '{demo / 'text.h5'}'\r\nquiet = yes\r\n")
    assert "zero-shot" in run_ok("zeroshot", "--config", config, cwd=tmp_path).out
    monkeypatch.delenv("HOME")
    fails(2, "needs HOME", "zeroshot", "--config", config)
