"""Every option that names a file x everything it can name: nothing with exit 0 and a loss."""
import hashlib
import os
import pathlib
import shutil
import stat
import subprocess
import threading

import pytest

from conftest import DEMO_MODEL, DEMO_TEMPLATES, FULL, command_line, mpi_environment, run, run_ok, study_arguments

GRID = {"--alpha": "1:3:1", "--beta": "1:3:1"}
POINT = {"--alpha": "1", "--beta": "2"}
OUTPUTS = {"--out", "--csv", "--html", "--json", "--history", "--prometheus"}


@pytest.fixture(scope="module")
def place(demo, digits, study, tmp_path_factory):
    """Files that commands read, in a folder of their own; tests look whether they are what they were."""
    folder = tmp_path_factory.mktemp("place")
    for name in ("train.h5", "val.h5", "test.h5", "text.h5"):
        shutil.copy(demo / name, folder)
    shutil.copy(DEMO_MODEL, folder / "model.safetensors")
    shutil.copy(DEMO_TEMPLATES, folder / "templates.txt")
    shutil.copy(digits / "classnames.txt", folder)
    pictures = folder / "pictures"
    for path in sorted((digits / "val").rglob("*.png"))[::20]:
        (pictures / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, pictures / path.parent.name)
    shutil.copytree(study, folder / "run")
    (folder / "study.ini").write_text("alpha = 1:3:1\n")
    (folder / "texts.txt").write_text("one\ntwo\n")
    run_ok("finetune", "--cache", folder / "train.h5", "--features", folder / "test.h5", "--text", folder / "text.h5",
           "--alpha", "1", "--beta", "2", "--epochs", "1", "--out", folder / "adapter.h5", "--quiet")
    run_ok("export", folder / "test.h5", "--out", folder / "arrays.npz", "--quiet")
    return folder


def commands(place):
    """command -> (options, the options that are outputs; a picture and a run are inputs too)"""
    points = {"--features": place / "test.h5", "--text": place / "text.h5"}
    cached = {"--cache": place / "train.h5", **points}
    model = {"--model": place / "model.safetensors"}
    return {
        "extract": ({**model, "--images": place / "pictures", "--classnames": place / "classnames.txt"}, ["--out", "--json"]),
        "text": ({**model, "--classnames": place / "classnames.txt", "--templates": place / "templates.txt"}, ["--out", "--json"]),
        "zeroshot": (points, ["--json"]),
        "tip": ({**cached, **POINT}, ["--json"]),
        "sweep": ({**cached, **GRID, "--tune-on": place / "val.h5"}, ["--out", "--csv", "--html", "--json"]),
        "finetune": ({**cached, **POINT, "--epochs": "1", "--select": "val", "--val": place / "val.h5"}, ["--out", "--json"]),
        "predict": ({**model, "--adapter": place / "adapter.h5", "--images": place / "pictures"}, ["--csv", "--json"]),
        "similarity": ({**model, "--images": next((place / "pictures").rglob("*.png")), "--texts": place / "texts.txt"},
                       ["--out", "--csv", "--json"]),
        "report": ({"--run": place / "run"}, ["--out", "--json"]),
        "import": ({"--source": place / "arrays.npz", "--as": "features"}, ["--out", "--json"]),
        "export": ({"--source": place / "test.h5"}, ["--out", "--json"]),
        "verify": ({"--file": place / "test.h5"}, ["--json"]),
        "inspect": ({"--target": place / "model.safetensors"}, ["--json"]),
        "tokenize": ({"--file": place / "texts.txt"}, ["--json"]),
    }


def contents(folder):
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*"))
            if path.is_file() and not path.is_symlink()}


def words(command, options, more):
    both = {**options, **more}
    fresh = ["--fresh"] if "--out" in both and command in ("extract", "text", "sweep", "finetune", "import") else []
    return [command, *[str(w) for pair in both.items() for w in pair], *fresh]


def others(options):
    """Inputs of a command, and what lies in those that are folders."""
    found = []
    for value in options.values():
        if isinstance(value, pathlib.Path):
            found += [value] if value.is_file() else [value, *sorted(p for p in value.rglob("*") if p.is_file())[:12:4]]
    return found


@pytest.mark.parametrize("command", ["extract", "text", "zeroshot", "tip", "sweep", "finetune", "predict", "similarity", "report",
                                     "import", "export", "verify", "inspect", "tokenize"])
def test_no_output_takes_the_place_of_an_input(place, tmp_path, command):
    options, outputs = commands(place)[command]
    defaults = {name: tmp_path / f"default{i}" for i, name in enumerate(outputs) if name == "--out"}
    before, cases, refused = contents(place), 0, 0
    for number, output in enumerate(outputs):
        targets = others(options) + [place / "study.ini", place / "adapter.h5", place / "classnames.txt"]
        for at, target in enumerate(targets):
            if not FULL and (at + number) % 3 and at > 0:
                continue
            result = run(*words(command, options, {**defaults, "--config": place / "study.ini", output: target})
                         if command in ("sweep",) else words(command, options, {**defaults, output: target}))
            cases += 1
            assert contents(place) == before, (output, target)
            assert result.code == 2 and len(result.errors) == 1, (output, target, result.err)
            assert output in result.errors[0] and str(target) in result.errors[0], result.errors
            link = tmp_path / f"link{number}-{at}"
            link.symlink_to(target)
            result = run(*words(command, options, {**defaults, output: link}))
            assert result.code == 2 and contents(place) == before, (output, target, result.err)
            refused += 1
    assert cases == refused > 0


@pytest.mark.parametrize("np", [2, 3])
def test_ranks_refuse_together(place, tmp_path, np):
    """What rank 0 finds ends all of them, with one line."""
    options, _ = commands(place)["sweep"]
    for target in (place / "test.h5", "", "/dev/null", tmp_path):
        result = run(*words("sweep", options, {"--out": target}), np=np, timeout=60)
        assert result.code == 2 and len(result.errors) == 1 and "--out" in result.errors[0], result.err


@pytest.mark.parametrize("command", ["extract", "sweep", "predict", "similarity", "report"])
def test_outputs_are_not_one_another(place, tmp_path, command):
    options, outputs = commands(place)[command]
    same = tmp_path / "same"
    for one in outputs:
        for other in outputs:
            if one < other:
                result = run(*words(command, options, {**{name: tmp_path / name for name in outputs}, one: same, other: same}))
                assert result.code == 2 and one in result.errors[0] + other and not same.exists(), result.err


def reader(fifo, taken):
    with open(fifo, "rb") as file:
        taken.append(file.read())


@pytest.mark.parametrize("command", ["zeroshot", "sweep", "predict", "report"])
def test_what_is_no_plain_file_is_written_in_place(place, tmp_path, command):
    options, outputs = commands(place)[command]
    base = {"--out": tmp_path / ("o.html" if command == "report" else "o.h5")} if "--out" in outputs else {}
    for output in (name for name in outputs if name != "--out"):
        before = os.stat("/dev/null")
        run_ok(*words(command, options, {**base, output: "/dev/null"}))
        after = os.stat("/dev/null")
        assert stat.S_ISCHR(after.st_mode) and before.st_ino == after.st_ino
        full = run(*words(command, options, {**base, output: "/dev/full"}))
        assert full.code == 3 and "No space left" in full.errors[0] and "/dev/full" in full.errors[0]
        fifo, taken = tmp_path / f"fifo{output}", []
        os.mkfifo(fifo)
        thread = threading.Thread(target=reader, args=(fifo, taken))
        thread.start()
        run_ok(*words(command, options, {**base, output: fifo}))
        thread.join(30)
        assert stat.S_ISFIFO(os.stat(fifo).st_mode) and taken and len(taken[0]) > 10
        plain = tmp_path / f"plain{output}"
        run_ok(*words(command, options, {**base, output: plain}))
        if output != "--json":  # it has seconds in it
            assert plain.read_bytes() == taken[0]
        link = tmp_path / f"link{output}"
        link.symlink_to(plain.name)
        plain.unlink()
        run_ok(*words(command, options, {**base, output: link}))
        assert link.is_symlink() and plain.is_file()
        dashed = subprocess.run(command_line(words(command, options, {**base, output: "-"})), capture_output=True, text=True,
                                env=mpi_environment())
        assert dashed.returncode == 0
        assert (dashed.stdout.startswith('{\n "command"') if output == "--json" else dashed.stdout.startswith(taken[0].decode()[:20]))
        run_ok(*words(command, options, {**base, output: tmp_path / "a" / "b" / "c"}))  # missing folders are made
        shutil.rmtree(tmp_path / "a")


@pytest.mark.parametrize("command", ["extract", "text", "sweep", "finetune", "import"])
def test_sealed_files_need_a_place_on_disk(place, tmp_path, command):
    options, _ = commands(place)[command]
    os.mkfifo(tmp_path / "fifo")
    for target, said in (("/dev/null", "no place on disk"), ("-", "no place on disk"), (tmp_path / "fifo", "no place on disk"),
                         (tmp_path, "is a folder"), ("", "is empty"), ("/dev/full", "no place on disk")):
        result = run(*words(command, options, {"--out": target}))
        assert result.code == 2 and len(result.errors) == 1 and said in result.errors[0] and "--out" in result.errors[0], result.err
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    (tmp_path / "file").write_text("x")
    result = run(*words(command, options, {"--out": tmp_path / "file" / "o.h5"}))
    assert result.code == 3 and "no folder" in result.errors[0], result.err
    real = tmp_path / "real.h5"
    (tmp_path / "link.h5").symlink_to("real.h5")
    run_ok(*words(command, options, {"--out": tmp_path / "link.h5"}))
    assert (tmp_path / "link.h5").is_symlink() and real.is_file() and not real.is_symlink()
    run_ok(*words(command, options, {"--out": tmp_path / "link.h5"}))


def test_a_folder_that_may_not_be_written_is_said_before_any_work(place, tmp_path):
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root and setpriv, to become another user")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o755)
    for part in [place, *place.parents]:
        if str(part).startswith("/tmp/"):
            os.chmod(part, 0o755)
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    if subprocess.run([*nobody, *command_line(["--version"])], capture_output=True, env=mpi_environment()).returncode != 0:
        pytest.skip("another user may not run the program where it lies")
    for command in ("zeroshot", "sweep"):
        options, outputs = commands(place)[command]
        for output in outputs:
            more = {"--out": tmp_path / "o.h5"} if "--out" in outputs and output != "--out" else {}
            line = [*nobody, *command_line(words(command, options, {**more, output: closed / "x"}))]
            done = subprocess.run(line, capture_output=True, text=True, env=mpi_environment())
            assert done.returncode == 3 and done.stdout == "", (done.returncode, done.stderr)
            assert "cannot be written" in done.stderr and list(closed.iterdir()) == []


def test_a_run_folder_holds_runs_only(place, digits, tmp_path):
    words_ = study_arguments(digits)
    for folder, said in ((place / "test.h5", "is a file"), (digits / "test", "--test"), ("", "is empty")):
        result = run(*words_, "--run", folder)
        assert result.code == 2 and said in result.errors[0], result.err
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "results.json").write_text('{"my": "results"}')
    result = run(*words_, "--run", mine)
    assert result.code == 2 and "results.json" in result.errors[0]
    assert (mine / "results.json").read_text() == '{"my": "results"}'
    for name in ("results.json", "run.json", "table.txt", "sweep.h5"):
        result = run(*words_, "--run", tmp_path / "new", "--json", tmp_path / "new" / name)
        assert result.code == 2 and name in result.errors[0] and not (tmp_path / "new").exists()


def test_standard_output_that_is_full_or_closed_is_told(place):
    for line in (["--help"], ["tokenize", "a"], ["inspect", place / "model.safetensors"], ["verify", place / "test.h5"],
                 words("zeroshot", *[commands(place)["zeroshot"][0]], {})):
        with open("/dev/full", "w") as full:
            done = subprocess.run(command_line(line), stdout=full, stderr=subprocess.PIPE, text=True, env=mpi_environment())
        assert done.returncode == 3 and "standard output: write failed: No space left" in done.stderr, (line, done.stderr)
        done = subprocess.run(command_line(line), stderr=subprocess.PIPE, text=True, env=mpi_environment(),
                              preexec_fn=lambda: os.close(1))
        assert done.returncode == 3 and "standard output: write failed" in done.stderr, (line, done.stderr)


def test_names_that_would_fail_at_the_end_fail_at_the_start(place, tmp_path):
    options, _ = commands(place)["sweep"]
    result = run(*words("sweep", options, {"--out": f"{tmp_path}/new/"}))
    assert result.code == 2 and "name a file in it" in result.errors[0] and not (tmp_path / "new").exists()
    result = run(*words("sweep", options, {"--out": tmp_path / "s.h5", "--json": "-", "--csv": "/dev/stdout"}))
    assert result.code == 2 and "--csv" in result.errors[0] + "--json" and result.out == ""
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    result = run(*words("zeroshot", commands(place)["zeroshot"][0], {"--json": loop}))
    assert result.code == 3 and "leads to itself" in result.errors[0]


def test_a_folder_of_somebodys_files_is_no_run_folder(place, digits, tmp_path):
    """A run would write its own text.h5 and lists/ there."""
    for name in ("text.h5", "lists/train.txt", "table.txt"):
        folder = tmp_path / name.partition(".")[0].replace("/", "-")
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes((place / "text.h5").read_bytes())
        before = contents(folder)
        result = run(*study_arguments(digits), "--run", folder)
        assert result.code == 2 and name.partition("/")[0] in result.errors[0] and "no run.json" in result.errors[0], result.err
        assert contents(folder) == before


def test_planted_names_are_not_followed(place, tmp_path):
    """What somebody else has put where clipsweep's own files go: links to a file that must stay what it is."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    options, _ = commands(place)["extract"]
    for name in ("o.h5.lock", "o.h5.parts"):
        folder = tmp_path / f"in-{name}"
        folder.mkdir()
        (folder / name).symlink_to(victim)
        result = run(*words("extract", options, {"--out": folder / "o.h5"}))
        assert result.code == 3 and name in result.errors[0] and "a link" in result.errors[0], result.err
    os.mkfifo(tmp_path / "p.h5.lock")
    result = run(*words("extract", options, {"--out": tmp_path / "p.h5"}))
    assert result.code == 3 and "no plain file" in result.errors[0]
    for name in ("o.h5.tmp", "o.h5.times"):
        (tmp_path / name).symlink_to(victim)
    run_ok(*words("extract", options, {"--out": tmp_path / "o.h5"}))
    assert victim.read_text() == "precious" and (tmp_path / "o.h5.tmp").is_symlink() and not (tmp_path / "o.h5.times").is_symlink()


def test_in_a_folder_of_parts_only_ours_are_removed(place, tmp_path):
    options, _ = commands(place)["extract"]
    parts = tmp_path / "o.h5.parts"
    parts.mkdir()
    for name in ("mine.h5", "notes.txt", "shard-1.h5.bak"):
        (parts / name).write_text("mine")
    (parts / "shard-00000.h5.0123456789ab.tmp").write_text("half")
    (tmp_path / "o.h5.0123456789ab.tmp").write_text("half")
    result = run_ok(*words("extract", options, {"--out": tmp_path / "o.h5"}))
    assert "mine.h5" in result.err and "the folder stays" in result.err
    assert sorted(p.name for p in parts.iterdir()) == ["mine.h5", "notes.txt", "shard-1.h5.bak"]
    assert not (tmp_path / "o.h5.0123456789ab.tmp").exists()
    result = run_ok("extract", *words("extract", options, {"--out": tmp_path / "o.h5"})[1:-1])  # without --fresh: up to date
    assert len(list(parts.iterdir())) == 3


@pytest.mark.parametrize("option", ["--features", "--text", "--cache", "--adapter", "--model", "--target", "--file", "--list"])
def test_a_pipe_that_nobody_writes_does_not_block(place, tmp_path, option):
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    command = {"--features": "zeroshot", "--text": "zeroshot", "--cache": "tip", "--adapter": "predict", "--model": "text",
               "--target": "inspect", "--file": "verify"}.get(option)
    if command is None:
        lists = tmp_path / "list.txt"
        lists.write_text("pipe.png\tcat\n")
        os.mkfifo(tmp_path / "pipe.png")
        line = ["extract", "--model", place / "model.safetensors", "--images", tmp_path, "--list", lists, "--out", tmp_path / "f.h5"]
    else:
        options, outputs = commands(place)[command]
        line = words(command, options, {option: fifo, **({"--out": tmp_path / "o.h5"} if "--out" in outputs else {})})
    result = run(*line, timeout=30)
    assert result.code == 3 and "pipe" in result.errors[0], result.err
