"""What all Python tests share: the program, mpirun, the demo's digits and, where present, real data."""
import atexit
import fcntl
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

import pytest

from fork_server import ForkServer

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("CLIPSWEEP_BUILD", "build"))
BUILD = BUILD if BUILD.is_absolute() else ROOT / BUILD
PROGRAM = BUILD / "clipsweep"
DATA = pathlib.Path(os.environ.get("CLIPSWEEP_TEST_DATA", ROOT.parent / "shared" / "data"))
FULL = os.environ.get("CLIPSWEEP_FULL") == "1"  # launch/test.sh --full: every case, not a sample
DEMO_MODEL = ROOT / "launch" / "demo" / "digit-clip.safetensors"
DEMO_TEMPLATES = ROOT / "launch" / "demo" / "templates.txt"

sys.path.insert(0, str(ROOT / "launch"))


def only_tests_want():
    """Import names of the Python packages that the tests' requirements bring."""
    imports = {"pillow": "PIL", "scikit-learn": "sklearn", "open_clip_torch": "open_clip"}
    names = {"ftfy"}  # comes with open_clip
    for file in (ROOT / "launch").glob("requirements*.txt"):
        pinned = re.findall(r"^([A-Za-z0-9_.-]+)==", file.read_text(), re.MULTILINE)
        names |= {imports.get(name, name) for name in pinned}
    return names


def skip_if_absent(error, where=""):
    """Skips for a package that is not installed; another error stays one."""
    while error is not None and not isinstance(error, ModuleNotFoundError):
        error = error.__cause__
    name = (error.name or "").split(".")[0] if error else ""
    if name in only_tests_want():
        pytest.skip(f"{where}the Python package '{name}' is not installed; launch/setup.sh --tests brings it",
                    allow_module_level=True)


class Module(pytest.Module):
    """A file of tests that skips as a whole where a package that it imports is not installed."""

    def collect(self):
        try:
            return super().collect()
        except self.CollectError as error:
            skip_if_absent(error, f"{self.path.relative_to(ROOT)}: ")
            raise


def pytest_collection_modifyitems(items):
    """The long ones first, so that no process is left alone with one at the end."""
    folders = ["fault", "oracle", "cli"]
    items.sort(key=lambda item: folders.index(item.path.parent.name) if item.path.parent.name in folders else len(folders))


def pytest_pycollect_makemodule(module_path, parent):
    return Module.from_parent(parent, path=module_path)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item):
    try:
        return (yield)
    except ModuleNotFoundError as error:
        skip_if_absent(error)
        raise


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    try:
        return (yield)
    except ModuleNotFoundError as error:
        skip_if_absent(error)
        raise


class Result:
    def __init__(self, process, json_path):
        self.code = process.returncode
        self.out = process.stdout
        self.err = process.stderr
        self.json = json.loads(json_path.read_text()) if json_path and json_path.exists() else None

    @property
    def errors(self):
        """The lines of stderr that are clipsweep's own messages."""
        return [line for line in self.err.splitlines() if line.startswith("clipsweep: ")]


def mpi_environment():
    # Not bound to cores: tests run side by side, and each job would sit on the same ones.
    env = dict(os.environ, OMPI_MCA_rmaps_base_oversubscribe="1", OMPI_MCA_hwloc_base_binding_policy="none")
    if os.geteuid() == 0:
        env.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    return env


def command_line(arguments, np=0):
    launcher = ["mpirun", "-np", str(np)] if np else []
    return launcher + [str(PROGRAM)] + [str(a) for a in arguments]


def fork_server(env):
    """The one of this process; None where it is not built or its environment would be another."""
    program = PROGRAM.with_name("clipsweep_fork_server")
    if not program.exists():
        return None
    if not hasattr(fork_server, "it") or fork_server.it.process.poll() is not None:
        fork_server.it = ForkServer(program, env)
        atexit.register(fork_server.it.stop)
    return fork_server.it if fork_server.it.env == env else None


def run(*arguments, np=0, json_path=None, timeout=600, cwd=None):
    """Runs clipsweep alone (np = 0; in a fork where that is the same) or under mpirun and returns its Result."""
    if json_path:
        arguments = [arguments[0], "--json", json_path, *arguments[1:]]
    env = mpi_environment()
    env.pop("PYTEST_CURRENT_TEST", None)
    if np == 0 and (server := fork_server(env)):
        return Result(server.run(command_line(arguments), cwd, timeout), json_path)
    process = subprocess.run(command_line(arguments, np), capture_output=True, text=True, timeout=timeout, env=env, cwd=cwd)
    return Result(process, json_path)


# In a small process of its own: the peak that the system notes of a process begins with that of whoever started it.
MEASURE = """
import json, resource, subprocess, sys, time
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
began = time.monotonic()
code = subprocess.run(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL).returncode
seconds, used = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
json.dump([code, seconds, used.ru_utime + used.ru_stime, 1024 * used.ru_maxrss], open(sys.argv[1], "w"))
"""


class Measured(NamedTuple):
    code: int
    errors: str
    seconds: float
    cpu_seconds: float
    memory: int  # bytes, the most that one process held


def measured(words, timeout=600):
    """Runs a command line to its end; a hang is a failure of the test."""
    with tempfile.NamedTemporaryFile("r", suffix=".json") as report:
        process = subprocess.Popen([sys.executable, "-I", "-S", "-c", MEASURE, report.name, *map(str, words)], stderr=subprocess.PIPE,
                                   env=mpi_environment(), start_new_session=True)
        try:
            errors = process.communicate(timeout=timeout)[1].decode(errors="replace")
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise
        code, seconds, cpu_seconds, memory = json.load(report)
    return Measured(code, errors, seconds, cpu_seconds, memory)


def run_ok(*arguments, **options):
    result = run(*arguments, **options)
    assert result.code == 0, result.err
    return result


@pytest.fixture(scope="session")
def data():
    def folder(name):
        if not (DATA / name).is_dir():
            pytest.skip(f"real data '{name}' is not at {DATA}; set CLIPSWEEP_TEST_DATA")
        return DATA / name

    return folder


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """The demo's ImageFolders."""
    out = tmp_path_factory.mktemp("digits")
    subprocess.run([sys.executable, ROOT / "launch/demo/make_digits.py", "--out", out], check=True)
    return out


@pytest.fixture(scope="session")
def demo(digits, tmp_path_factory):
    """Features and text of the demo: train.h5, val.h5, test.h5, text.h5."""
    out = tmp_path_factory.mktemp("demo")
    for split in ("train", "val", "test"):
        run_ok("extract", "--model", DEMO_MODEL, "--images", digits / split, "--out", out / f"{split}.h5", "--quiet")
    run_ok("text", "--model", DEMO_MODEL, "--classnames", digits / "classnames.txt", "--templates",
           DEMO_TEMPLATES, "--out", out / "text.h5", "--quiet")
    return out


def study_arguments(digits):
    """A small experiment on the demo, without --run."""
    return ["experiment", "--title", "Digits", "--model", DEMO_MODEL, "--train", digits / "train", "--val", digits / "val",
            "--test", digits / "test", "--classnames", digits / "classnames.txt", "--templates", DEMO_TEMPLATES,
            "--shots", "1,4", "--subset-seeds", "1:3", "--alpha", "0.5:10:0.5", "--beta", "1:20:1", "--epochs", "3",
            "--quiet"]


@pytest.fixture(scope="session")
def study(digits, tmp_path_factory):
    """Its run folder, made on two ranks; tests only read it."""
    run_folder = tmp_path_factory.mktemp("study") / "run"
    run_ok(*study_arguments(digits), "--run", run_folder, np=2)
    return run_folder


@pytest.fixture(scope="session")
def caltech(data, tmp_path_factory):
    """The real Caltech-101 features, imported: cache.h5, val.h5, text.h5."""
    source, out = data("caltech101-rn50"), tmp_path_factory.mktemp("caltech")
    subprocess.run([sys.executable, ROOT / "launch/import_tip_adapter.py", source, "--text", source / "text_42.npz",
                    "--out", out], check=True)
    return out


@pytest.fixture(autouse=True)
def program_is_built():
    if not PROGRAM.exists():
        pytest.fail(f"{PROGRAM} is not built; run launch/setup.sh --tests")
    if shutil.which("mpirun") is None:
        pytest.fail("mpirun is not installed; run launch/setup.sh")


def process_settings():
    """What one test could leave changed for the next in its process."""
    image, torch = sys.modules.get("PIL.Image"), sys.modules.get("torch")
    umask = os.umask(0o22)
    os.umask(umask)
    return {"folder": os.getcwd(), "umask": umask, "environment": {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"},
            "pixels that Pillow reads": image.MAX_IMAGE_PIXELS if image else None,
            "torch": (torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled()) if torch else None}


@pytest.fixture(autouse=True)
def nothing_left_changed():
    """Tests share processes, in an order that nobody chose."""
    before = process_settings()
    yield
    after = process_settings()
    assert {k: v for k, v in after.items() if before[k] not in (v, None)} == {}, "the test left this changed in its process"


def living(mark):
    """Processes whose command line has `mark`, zombies left aside."""
    found = []
    for pid in subprocess.run(["pgrep", "-f", "--", str(mark)], capture_output=True, text=True).stdout.split():
        try:
            state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state != "Z":
            found.append(int(pid))
    return found


def wait_until_gone(mark, seconds=60):
    deadline = time.time() + seconds
    while living(mark) and time.time() < deadline:
        time.sleep(0.02)
    assert living(mark) == []


def wait_until_free(folder, seconds=60):
    """Until no output below `folder` is locked: a killed process gives its locks back only once all its threads have ended."""
    deadline = time.time() + seconds
    for lock in pathlib.Path(folder).rglob("*.lock"):
        while time.time() < deadline:
            try:
                with open(lock) as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except FileNotFoundError:
                break
            except BlockingIOError:
                time.sleep(0.02)


def wait_until(what, process=None, seconds=120):
    """Waits for what() to hold and returns it; a `process` that ends before that is a failure of the test."""
    deadline = time.time() + seconds
    while not (found := what()):
        assert process is None or process.poll() is None, "the process ended too early to test anything"
        assert time.time() < deadline, f"waited {seconds} s in vain"
        time.sleep(0.005)
    return found


def reseal(path, change):
    """Changes a clipsweep file with h5py and seals it again: damage that only reading the content can find."""
    import h5py
    with h5py.File(path, "r+") as file:
        change(file)
    block = path.read_bytes()[512:]
    path.write_bytes(f"clipsweep sha256 {hashlib.sha256(block).hexdigest()}\n".encode().ljust(512, b"\0") + block)
