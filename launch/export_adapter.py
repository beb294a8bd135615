#!/usr/bin/env python3
"""A trained adapter.h5 for other programs.

    launch/export_adapter.py adapter.h5 --out best_F_16shots.pt
    launch/export_adapter.py adapter.h5 --out adapter.safetensors

.pt: what the official Tip-Adapter-F saves and loads as best_F_Kshots.pt: the weight of its linear layer, [K, D], in half
precision, with keys in the order of keys_Kshots.pt (rows of the cache). Its alpha and beta are printed: the official code takes them
from its own search.
.safetensors: keys [K, D], class_index [K], cache_row [K], text [C, D]; alpha, beta, classes and what it was made from as metadata.
"""
import argparse
import json
import pathlib
import sys

sys.dont_write_bytecode = True  # nothing is written beside the scripts
import script_tools  # noqa: E402
from script_tools import BadInput  # noqa: E402

script_tools.require(__name__, "h5py", "numpy", "torch", "safetensors")
import h5py  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from sealed_file import check_seal  # noqa: E402


def read_adapter(path):
    check_seal(path)
    with h5py.File(path) as file:
        attributes = {name: value.decode() if isinstance(value, bytes) else value for name, value in file.attrs.items()}
        if attributes.get("format") != "clipsweep-adapter":
            raise BadInput(f"{path}: is a {attributes.get('format')}, a clipsweep-adapter is needed")
        arrays = {name: file[name][()] for name in ("keys", "class_index", "cache_row", "text")}
        classes = [name.decode() for name in file["classes"]]
    return arrays, classes, attributes


def official(arrays):
    """Rows as the cache has them; official caches are in the order of their images."""
    order = np.argsort(arrays["cache_row"], kind="stable")
    return torch.nn.Parameter(torch.from_numpy(arrays["keys"][order]).half())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("adapter", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, required=True, help="ends in .pt or .safetensors")
    args = parser.parse_args()
    arrays, classes, attributes = read_adapter(args.adapter)
    if args.out.suffix == ".pt":
        torch.save(official(arrays), args.out)
    elif args.out.suffix == ".safetensors":
        from safetensors.numpy import save_file
        metadata = {name: str(value) for name, value in attributes.items()}
        save_file(arrays, args.out, metadata={**metadata, "classes": json.dumps(classes)})
    else:
        raise BadInput(f"{args.out}: ends in neither .pt nor .safetensors")
    keys, width = arrays["keys"].shape
    print(f"{args.out}: {keys} keys x {width}, {len(classes)} classes, alpha {attributes['alpha']:.6g}, "
          f"beta {attributes['beta']:.6g}")


if __name__ == "__main__":
    script_tools.run(main)
