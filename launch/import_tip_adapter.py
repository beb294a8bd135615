#!/usr/bin/env python3
"""Turn the official Tip-Adapter's cached .pt files into clipsweep files.

    launch/import_tip_adapter.py DIR --out OUT
    launch/import_tip_adapter.py DIR --text FILE --layout CxD --out OUT

DIR holds keys_Kshots.pt [D, K] and values_Kshots.pt [K, C], and any of val_f.pt/val_l.pt and
test_f.pt/test_l.pt ([N, D] and [N]). OUT gets cache.h5, val.h5, test.h5 (what DIR has) and text.h5.

Text weights come from clip_weights.pt [D, C] in DIR, or from --text FILE: .pt or .npy ([C, D] or [D, C]; where C = D
give --layout), or .npz with `text` [c, D] and, optionally, `class_index` [c] and `classname` [c]. With class_index
only those classes are kept, in everything. Names for the other forms: --classnames FILE, else class-0000 ..

An array that fits only the other way round is turned, and that is said. Where both ways fit, files of the official names
count as the official code writes them. Files are read with weights_only (no code in them runs) and mapped to the CPU.
What is written says made_from.importer = tip-adapter and the SHA-256 of its source; of which model it is, nobody knows.
"""
import argparse
import hashlib
import pathlib
import re
import sys
import zipfile

sys.dont_write_bytecode = True  # nothing is written beside the scripts
import script_tools  # noqa: E402
from script_tools import BadInput  # noqa: E402

script_tools.require(__name__, "h5py", "numpy", "torch")
import h5py  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from sealed_file import write_sealed, write_texts  # noqa: E402

UNIT_TOLERANCE = 1e-3  # rows nearer to 1 are taken to be unit already
LEAST_NORM = 1e-6  # as in common/files/feature_file.h
OFFICIAL_TEXT = "clip_weights.pt"


def load(path, numbers="floating"):
    """The tensor in a .pt file as a NumPy array; `numbers`: "floating", or "whole", whose values are then integers."""
    if not path.is_file():
        raise BadInput(f"{path}: does not exist")
    try:
        value = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds; all mean the file cannot be used
        raise BadInput(f"{path}: cannot be read as a tensor: {script_tools.first_line(error)}") from error
    if not isinstance(value, torch.Tensor) or value.layout != torch.strided or value.is_quantized:
        raise BadInput(f"{path}: holds a {type(value).__name__}, a plain tensor is needed")
    return as_numbers(path, value.detach(), numbers)


def as_numbers(path, value, numbers):
    if value.is_complex() or (numbers == "floating" and not value.is_floating_point()):
        raise BadInput(f"{path}: holds {str(value.dtype).removeprefix('torch.')}, floating numbers are needed")
    if value.numel() == 0:
        raise BadInput(f"{path}: is empty, {list(value.shape)}")
    if value.is_floating_point() and not torch.isfinite(value).all():
        row = int((~torch.isfinite(value)).nonzero()[0, 0])
        raise BadInput(f"{path}: has values that are not finite, the first in row {row}")
    if numbers == "floating":
        return value.float().numpy()
    whole = value.double() if value.is_floating_point() else value.long()
    if (whole != whole.long()).any():
        raise BadInput(f"{path}: has values that are no whole numbers")
    return whole.long().numpy()


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
        write_texts(file, "paths", [f"{source}/{i:06d}" for i in range(len(labels))])
        write_texts(file, "classes", classes)

    write_sealed(path, "clipsweep-features", fill, made_from)
    print(f"{path}: {features.shape[0]} x {features.shape[1]}, {len(classes)} classes")


def write_text(path, text, classes, names, made_from):
    text = text.astype(np.float64)
    lengths = np.linalg.norm(text, axis=1, keepdims=True)
    text = np.ascontiguousarray(text / lengths, dtype="<f4")

    def fill(file, _):
        if abs(lengths - 1).max() > UNIT_TOLERANCE:
            file.attrs["text_norm"] = lengths.mean()
        file.create_dataset("text", data=text, chunks=text.shape, fletcher32=True)
        write_texts(file, "classes", classes)
        write_texts(file, "classnames", names)
        write_texts(file, "templates", ["imported"])

    write_sealed(path, "clipsweep-text", fill, made_from)
    print(f"{path}: {text.shape[0]} x {text.shape[1]}")


def read_cache(keys_path, values_path):
    """-> (keys [K, D], label of each [K], classes C)"""
    keys, values = load(keys_path), load(values_path, "whole")
    if keys.ndim != 2 or values.ndim != 2:
        raise BadInput(f"{keys_path if keys.ndim != 2 else values_path}: has "
                       f"{keys.ndim if keys.ndim != 2 else values.ndim} dimensions, 2 needed")
    shapes = f"{keys_path} is {keys.shape[0]} x {keys.shape[1]}, {values_path} {values.shape[0]} x {values.shape[1]}"
    for key_axis, value_axis in ((1, 0), (0, 0), (1, 1), (0, 1)):  # the official one first
        if keys.shape[key_axis] == values.shape[value_axis]:
            break
    else:
        raise BadInput(f"{shapes}: they have no number of keys in common; [D, K] and [K, C] are needed")
    if key_axis == 0:
        print(f"{keys_path}: read as [K, D], the official code writes [D, K]")
    if value_axis == 1:
        print(f"{values_path}: read as [C, K], the official code writes [K, C]")
    keys = keys.T if key_axis == 1 else keys
    values = values if value_axis == 0 else values.T
    wrong = np.flatnonzero((values.sum(1) != 1) | (values.max(1) != 1) | (values.min(1) != 0)
                           if values.shape[1] > 1 else values[:, 0] != 1)
    if len(wrong):
        row = values[wrong[0]]
        raise BadInput(f"{values_path}: row {wrong[0]} is not one 1 among zeros: it has {np.count_nonzero(row)} values other "
                       f"than 0, their sum is {row.sum()}")
    return np.ascontiguousarray(keys), values.argmax(1), values.shape[1]


def oriented_text(path, text, width, class_count, layout):
    """[C, D], whichever way round it is stored. Only sizes are looked at, never values."""
    fits = {"CxD": text.shape == (class_count, width), "DxC": text.shape == (width, class_count)}
    shape = f"{text.shape[0]} x {text.shape[1]}"
    if not any(fits.values()):
        raise BadInput(f"{path}: text weights are {shape}; with keys {width} wide and {class_count} classes they must be "
                       f"{class_count} x {width} or {width} x {class_count}")
    if layout and not fits[layout]:
        raise BadInput(f"{path}: text weights are {shape}, which is not {layout} for {class_count} classes and width {width}")
    if all(fits.values()) and not layout:
        if path.name != OFFICIAL_TEXT:
            raise BadInput(f"{path}: text weights are {shape}, and classes are as many as features are wide; say which way "
                           "round they are: --layout CxD or --layout DxC")
        layout = "DxC"
    layout = layout or next(name for name, fit in fits.items() if fit)
    if path.name == OFFICIAL_TEXT and layout == "CxD":
        print(f"{path}: read as [C, D], the official code writes [D, C]")
    return text.T if layout == "DxC" else text


def load_npz(path):
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise BadInput(f"{path}: cannot be read as an .npz: {script_tools.first_line(error)}") from error


def load_npy(path):
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise BadInput(f"{path}: cannot be read as an .npy: {script_tools.first_line(error)}") from error


def read_text(args, width, class_count):
    """-> (text [c, D], class_index [c], names [c], its file)"""
    path = pathlib.Path(args.text) if args.text else args.dir / OFFICIAL_TEXT
    if not path.is_file():
        raise BadInput(f"{path}: does not exist; give text weights with --text")
    index, names = np.arange(class_count), None
    if path.suffix == ".npz":
        archive = load_npz(path)
        if "text" not in archive:
            raise BadInput(f"{path}: has no array `text`; it has {', '.join(sorted(archive)) or 'none'}")
        text = as_floats(path, archive["text"])
        index = archive.get("class_index", index)
        names = [str(n) for n in archive["classname"]] if "classname" in archive else None
        if index.ndim != 1 or not np.issubdtype(index.dtype, np.integer):
            raise BadInput(f"{path}: class_index is not a row of whole numbers")
        if text.shape != (len(index), width) or args.layout == "DxC":
            raise BadInput(f"{path}: text is {text.shape[0]} x {text.shape[1]}; an .npz has [c, D], here "
                           f"{len(index)} x {width}")
    else:
        text = as_floats(path, load_npy(path)) if path.suffix == ".npy" else check_2d(path, load(path))
        text = oriented_text(path, text, width, class_count, args.layout)
    if index.min() < 0 or index.max() >= class_count or len(set(index.tolist())) != len(index):
        raise BadInput(f"{path}: class_index is outside the {class_count} classes or repeats one")
    lengths = np.linalg.norm(text.astype(np.float64), axis=1)
    if (lengths == 0).any():
        raise BadInput(f"{path}: the text of class {int(np.flatnonzero(lengths == 0)[0])} is zero")
    if np.abs(lengths - 1).max() > 0.01:  # half precision keeps a length to about 0.001
        print(f"{path}: rows of text are {lengths.min():.4g} to {lengths.max():.4g} long; they are made 1 long")
    if args.classnames:
        try:
            lines = pathlib.Path(args.classnames).read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise BadInput(f"{args.classnames}: is not UTF-8") from error
        names = [line for line in lines if line]
    names = names or [f"class-{i:04d}" for i in index]
    if len(names) != len(text) or len(set(names)) != len(names):
        raise BadInput(f"{args.classnames or path}: {len(names)} names for {len(text)} classes, or one stands twice")
    return text, index, names, path


def check_2d(path, array):
    if array.ndim != 2:
        raise BadInput(f"{path}: text weights have {array.ndim} dimensions, 2 needed")
    return array


def as_floats(path, array):
    if array.dtype.kind != "f":
        raise BadInput(f"{path}: holds {array.dtype}, floating numbers are needed")
    return check_2d(path, as_numbers(path, torch.from_numpy(np.ascontiguousarray(array)), "floating"))


def read_split(folder, name, width):
    """-> (features [N, D], labels [N])"""
    path, labels_path = folder / f"{name}_f.pt", folder / f"{name}_l.pt"
    features, labels = load(path), load(labels_path, "whole")
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if features.ndim != 2 or labels.ndim != 1:
        raise BadInput(f"{path}: is {list(features.shape)} with labels {list(labels.shape)}; [N, D] and [N] are needed")
    if features.shape == (width, len(labels)) and features.shape != (len(labels), width):
        print(f"{path}: read as [D, N], the official code writes [N, D]")
        features = features.T
    if features.shape != (len(labels), width):
        raise BadInput(f"{path}: is {features.shape[0]} x {features.shape[1]}; {labels_path} has {len(labels)} labels and the "
                       f"keys are {width} wide")
    return features, labels


def choose_keys(args):
    if not args.dir.is_dir():
        raise BadInput(f"{args.dir}: is no folder")
    pattern = re.compile(r"keys_(\d+)shots\.pt$")
    found = {int(m[1]): p for p in sorted(args.dir.glob("keys_*shots.pt")) if (m := pattern.search(p.name))}
    if not found:
        raise BadInput(f"{args.dir}: has no keys_Kshots.pt")
    if args.shots is None and len(found) > 1:
        raise BadInput(f"{args.dir}: has keys for {sorted(found)} shots; choose with --shots")
    shots = next(iter(found)) if args.shots is None else args.shots
    if shots not in found:
        raise BadInput(f"{args.dir}: has no keys_{shots}shots.pt")
    return found[shots], args.dir / f"values_{shots}shots.pt"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--text")
    parser.add_argument("--layout", choices=("CxD", "DxC"), help="which way round text weights are stored")
    parser.add_argument("--classnames")
    parser.add_argument("--shots", type=int, help="which keys_Kshots.pt, when DIR has several")
    args = parser.parse_args()

    keys_path, values_path = choose_keys(args)
    keys, key_labels, class_count = read_cache(keys_path, values_path)
    text, index, names, text_path = read_text(args, keys.shape[1], class_count)
    splits = {split: read_split(args.dir, split, keys.shape[1]) for split in ("val", "test")
              if (args.dir / f"{split}_f.pt").exists()}

    remap = np.full(class_count, -1)
    remap[index] = np.arange(len(index))
    args.out.mkdir(parents=True, exist_ok=True)
    importer = {"importer": "tip-adapter", "keys_sha256": script_tools.file_sha256(keys_path)}

    def made_from(path):
        return {**importer, "source": path.name, "source_sha256": script_tools.file_sha256(path)}

    def put(name, features, labels, path):
        if labels.min() < 0 or labels.max() >= class_count:
            raise BadInput(f"{args.dir}: {name} labels go from {labels.min()} to {labels.max()}, the {class_count} classes from 0 "
                           f"to {class_count - 1}")
        kept = remap[labels] >= 0
        if not kept.any():
            raise BadInput(f"{args.dir}: {name} has no row of the {len(index)} classes that are kept")
        short = np.flatnonzero(kept & (np.linalg.norm(features.astype(np.float64), axis=1) < LEAST_NORM))
        if len(short) > 0:
            raise BadInput(f"{path}: row {short[0]} is zero or nearly so")
        write_features(args.out / f"{name}.h5", features[kept], remap[labels][kept], names, name, made_from(path))

    put("cache", keys, key_labels, keys_path)
    for split, (features, labels) in splits.items():
        put(split, features, labels, args.dir / f"{split}_f.pt")
    write_text(args.out / "text.h5", text, names, names, made_from(text_path))


if __name__ == "__main__":
    script_tools.run(main)
