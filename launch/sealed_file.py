"""clipsweep's sealed HDF5 files, written and read by the Python scripts beside this file: docs/file-formats.md."""
import hashlib
import os
import pathlib

import h5py
import numpy as np

from script_tools import BadInput

PROGRAM_VERSION = "0.1.0"
USER_BLOCK = 512  # bytes before HDF5's own; they hold the seal


def seal_of(file):
    """The user block for what follows it in an open binary file."""
    digest = hashlib.sha256()
    file.seek(USER_BLOCK)
    while piece := file.read(1 << 20):
        digest.update(piece)
    return f"clipsweep sha256 {digest.hexdigest()}\n".encode().ljust(USER_BLOCK, b"\0")


def write_sealed(path, kind, fill, made_from):
    """fill(file, text_attribute) adds the content. The commit protocol: temporary, seal, fsync, rename, fsync of the folder."""
    temporary = pathlib.Path(f"{path}.tmp")
    with h5py.File(temporary, "w", userblock_size=USER_BLOCK, libver="earliest", track_order=False) as file:
        def text_attribute(name, value):
            file.attrs.create(name, value, dtype=h5py.string_dtype("utf-8", max(1, len(value.encode()))))

        text_attribute("format", kind)
        file.attrs["format_version"] = np.int64(1)
        text_attribute("program_version", PROGRAM_VERSION)
        for name, value in made_from.items():
            text_attribute(f"made_from.{name}", value)
        fill(file, text_attribute)
    with open(temporary, "r+b") as file:
        seal = seal_of(file)
        file.seek(0)
        file.write(seal)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def write_texts(file, name, values):
    """A data set of texts of one width."""
    encoded = [v.encode() for v in values]
    kind = h5py.string_dtype("utf-8", max([1, *map(len, encoded)]))
    file.create_dataset(name, data=np.array(encoded, dtype=kind), dtype=kind, chunks=(max(1, len(values)),), fletcher32=True)


def check_seal(path):
    """Raises BadInput unless the file's bytes are those it was sealed with."""
    with open(path, "rb") as file:
        seal = file.read(USER_BLOCK)
        if seal != seal_of(file):
            raise BadInput(f"{path}: not a clipsweep file, or damaged: its bytes do not match its seal")
