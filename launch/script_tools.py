"""What the Python scripts beside this file share: the interpreter that has their packages, errors in one line."""
import hashlib
import importlib
import os
import pathlib
import sys


class BadInput(Exception):
    """A file or option that cannot be used; its text is the one line that is shown."""


def require(caller, *packages, setup="launch/setup.sh --scripts"):
    """Imports `packages` for a script (`caller`: its __name__). Where this Python cannot, the script goes on in the
    project's .venv, where that one can; else it says what to do. Torch without its CUDA libraries raises OSError."""
    for name in packages:
        try:
            importlib.import_module(name)
        except (ImportError, OSError) as error:
            if caller != "__main__":
                raise
            launch = pathlib.Path(__file__).resolve().parent
            python = launch.parent / ".venv/bin/python"
            if python.exists() and pathlib.Path(sys.prefix) != python.parent.parent:
                os.execv(python, [str(python), *sys.argv])
            advice = f"{setup} installs what this wants"
            if not (launch / "setup.sh").exists():  # installed, far from the source folder
                advice = f"start it with a Python that has {', '.join(packages)} (pip install {' '.join(packages)})"
            print(f"{pathlib.Path(sys.argv[0]).name}: {first_line(error)}; {advice}", file=sys.stderr)
            sys.exit(3)


def run(main):
    """Runs `main`; what cannot be used ends in one line and exit code 3."""
    try:
        main()
    except (BadInput, OSError) as problem:
        line = " ".join(str(problem).split())
        print(f"{pathlib.Path(sys.argv[0]).name}: {line}", file=sys.stderr)
        sys.exit(3)


def first_line(error):
    return (str(error).splitlines() or [type(error).__name__])[0]


def file_sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
