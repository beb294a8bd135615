"""README and docs: every command that they show is run on the demo's digits, or its page says why not; every file
that they name is there.

A fenced block with a command in it is run as it stands, by bash -e. Blocks of one page run in order in one scratch
folder, in which the names that the docs use (photos/train, RN50.pt, train.h5 ..) are small copies of the demo's, and
build/demo is what launch/demo.sh leaves. A line right before the block says otherwise; a reader does not see it:

    <!-- not run: needs ImageNet -->     the block is not run, for this reason
    <!-- file: photos.ini -->            the block is no command: it is the content of this file
"""
import dataclasses
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import pytest

from conftest import DEMO_MODEL, PROGRAM, ROOT, mpi_environment, run_ok

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^\s*(```+|~~~+)")
MARK = re.compile(r"^\s*<!--\s*(not run|file)\s*(?::\s*(.*?)\s*)?-->\s*$")
# The first word of a line that makes a block one of commands, behind variables that are set for it.
COMMAND = re.compile(r"^\s*(?:\$ )?(?:\w+=\S* )*(?:(?:mpirun|srun|sbatch|cmake|ctest|ninja|python3?|pytest)\b|(?:\S*/)?clipsweep(?:\s|$)"
                     r"|(?:\. |source )?(?:\S*/)?(?:launch|tests)/\S+\.(?:sh|py)\b|(?:\S*/)?python3? )")
# These install and build, which no test may do by the way.
INSTALLS = re.compile(r"launch/(?:setup|demo|test|sanitize)\.sh\b(?! --help)")
SECONDS = 120


@dataclasses.dataclass
class Block:
    page: pathlib.Path
    line: int  # of its first line, from 1
    text: str
    mark: str  # "not run", "file" or ""
    about: str  # the reason, or the file's name

    @property
    def place(self):
        return f"{self.page.name}:{self.line}"

    def is_command(self):
        return any(COMMAND.match(line) for line in self.text.splitlines())


def blocks_of(page, text):
    """The fenced blocks of a page. A mark that stands before no block, says no reason or is none of ours is an error."""
    found, fence, begin, mark = [], None, 0, None
    for number, line in enumerate(text.splitlines(), 1):
        edge = FENCE.match(line)
        if fence:
            if edge and edge[1].startswith(fence):
                block = Block(page, begin + 1, "\n".join(text.splitlines()[begin:number - 1]) + "\n", *(mark or ("", "")))
                assert block.mark != "not run" or block.is_command(), f"{block.place}: marked as not run, but it is no command"
                assert block.mark == "not run" or not (block.is_command() and INSTALLS.search(block.text)), f"{block.place}: installs; mark it"
                found.append(block)
                fence = mark = None
            continue
        if edge:
            fence, begin = edge[1], number
            continue
        assert mark is None, f"{page.name}:{number - 1}: this mark stands before no block"
        if line.lstrip().startswith("<!--"):
            told = MARK.match(line)
            assert told, f"{page.name}:{number}: is neither 'not run: REASON' nor 'file: NAME'"
            assert told[2], f"{page.name}:{number}: '{told[1]}' wants a reason or a name behind it"
            mark = (told[1], told[2])
            continue
        assert not (line.startswith("    ") and COMMAND.match(line)), f"{page.name}:{number}: a command belongs in a fenced block"
    assert fence is None and mark is None, f"{page.name}: a block or a mark without an end"
    return found


BLOCKS = {page: blocks_of(page, page.read_text()) for page in PAGES}


def to_run(page):
    return [block for block in BLOCKS[page] if block.mark != "not run" and (block.mark == "file" or block.is_command())]


def smaller(source, target, changes):
    """A configuration with some of its lines changed."""
    text = source.read_text()
    for name, value in changes.items():
        text, times = re.subn(rf"^{name} = .*$", f"{name} = {value}", text, flags=re.MULTILINE)
        assert times == 1, (source, name)
    target.unlink()
    target.write_text(text)


@pytest.fixture(scope="module")
def kit(digits, tmp_path_factory):
    """What the docs' names stand for, small."""
    folder = tmp_path_factory.mktemp("kit")
    for split, count in (("train", 20), ("val", 5), ("test", 8)):
        for of_class in sorted((digits / split).iterdir()):
            (folder / "photos" / split / of_class.name).mkdir(parents=True)
            for picture in sorted(of_class.iterdir())[:count]:
                shutil.copy(picture, folder / "photos" / split / of_class.name)
    for name in ("new_pictures", "pictures"):
        (folder / name).mkdir()
        for of_class in sorted((digits / "val").iterdir())[:4]:
            shutil.copy(sorted(of_class.iterdir())[-1], folder / name / f"{of_class.name}.png")
    shutil.copy(DEMO_MODEL, folder / "RN50.pt")
    shutil.copy(digits / "classnames.txt", folder / "names.txt")
    shutil.copytree(folder / "photos", folder / "build/demo/digits")
    shutil.copy(digits / "classnames.txt", folder / "build/demo/digits")
    for place in (folder / "build/clipsweep", folder / "bin/clipsweep"):
        place.parent.mkdir(exist_ok=True)
        place.symlink_to(PROGRAM)
    (folder / "launch/demo").mkdir(parents=True)
    (folder / "launch/nightly").mkdir()
    for source in [*(ROOT / "launch").iterdir(), *(ROOT / "launch/demo").iterdir(), *(ROOT / "launch/nightly").iterdir()]:
        target = folder / source.relative_to(ROOT)
        if not target.exists():
            target.symlink_to(source)
    few = {"shots": "1,16", "subset-seeds": "31:33", "epochs": "2"}
    smaller(ROOT / "launch/demo/demo.ini", folder / "launch/demo/demo.ini", few)
    smaller(ROOT / "launch/nightly/nightly.ini", folder / "launch/nightly/nightly.ini",
            {**few, "time-floor": "1000"})  # other work on the machine is no regression
    run_ok("experiment", "--config", "launch/demo/demo.ini", "--quiet", cwd=folder)  # as launch/demo.sh does
    for name in ("train", "val", "test", "text", "sweep"):
        shutil.copy(folder / f"build/demo/run/{name}.h5", folder)
    shutil.copy(folder / "build/demo/run/adapter-16shot-seed31.h5", folder / "adapter.h5")
    return folder


def environment(folder):
    path = [str(folder / "bin"), str(pathlib.Path(sys.executable).parent), os.environ["PATH"]]
    return dict(mpi_environment(), PATH=os.pathsep.join(path), HOME=str(folder), CLIPSWEEP_MODELS=str(folder), PYTHONDONTWRITEBYTECODE="1",
                CLIPSWEEP=str(PROGRAM), OMP_NUM_THREADS="1")


def before(page, folder):
    """What a page takes for granted besides."""
    if page.name == "models.md":
        import torch
        from safetensors.torch import load_file
        torch.save(load_file(folder / "RN50.pt"), folder / "pytorch_model.bin")


def run_block(block, folder):
    """Ends what a block has started when it takes too long."""
    process = subprocess.Popen(["bash", "-e", "-c", block.text], cwd=folder, env=environment(folder), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        out, err = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        pytest.fail(f"{block.place}: took more than {SECONDS} s:\n{block.text}")
    assert process.returncode == 0, f"{block.place}:\n{block.text}\nexit code {process.returncode}\n{out[-2000:]}\n{err[-2000:]}"


@pytest.mark.parametrize("page", [page for page in PAGES if to_run(page)], ids=lambda page: page.name)
def test_what_a_page_shows_runs(page, kit, tmp_path):
    folder = tmp_path / "scratch"
    shutil.copytree(kit, folder, symlinks=True)
    for name in re.findall(r"--out (\S+\.h5)", "".join(block.text for block in to_run(page))):
        (folder / name).unlink(missing_ok=True)  # the page makes it
    before(page, folder)
    for block in to_run(page):
        if block.mark == "file":
            (folder / block.about).write_text(block.text)
            continue
        run_block(block, folder)


def test_marks_say_why():
    page = ROOT / "docs/none.md"

    def refused(text, words):
        with pytest.raises(AssertionError, match=words):
            blocks_of(page, text)

    command = "```\nclipsweep verify x.h5\n```\n"
    assert [b.is_command() for b in blocks_of(page, command + "```\ntrain = photos/train\n```\n")] == [True, False]
    assert blocks_of(page, "<!-- not run: needs a GPU -->\n" + command)[0].about == "needs a GPU"
    refused("<!-- not run -->\n" + command, "wants a reason")
    refused("<!-- not run: -->\n" + command, "wants a reason")
    refused("<!-- later -->\n" + command, "neither")
    refused("<!-- not run: needs a GPU -->\n\n" + command, "before no block")
    refused("<!-- not run: needs a GPU -->\n```\ntrain = photos/train\n```\n", "is no command")
    refused("    clipsweep verify x.h5\n", "belongs in a fenced block")
    refused("```\nlaunch/setup.sh --tests\n```\n", "installs")
    refused("```\nclipsweep verify x.h5\n", "without an end")
    for line in ("mpirun -np 2 build/clipsweep sweep", "CLIPSWEEP_KILLS=20 pytest tests/fault", "launch/run.sh -n 2", ". launch/mpi_env.sh",
                 "~/clipsweep/bin/clipsweep extract", "sbatch launch/slurm/experiment.sbatch", "tests/bench/report_size.py"):
        assert COMMAND.match(line), line


def anchors_of(page):
    titles = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs/decisions").glob("*.md"))],
                         ids=lambda page: page.name)
def test_what_a_page_names_is_there(page):
    text = page.read_text()
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors_of(target), link
    sources = {path.name for stage in ("common", "extract", "sweep", "finetune", "launch", "tests", "cmake") for path in (ROOT / stage).rglob("*.*")}
    for name in re.findall(r"[\w/.-]*\w\.(?:cpp|h|cu|cmake)\b(?!\w|\.)", text):
        if "NAME" in name:
            continue
        if "/" in name:
            assert (ROOT / name).is_file() or list(ROOT.glob(f"*/{name}")), name
        else:
            assert name in sources, name
    for name in re.findall(r"\b(?:common|extract|sweep|finetune|launch|tests|docs|cmake)/[\w./-]+\.(?:py|sh|ini|sbatch|md|json|txt)\b", text):
        if "*" not in name and "NAME" not in name:
            assert (ROOT / name).is_file(), name
