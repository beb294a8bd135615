"""What the Python scripts beside this file share: the interpreter that has their packages, errors in one line."""
import hashlib
import importlib.util
import os
import pathlib
import sys


class BadInput(Exception):
    """A file or option that cannot be used; its text is the one line that is shown."""


def require(*packages):
    """Goes on in the project's .venv where this Python lacks a package; without one, says what to do."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if not missing:
        return
    script = pathlib.Path(sys.argv[0])
    python = pathlib.Path(__file__).resolve().parent.parent / ".venv/bin/python"
    if python.exists() and pathlib.Path(sys.prefix) != python.parent.parent:
        os.execv(python, [str(python), *sys.argv])
    print(f"{script.name}: this Python has no {', '.join(missing)}; run launch/setup.sh, or pip install them",
          file=sys.stderr)
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
