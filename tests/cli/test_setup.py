"""launch/setup.sh and what it sources: what is missing is named in one line, nothing is written outside build folders,
the tests' targets change nothing of the program's, and what tests alone want makes them skip."""
import http.server
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import zipfile

import pytest
from conftest import BUILD, ROOT

SETUP_FILES = ["setup.sh", "sanitize.sh", "mpi_env.sh", "packages.txt", *(f"setup/{name}.sh" for name in ("packages", "python", "build", "tree", "parts"))]


def shell(script, cwd=ROOT, **environment):
    return subprocess.run(["bash", "-c", f"set -euo pipefail\nsay() {{ echo \"setup: $*\"; }}\nfail() {{ echo \"setup: $*\" >&2; exit 1; }}\n"
                           "again=launch/demo.sh build=build\n" + script], cwd=cwd, capture_output=True, text=True,
                          env=dict(os.environ, **environment), timeout=300)


def stub(folder, name, script):
    path = folder / name
    path.write_text(f"#!/bin/bash\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def tree(tmp_path):
    """A source folder of the scripts alone, in a path with blanks; PATH's cmake does nothing."""
    root = tmp_path / "a folder" / "clip sweep"
    (root / "launch" / "setup").mkdir(parents=True)
    for name in SETUP_FILES:
        shutil.copy(ROOT / "launch" / name, root / "launch" / name)
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    stub(bin_, "cmake", "exit 0")
    return root


def run_setup(tree, *options, script="setup.sh", **environment):
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "TORCH_PREFIX", "BUILD_DIR", "CLIPSWEEP_PARTS"))}
    env.update(PATH=f"{tree.parent.parent / 'bin'}:{env['PATH']}", PIP_CONFIG_FILE=os.devnull, PIP_NO_CACHE_DIR="1", PIP_RETRIES="0")
    return subprocess.run([tree / "launch" / script, *options], capture_output=True, text=True, env=dict(env, **environment), timeout=300)


# CMake

@pytest.mark.parametrize("name, package", [
    ("spdlog", "libspdlog-dev"), ("nlohmann_json", "nlohmann-json3-dev"), ("JPEG", "libjpeg-dev"), ("SQLite3", "libsqlite3-dev"),
    ("Boost", "libboost-program-options-dev"), ("ICU", "libicu-dev")])
def test_a_missing_package_is_one_line(name, package, tmp_path):
    components = {"Boost": " COMPONENTS program_options", "ICU": " COMPONENTS uc"}.get(name, "")
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.22)\nproject(x NONE)\nset(CMAKE_SIZEOF_VOID_P 8)\n"
        "set(CMAKE_IGNORE_PREFIX_PATH / /usr /usr/local)\nset(CMAKE_FIND_USE_SYSTEM_ENVIRONMENT_PATH OFF)\n"
        f"find_package({name} REQUIRED{components})\n")
    done = subprocess.run(["cmake", "-G", "Ninja", "-S", ".", "-B", "b"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0
    (tmp_path / "log").write_text(done.stdout + done.stderr)
    line = shell(f". launch/setup/packages.sh; . launch/setup/build.sh; configure_failure '{tmp_path / 'log'}'").stdout
    assert line == f"{name} is missing (on Debian and Ubuntu: {package})\n", done.stderr


@pytest.fixture(scope="module")
def configured(tmp_path_factory):
    """Configures a build folder as setup.sh does, CUDA left out; returns the folder and a function (1 with tests, options)."""
    folder = tmp_path_factory.mktemp("build")
    cache = (BUILD / "CMakeCache.txt").read_text()
    include = pathlib.Path(re.search(r"^LIBTORCH_INCLUDE_DIR:PATH=(.*)$", cache, re.MULTILINE)[1])

    def configure(tests, *options):
        done = shell(f". launch/setup/packages.sh; . launch/setup/build.sh; configure '{folder}' '{include.parent}' {tests} "
                     f"-DCLIPSWEEP_CUDA=OFF {' '.join(options)}")
        assert done.returncode == 0, done.stderr
        commands = json.loads((folder / "compile_commands.json").read_text())
        return done.stdout, {re.search(r" -o (?:CMakeFiles/)?(\S+) ", c["command"])[1]: c["command"] for c in commands}

    return folder, configure


def test_tests_change_nothing_of_the_program(configured):
    folder, configure = configured
    _, program = configure(0)
    assert program and not [output for output in program if output.startswith("tests/")]
    _, with_tests = configure(1)
    assert [output for output in with_tests if output.startswith("tests/")]
    assert {output: with_tests[output] for output in program} == program
    _, again = configure(0)  # the demo after the tests: nothing of the tests is thrown away
    assert again == with_tests
    steps = subprocess.run(["ninja", "-C", folder, "-n", "clipsweep"], capture_output=True, text=True, check=True).stdout
    assert "tests/" not in steps


def test_what_only_tests_want_makes_them_skip(configured, tmp_path):
    folder, configure = configured
    clang = stub(tmp_path, "clang++", "echo '/usr/bin/ld: cannot find libclang_rt.fuzzer.a: No such file' >&2; exit 1")
    said, _ = configure(1, "-DCMAKE_DISABLE_FIND_PACKAGE_GTest=ON", f"-DCLANGXX={clang}")
    assert "Fuzz targets: left out" in said and "cannot find libclang_rt.fuzzer.a" in said and "libclang-rt-dev" in said
    assert "C++ tests: left out (no GoogleTest" in said
    done = subprocess.run(["ctest", "--test-dir", folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    skipped = set(re.findall(r"- (\S+) \(Skipped\)", done.stdout))
    fuzz = {f"fuzz-{path.name.removesuffix('_fuzz.cpp')}" for path in (ROOT / "tests/fuzz").glob("*_fuzz.cpp")}
    assert {"unit", "fault", "gpu", "mpi-np1", "mpi-np4"} | fuzz <= skipped


def test_python_modules_skip_by_name():
    files = ["tests/cli/test_commands.py", "tests/oracle/test_pixels.py", "tests/oracle/test_tokenizer.py"]
    code = ("import sys\nfor name in ('h5py', 'numpy', 'open_clip', 'torch', 'ftfy'): sys.modules[name] = None\nimport pytest\n"
            f"sys.exit(pytest.main({files} + ['--collect-only', '-q', '-rs', '-p', 'no:cacheprovider']))")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True,
                          env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1", COLUMNS="300"), timeout=120)
    assert "error" not in done.stdout.lower(), done.stdout
    for file in files:
        assert re.search(rf"SKIPPED.* {file}: the Python package '\w+' is not installed", done.stdout), done.stdout


@pytest.mark.parametrize("script, absent, option", [
    ("launch/import_tip_adapter.py", "torch", "--scripts"), ("launch/export_adapter.py", "h5py", "--scripts"),
    ("launch/demo/make_digits.py", "sklearn", "--demo")])
def test_scripts_say_what_brings_their_packages(script, absent, option):
    code = f"import runpy, sys\nsys.path.insert(0, 'launch')\nsys.modules[{absent!r}] = None\nrunpy.run_path({script!r}, run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode in (1, 3) and done.stderr.count("\n") == 1
    assert absent in done.stderr and f"launch/setup.sh {option}" in done.stderr


# Python packages

class Index(http.server.BaseHTTPRequestHandler):
    """A package index of one wheel, of which it sends `share`."""
    wheel, share = b"", 1.0

    def do_GET(self):
        if self.path.endswith(".whl"):
            self.send_response(200)
            self.send_header("Content-Length", str(len(self.wheel)))
            self.end_headers()
            self.wfile.write(self.wheel[:int(len(self.wheel) * self.share)])
        elif self.path == "/digits/":
            body = b"<a href='/digits-1.0-py3-none-any.whl'>digits-1.0-py3-none-any.whl</a>"
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        else:
            self.send_error(404)

    def log_message(self, *_):
        pass


@pytest.fixture
def index(tmp_path):
    with zipfile.ZipFile(tmp_path / "w.whl", "w") as wheel:
        wheel.writestr("digits.py", "x = 1\n" + "# " + "y" * 200000)
        wheel.writestr("digits-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: digits\nVersion: 1.0\n")
        wheel.writestr("digits-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("digits-1.0.dist-info/RECORD", "digits.py,,\ndigits-1.0.dist-info/METADATA,,\ndigits-1.0.dist-info/WHEEL,,\n"
                       "digits-1.0.dist-info/RECORD,,\n")
    Index.wheel, Index.share = (tmp_path / "w.whl").read_bytes(), 1.0
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Index)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


def test_downloads_that_fail_are_named_and_go_on(tree, index):
    (tree / "launch" / "requirements-demo.txt").write_text("# About 1 GB to download, 2 GB unpacked.\ndigits==1.0\n")
    command = dict(TORCH_PREFIX="/none", CLIPSWEEP_COMMAND="launch/demo.sh")
    options = ["--no-apt", "--demo"]

    gone = run_setup(tree, *options, PIP_INDEX_URL="http://127.0.0.1:9/", **command)
    assert gone.returncode == 1 and "about 1 GB to download, 2 GB unpacked" in gone.stdout
    assert "digits==1.0 could not be downloaded: the package index is not reached" in gone.stderr
    assert gone.stderr.count("\n") == 1 and "nothing is lost" in gone.stderr and "give launch/demo.sh again" in gone.stderr

    Index.share = 0.5
    broken = run_setup(tree, *options, PIP_INDEX_URL=index, **command)
    assert broken.returncode == 1 and broken.stderr.count("\n") == 1
    assert "digits-1.0-py3-none-any.whl could not be downloaded: the connection broke" in broken.stderr and "give launch/demo.sh again" in broken.stderr

    # What a killed installation leaves is no package.
    site = next((tree / ".venv").glob("lib/python*/site-packages"))
    (site / "digits-1.0.dist-info").mkdir()
    (site / "digits-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: digits\nVersion: 1.0\n")
    Index.share = 1.0
    whole = run_setup(tree, *options, PIP_INDEX_URL=index, **command)
    assert "could not" not in whole.stderr and (site / "digits.py").exists()
    again = run_setup(tree, *options, PIP_INDEX_URL="http://127.0.0.1:9/", **command)
    assert ".venv: up to date" in again.stdout
    assert sorted(path.name for path in tree.iterdir()) == [".venv", "build", "launch"]


def test_a_package_has_one_version():
    pins = {}
    for file in sorted((ROOT / "launch").glob("requirements*.txt")):
        text = file.read_text()
        assert re.match(r"# About [0-9.]+ [MG]B to download, [0-9.]+ [MG]B unpacked\.\n", text), file
        for name, version in re.findall(r"^([A-Za-z0-9_.-]+)==(.*)$", text, re.MULTILINE):
            assert pins.setdefault(name, version) == version, f"{file}: {name}"
        assert all((ROOT / "launch" / other).is_file() for other in re.findall(r"^-r (.*)$", text, re.MULTILINE))


@pytest.mark.parametrize("options, cuda", [("", "yes"), ("-DCLIPSWEEP_CUDA=OFF", "no"), ("-DX=1 -DCLIPSWEEP_CUDA=ON", "yes")])
def test_cuda_libraries_come_where_nvcc_is(options, cuda, tmp_path):
    stub(tmp_path, "nvcc", "exit 0")
    done = shell(f". launch/setup/python.sh; wants_cuda {options} && echo yes || echo no", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert done.stdout == f"{cuda}\n", done.stderr


# System packages

def test_packages_that_apt_cannot_fetch_are_named(tree):
    bin_ = tree.parent.parent / "bin"
    stub(bin_, "dpkg-query", "exit 1")
    stub(bin_, "dpkg", "exit 0")
    stub(bin_, "apt-cache", "[ \"${@: -1}\" != libclang-rt-dev ]")
    stub(bin_, "id", "echo 0")
    stub(bin_, "apt-get", "echo \"$*\" >> calls; case \"$*\" in *install*) echo 'E: Failed to fetch http://a.test/libspdlog-dev.deb  Could not "
         "connect' ; exit 100 ;; esac")
    done = run_setup(tree, "--tests", TORCH_PREFIX="/none")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "http://a.test/libspdlog-dev.deb could not be installed" in done.stderr and "give launch/setup.sh again" in done.stderr
    asked = (tree / "calls").read_text().splitlines()[-1]
    assert "libclang-rt-18-dev" in asked and "libclang-rt-dev " not in asked and "libgtest-dev" in asked

    (tree / "calls").unlink()
    run_setup(tree, TORCH_PREFIX="/none")
    asked = (tree / "calls").read_text().splitlines()[-1]
    assert "libspdlog-dev" in asked and not re.search("libgtest-dev|clang|chromium", asked)  # the program's alone

    stub(bin_, "apt-cache", "[ \"${@: -1}\" != libspdlog-dev ]")
    done = run_setup(tree, TORCH_PREFIX="/none")
    assert done.returncode == 1 and "apt knows no package libspdlog-dev" in done.stderr and done.stderr.count("\n") == 1
    stub(bin_, "apt-cache", "[ \"${@: -1}\" != libgtest-dev ]")
    done = run_setup(tree, "--tests", TORCH_PREFIX="/none")
    assert "apt knows no package libgtest-dev: tests that want it skip" in done.stdout


def test_a_folder_that_cannot_be_written_is_named(tree):
    (tree / "file").write_text("")
    done = run_setup(tree, "--no-apt", BUILD_DIR="file/build")
    assert done.returncode == 1 and re.fullmatch(r"setup: file/build cannot be written: Not a directory; .*BUILD_DIR.*\n", done.stderr)


# Nothing outside build folders

def test_sanitizers_write_into_their_build_folders(tree):
    stub(tree.parent.parent / "bin", "cmake", "echo 'CMake Error at CMakeLists.txt:1: Could NOT find ICU (missing: x)'; exit 1")
    done = run_setup(tree, "tsan", script="sanitize.sh", TORCH_PREFIX="/none")
    assert done.returncode == 1 and done.stderr.startswith("sanitize: configuring failed: ICU is missing (on Debian and Ubuntu: libicu-dev)")
    assert sorted(path.name for path in tree.iterdir()) == ["build-tsan", "launch"]


@pytest.mark.parametrize("change, named", [
    ("true", None), ("mkdir -p build/x build-asan .venv; touch build/x/y build-asan/log .venv/z", None),
    ("touch 'a new file'", "a new file"), ("echo x >> kept", "kept"), ("echo x >> edited", "edited"), ("rm kept", "kept"),
    ("mkdir __pycache__; touch __pycache__/x.pyc", "__pycache__"), ("mkdir -p sub; touch sub/file", "sub/file"),
    ("touch seen/second", "seen/second"), ("touch build.log", "build.log")])
def test_what_is_written_outside_build_folders_is_named(change, named, tmp_path):
    if not shutil.which("git"):
        pytest.skip("no git here")
    shutil.copy(ROOT / ".gitignore", tmp_path)
    prepare = ("git init -q .; touch kept edited; git add -A; git -c user.name=x -c user.email=x@x.test commit -qm x;"
               "echo mine > edited; mkdir seen; touch seen/first;")
    done = shell(f"cd '{tmp_path}'; {prepare} . '{ROOT}/launch/setup/tree.sh'; [ -z \"$(tree_unknown)\" ]; before=$(tree_state build)\n"
                 f"{change}\ntree_compare \"$before\" \"$(tree_state build)\"")
    assert done.returncode == (1 if named else 0), done.stderr
    assert done.stderr == (f"test: written outside the build folders: {named} \n" if named else "") or \
        named and re.fullmatch(rf"test: written outside the build folders: \"?{re.escape(named)}\"?/? \n", done.stderr), done.stderr


@pytest.mark.parametrize("checkout, writes, code, said", [
    (True, "build/x", 0, "test: all passed"), (True, "tests_wrote_this", 1, "written outside the build folders: tests_wrote_this"),
    (False, "tests_wrote_this", 0, "tests wrote outside the build folders was skipped: the folder is no git checkout")])
def test_test_sh_finds_what_tests_leave(checkout, writes, code, said, tree):
    if checkout and not shutil.which("git"):
        pytest.skip("no git here")
    shutil.copy(ROOT / "launch/test.sh", tree / "launch")
    shutil.copy(ROOT / ".gitignore", tree)
    stub(tree / "launch", "setup.sh", "[ \"$1\" = --tests ] && mkdir -p build && touch build/log")
    stub(tree.parent.parent / "bin", "ctest", "exit 0")
    (tree / ".venv" / "bin").mkdir(parents=True)
    stub(tree / ".venv" / "bin", "python", f"[ \"$PYTHONDONTWRITEBYTECODE\" = 1 ] && touch '{writes}'")
    if checkout:
        subprocess.run("git init -q . && git add -A && git -c user.name=x -c user.email=x@x.test commit -qm x", shell=True, cwd=tree, check=True)
    done = run_setup(tree, script="test.sh", GIT_CEILING_DIRECTORIES=str(tree.parent))
    assert done.returncode == code and re.search(said, done.stdout + done.stderr), done.stdout + done.stderr


def test_outside_a_checkout_that_check_is_skipped(tmp_path):
    done = shell(f"cd '{tmp_path}'; . '{ROOT}/launch/setup/tree.sh'; tree_unknown", GIT_CEILING_DIRECTORIES=str(tmp_path.parent))
    assert "no git checkout" in done.stdout or "git is not installed" in done.stdout
