"""cmake --install: the program stands alone, far from the build folder, the source folder and .venv."""
import os
import pathlib
import re
import shlex
import shutil
import subprocess

import pytest

from conftest import BUILD, DEMO_MODEL, DEMO_TEMPLATES, ROOT


def cache(name):
    return re.search(rf"^{name}:\w+=(.*)$", (BUILD / "CMakeCache.txt").read_text(), re.MULTILINE)


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """Installed, then moved."""
    first = tmp_path_factory.mktemp("first") / "clipsweep"
    done = subprocess.run(["cmake", "--install", BUILD, "--prefix", first], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    moved = tmp_path_factory.mktemp("moved") / "a folder"
    shutil.move(first, moved)
    yield moved
    shutil.rmtree(moved)  # of libraries that were copied it is half a gigabyte


def alone(prefix, *words, program=None):
    """Runs a program with nothing of the user's environment and, where the system lets us, with neither the source
    folder, nor the build folder, nor LibTorch's."""
    words = [str(w) for w in [program or prefix / "bin/clipsweep", *words]]
    hidden = {str(p) for folder in (ROOT, BUILD, pathlib.Path(cache("LIBTORCH_CPU_LIBRARY")[1]).parent)
              for p in (folder, folder.resolve())}
    hidden = [folder for folder in sorted(hidden) if not str(prefix).startswith(folder)]
    hide = " && ".join(f"mount -t tmpfs none '{folder}'" for folder in reversed(hidden))
    shell = ["unshare", "-m", "sh", "-c", f"{hide} && exec \"$@\"", "sh"]
    may_hide = shutil.which("unshare") and subprocess.run([*shell, "true"], capture_output=True).returncode == 0
    return subprocess.run([*(shell if may_hide else []), *words], capture_output=True, text=True, timeout=60, cwd="/",
                          env={"PATH": "/usr/bin:/bin", "HOME": "/"})


def test_it_needs_nothing_of_where_it_was_built(prefix):
    if cache("CLIPSWEEP_INSTALL_LIBTORCH")[1] == "OFF":
        pytest.skip("this build leaves LibTorch where it lies")
    dynamic = subprocess.run(["readelf", "-d", prefix / "bin/clipsweep"], capture_output=True, text=True).stdout
    paths = re.search(r"R(?:UN)?PATH.*\[(.*)\]", dynamic)[1].split(":")
    assert paths and all(path.startswith("$ORIGIN/") for path in paths)
    libraries = subprocess.run(["ldd", prefix / "bin/clipsweep"], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}).stdout
    assert "not found" not in libraries
    for found in re.findall(r"=> (/.*) \(", libraries):
        assert os.path.realpath(found).startswith((str(prefix), "/lib", "/usr")), found
    assert "libtorch_cpu.so => " + str(prefix) in re.sub(r"/bin/\.\./", "/", libraries)


def test_it_runs(prefix, demo, digits, tmp_path):
    version = alone(prefix, "--version")
    assert version.returncode == 0 and version.stdout.startswith("clipsweep "), version.stderr
    share = prefix / "share/clipsweep/launch"
    model, templates = share / "demo" / DEMO_MODEL.name, share / "demo" / DEMO_TEMPLATES.name
    for words in (["extract", "--model", model, "--images", digits / "val", "--out", tmp_path / "val.h5", "--quiet"],
                  ["text", "--model", model, "--classnames", digits / "classnames.txt", "--templates", templates, "--out",
                   tmp_path / "text.h5", "--quiet"],
                  ["zeroshot", "--features", tmp_path / "val.h5", "--text", tmp_path / "text.h5"]):
        done = alone(prefix, *words)
        assert done.returncode == 0, done.stderr
    assert "zero-shot" in done.stdout


def test_scripts_configurations_and_docs_come_with_it(prefix, tmp_path):
    share = prefix / "share/clipsweep"
    for script in ("run.sh", "convert_checkpoint.py", "import_tip_adapter.py", "export_adapter.py", "nightly/nightly.sh"):
        assert os.access(share / "launch" / script, os.X_OK), script
    for file in ("launch/retry.sh", "launch/script_tools.py", "launch/imagenet-rn50.ini", "launch/slurm/experiment.sbatch",
                 "launch/nightly/nightly.ini", "results.schema.json"):
        assert (share / file).is_file(), file
    doc = prefix / "share/doc/clipsweep"
    assert {p.name for p in (ROOT / "docs").glob("*.md")} <= {p.name for p in (doc / "docs").glob("*.md")}
    assert (doc / "README.md").is_file() and (doc / "LICENSE").is_file()
    root = ["--allow-root"] if os.geteuid() == 0 else []
    shown = alone(prefix, *root, "-n", "1", "--dry-run", "--", "text", program=share / "launch/run.sh")
    assert shown.returncode == 0 and os.path.realpath(shlex.split(shown.stdout)[-2]) == str(prefix / "bin/clipsweep"), \
        shown.stdout + shown.stderr
    done = alone(prefix, "x", "--out", "y", program=share / "launch/import_tip_adapter.py")
    if done.returncode:  # the system's Python may have the packages
        assert done.stderr.count("\n") == 1 and ("pip install" in done.stderr or "does not exist" in done.stderr)
