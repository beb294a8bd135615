#!/usr/bin/env python3
"""Turn the official Tip-Adapter's cached .pt files into clipsweep files.

    .venv/bin/python launch/import_tip_adapter.py DIR --text FILE --out OUT

DIR holds keys_Kshots.pt [D, K] and values_Kshots.pt [K, C], and any of val_f.pt/val_l.pt and
test_f.pt/test_l.pt ([N, D] and [N]). OUT gets cache.h5, val.h5, test.h5 (what DIR has) and text.h5.

Text weights come from clip_weights.pt [D, C] in DIR, or from --text FILE: .pt or .npy ([C, D] or
[D, C]), or .npz with `text` [c, D] and, optionally, `class_index` [c] and `classname` [c]. With class_index
only those classes are kept, in everything. Names for the other forms: --classnames FILE, else class-0000 ..

Files are read with weights_only (no code in them runs) and mapped to the CPU.
"""
import argparse
import hashlib
import os
import pathlib
import re
import sys

try:
    import h5py
    import numpy as np
    import torch
except (ImportError, OSError) as error:  # OSError: torch without its CUDA libraries
    if __name__ != "__main__":
        raise
    sys.exit(f"import_tip_adapter: {str(error).splitlines()[0]}; launch/setup.sh --scripts installs what this wants")

PROGRAM_VERSION = "0.1.0"
USER_BLOCK = 512


class BadInput(Exception):
    pass


def load(path):
    try:
        value = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds; all mean the file cannot be used
        raise BadInput(f"{path}: cannot be read as a tensor: {str(error).splitlines()[0]}") from error
    if not isinstance(value, torch.Tensor):
        raise BadInput(f"{path}: holds a {type(value).__name__}, a tensor is needed")
    return value.detach()


def as_text_dataset(group, name, values):
    encoded = [v.encode() for v in values]
    width = max([1, *map(len, encoded)])
    kind = h5py.string_dtype("utf-8", width)
    group.create_dataset(name, data=np.array(encoded, dtype=kind), dtype=kind, chunks=(max(1, len(values)),),
                         fletcher32=True)


def write_sealed(path, kind, fill, made_from):
    """The commit protocol: temporary, seal in the user block, fsync, rename, fsync of the folder."""
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
    digest = hashlib.sha256()
    with open(temporary, "r+b") as file:
        file.seek(USER_BLOCK)
        while piece := file.read(1 << 20):
            digest.update(piece)
        file.seek(0)
        file.write(f"clipsweep sha256 {digest.hexdigest()}\n".encode().ljust(USER_BLOCK, b"\0"))
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def write_features(path, features, labels, classes, source, made_from):
    features = np.ascontiguousarray(features, dtype="<f4")
    labels = np.ascontiguousarray(labels, dtype="<i4")
    if not np.isfinite(features).all() or (np.abs(features).sum(1) == 0).any():
        raise BadInput(f"{source}: has rows that are zero or not finite")

    def fill(file, text_attribute):
        text_attribute("content_sha256", hashlib.sha256(features.tobytes() + labels.tobytes()).hexdigest())
        rows = max(1, min(len(features), (1 << 20) // max(1, features.shape[1] * 4)))
        file.create_dataset("features", data=features, chunks=(rows, features.shape[1]), fletcher32=True)
        file.create_dataset("labels", data=labels, chunks=(len(labels),), fletcher32=True)
        as_text_dataset(file, "paths", [f"{source}/{i:06d}" for i in range(len(labels))])
        as_text_dataset(file, "classes", classes)

    write_sealed(path, "clipsweep-features", fill, made_from)
    print(f"{path}: {features.shape[0]} x {features.shape[1]}, {len(classes)} classes")


def write_text(path, text, classes, names, made_from):
    text = text.astype(np.float64)
    text = np.ascontiguousarray(text / np.linalg.norm(text, axis=1, keepdims=True), dtype="<f4")

    def fill(file, _):
        file.create_dataset("text", data=text, chunks=text.shape, fletcher32=True)
        as_text_dataset(file, "classes", classes)
        as_text_dataset(file, "classnames", names)
        as_text_dataset(file, "templates", ["imported"])

    write_sealed(path, "clipsweep-text", fill, made_from)
    print(f"{path}: {text.shape[0]} x {text.shape[1]}")


def read_text(args, width, class_count):
    """-> (text [c, D], class_index [c], names [c])"""
    path = pathlib.Path(args.text) if args.text else args.dir / "clip_weights.pt"
    if not path.exists():
        raise BadInput(f"{path}: does not exist; give text weights with --text")
    index, names = np.arange(class_count), None
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as archive:
            text = archive["text"]
            index = archive["class_index"] if "class_index" in archive else index
            names = [str(n) for n in archive["classname"]] if "classname" in archive else None
    elif path.suffix == ".npy":
        text = np.load(path, allow_pickle=False)
    else:
        text = load(path).float().numpy()
    text = np.asarray(text, dtype=np.float32)
    if text.ndim != 2:
        raise BadInput(f"{path}: text weights have {text.ndim} dimensions, 2 needed")
    if text.shape[1] != width and text.shape[0] == width:
        text = text.T
    if text.shape[1] != width:
        raise BadInput(f"{path}: text weights are {text.shape[0]} x {text.shape[1]}, the keys are {width} wide")
    if len(index) != len(text):
        raise BadInput(f"{path}: {len(text)} rows of text for {len(index)} classes")
    if index.min() < 0 or index.max() >= class_count or len(set(index.tolist())) != len(index):
        raise BadInput(f"{path}: class_index is outside the {class_count} classes or repeats one")
    if args.classnames:
        names = [line for line in pathlib.Path(args.classnames).read_text(encoding="utf-8-sig").splitlines() if line]
    names = names or [f"class-{i:04d}" for i in index]
    if len(names) != len(text) or len(set(names)) != len(names):
        raise BadInput(f"{args.classnames or path}: {len(names)} names for {len(text)} classes, or one stands twice")
    return text, index, names


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--text")
    parser.add_argument("--classnames")
    parser.add_argument("--shots", type=int, help="which keys_Kshots.pt, when DIR has several")
    args = parser.parse_args()

    pattern = re.compile(r"keys_(\d+)shots\.pt$")
    found = {int(m[1]): p for p in sorted(args.dir.glob("keys_*shots.pt")) if (m := pattern.search(p.name))}
    if not found:
        raise BadInput(f"{args.dir}: has no keys_Kshots.pt")
    if args.shots is None and len(found) > 1:
        raise BadInput(f"{args.dir}: has keys for {sorted(found)} shots; choose with --shots")
    shots = args.shots or next(iter(found))
    if shots not in found:
        raise BadInput(f"{args.dir}: has no keys_{shots}shots.pt")
    keys = load(found[shots]).float().T.numpy()  # stored [D, K]
    values = load(args.dir / f"values_{shots}shots.pt").float()
    if values.ndim != 2 or len(values) != len(keys):
        raise BadInput(f"{args.dir}/values_{shots}shots.pt: is {tuple(values.shape)}, {len(keys)} rows needed")
    key_labels = values.argmax(1).numpy()
    text, index, names = read_text(args, keys.shape[1], values.shape[1])

    remap = np.full(values.shape[1], -1)
    remap[index] = np.arange(len(index))
    args.out.mkdir(parents=True, exist_ok=True)
    made_from = {"importer": "tip-adapter", "keys_sha256": hashlib.sha256(found[shots].read_bytes()).hexdigest()}

    def put(name, features, labels):
        if labels.min() < 0 or labels.max() >= len(remap):
            raise BadInput(f"{args.dir}: {name} labels reach {labels.max()}, outside the {len(remap)} classes")
        kept = remap[labels] >= 0
        write_features(args.out / f"{name}.h5", features[kept], remap[labels][kept], names, name, made_from)

    put("cache", keys, key_labels)
    for split in ("val", "test"):
        if (args.dir / f"{split}_f.pt").exists():
            labels = load(args.dir / f"{split}_l.pt").long().numpy()
            put(split, load(args.dir / f"{split}_f.pt").float().numpy(), labels)
    write_text(args.out / "text.h5", text, names, names, made_from)


if __name__ == "__main__":
    try:
        main()
    except BadInput as problem:
        print(f"import_tip_adapter: {problem}", file=sys.stderr)
        sys.exit(3)
