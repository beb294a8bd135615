"""Imported first by the benches: the Python that has their packages."""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "launch"))
sys.dont_write_bytecode = True  # nothing is written beside the scripts
import script_tools  # noqa: E402


def require(caller, *packages):
    script_tools.require(caller, *packages, setup="launch/setup.sh --tests")
