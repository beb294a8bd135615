"""Scripts that README and docs call by name can be called so, from the source folder, by any Python 3."""
import os
import re
import subprocess

import pytest

from conftest import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
NAMED = sorted({name for page in PAGES for name in re.findall(r"(?:launch|tests)/[\w/-]+\.(?:py|sh)\b", page.read_text())
                if not re.search(r"/test_\w+\.py$|conftest|_tools", name)})
SOURCED = {"launch/mpi_env.sh", "launch/retry.sh"}


@pytest.mark.parametrize("name", [name for name in NAMED if name not in SOURCED])
def test_it_has_its_run_bit(name):
    assert os.access(ROOT / name, os.X_OK)
    listed = subprocess.run(["git", "ls-files", "-s", name], cwd=ROOT, capture_output=True, text=True).stdout
    assert not listed or listed.startswith("100755"), listed
    assert (ROOT / name).read_bytes().startswith(b"#!/usr/bin/env ")


@pytest.mark.parametrize("name", ["launch/import_tip_adapter.py", "launch/demo/make_digits.py", "tests/bench/sweep_memory.py"])
def test_it_finds_its_python(name):
    """With a Python that has none of the packages: that of the system, here without its own packages."""
    code = f"import sys; sys.argv[0] = '{name}'; sys.path[:] = [p for p in sys.path if 'packages' not in p]; " \
           f"sys.path.insert(0, '{ROOT / name}'.rpartition('/')[0]); sys.argv.append('--help'); import runpy; runpy.run_path('{name}', run_name='__main__')"
    done = subprocess.run(["/usr/bin/python3", "-c", code], cwd=ROOT, capture_output=True, text=True,
                          env={"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}, timeout=120)
    if (ROOT / ".venv/bin/python").exists():
        assert done.returncode == 0 and done.stdout.startswith("usage: "), done.stderr
    else:
        assert done.returncode == 3 and done.stderr.count("\n") == 1 and "launch/setup.sh" in done.stderr


def test_every_mpirun_line_says_what_root_sets():
    """Where a page has a command line of mpirun, it leads to what root sets."""
    for page in PAGES:
        text = page.read_text()
        if re.search(r"^(?:build/clipsweep.*# or: )?mpirun -np|\| `mpirun -np \d+ (?:--|build)", text, re.MULTILINE):
            assert "mpi_env.sh" in text or "as-root" in text or page.name == "benchmarks.md", page.name
