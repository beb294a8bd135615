#!/usr/bin/env python3
"""Turn a pickle of torch.save, or safetensors under other names, into safetensors that clipsweep reads.

    launch/convert_checkpoint.py pytorch_model.bin --out model.safetensors
    launch/convert_checkpoint.py epoch_32.pt --out clip/open_clip_model.safetensors
    launch/convert_checkpoint.py last.ckpt --prefix student. --out model.safetensors

FILE is a state dict, a training checkpoint that holds one (open_clip, Lightning), or the index of one in parts
(pytorch_model.bin.index.json), or safetensors whose names --prefix takes a beginning off. A pickle is read with weights_only: no code in it runs. Names lose what wraps them ("module.",
"_orig_mod.", "model.", "clip."), optimizers and everything else that is no tensor of the model are left out, tensors keep
their type. open_clip_config.json beside FILE goes into the metadata; config.json and the preprocessor's must be beside --out.
"""
import argparse
import json
import os
import pathlib
import re
import sys
import struct
import zipfile

sys.dont_write_bytecode = True  # nothing is written beside the scripts
import script_tools  # noqa: E402
from script_tools import BadInput  # noqa: E402

script_tools.require(__name__, "torch", "safetensors")
import torch  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

CONTAINERS = ("state_dict", "model_state_dict", "model", "module", "net", "weights", "params", "ema", "model_ema",
              "state_dict_ema", "ema_state_dict")
INSERTED = {"module", "_orig_mod", "_forward_module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
# A tensor of each encoder: Hugging Face's names, whose ends hold the other form's, first.
MARKS = ("text_model.embeddings.token_embedding.weight", "vision_model.embeddings.patch_embedding.weight",
         "token_embedding.weight", "visual.conv1.weight")


def is_safetensors(path):
    with open(path, "rb") as file:
        return file.read(9)[7:] == b"\0{"


def load(path):
    with open(path, "rb") as file:
        start = file.read(16)
    archive = zipfile.is_zipfile(path)
    if start.startswith(b"PK\3\4") and not archive:
        raise BadInput(f"{path}: is a zip archive of {path.stat().st_size} bytes without its end; the download broke "
                       "off, fetch it again")
    if archive:
        with zipfile.ZipFile(path) as file:
            names = [name.split("/", 1)[-1] for name in file.namelist()]
        if "constants.pkl" in names:
            raise BadInput(f"{path}: is a TorchScript archive, which clipsweep reads as it is; give it with "
                           "--trust-checkpoint if you trust where it comes from")
        if "data.pkl" not in names:
            raise BadInput(f"{path}: is a zip archive that torch.save did not write")
    elif is_safetensors(path):
        return load_safetensors(path)
    elif not (start[:1] == b"\x80" and start[1:2] in b"\2\3\4\5"):
        raise BadInput(f"{path}: is no pickle of torch.save; fetch the checkpoint again")
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=archive)
    except Exception as error:  # torch raises many kinds; all mean the file cannot be used
        text = str(error)
        found = re.search(r"GLOBAL (\S+)", text)
        if found:
            raise BadInput(f"{path}: holds a {found[1]}, which only unpickling that can run code would read; save its "
                           "state dict alone where it was made: torch.save(model.state_dict(), FILE)") from error
        raise BadInput(f"{path}: cannot be read: {script_tools.first_line(error)}; fetch it again") from error


def load_safetensors(path):
    try:
        return load_file(path)
    except Exception as error:  # not one kind of its own
        raise BadInput(f"{path}: cannot be read: {script_tools.first_line(error)}; fetch it again") from error


def load_parts(index):
    """All tensors of a checkpoint in several pickles."""
    try:
        files = sorted(set(json.loads(index.read_text())["weight_map"].values()))
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise BadInput(f"{index}: is no index of a checkpoint in parts") from error
    whole = {}
    for name in files:
        if pathlib.Path(name).name != name:
            raise BadInput(f"{index}: names the file {name!r}; parts are plain names beside the index")
        if not (index.parent / name).is_file():
            raise BadInput(f"{index}: {name} is not beside it; fetch it")
        part = load(index.parent / name)
        twice = sorted(set(part) & set(whole))
        if twice:
            raise BadInput(f"{index}: tensor {twice[0]} is in two of its files")
        whole.update(part)
    return whole


def has_tensors(value):
    return isinstance(value, dict) and any(isinstance(v, torch.Tensor) and v.ndim > 0 for v in value.values())


def state_dict(path, value, key):
    """The state dict in what was saved, and the containers it was taken out of."""
    taken, left = [], []
    while isinstance(value, dict):
        wanted = [key] if key and not taken else [] if has_tensors(value) else CONTAINERS
        holds = [name for name in wanted if isinstance(value.get(name), dict)]
        if key and not taken and not holds:
            raise BadInput(f"{path}: has no {key!r}; it has {', '.join(map(str, value))[:200]}")
        if not holds:
            break
        left += [str(name) for name in value if name != holds[0]]
        taken.append(holds[0])
        value = value[holds[0]]
    if not has_tensors(value):
        found = f"a dict of {', '.join(map(str, value))[:200]}" if isinstance(value, dict) else f"a {type(value).__name__}"
        raise BadInput(f"{path}: holds {found}, no state dict; name the one that has it with --key")
    return value, taken, left


def plain_names(path, tensors):
    """Without the parts that frameworks insert into names."""
    names = {}
    for name in tensors:
        parts = name.split(".")
        plain = ".".join([part for part in parts[:-1] if part not in INSERTED] + parts[-1:])
        if plain in names:
            raise BadInput(f"{path}: tensors {names[plain]} and {name} are the same one but for their wrapping")
        names[plain] = name
    return {plain: tensors[name] for plain, name in names.items()}


def find_prefix(path, names):
    prefixes = []
    for name in names:
        for mark in MARKS:
            if name == mark or name.endswith("." + mark):
                prefixes.append(name[:-len(mark)])
                break
    found = sorted(set(prefixes))
    if not found:
        raise BadInput(f"{path}: has no CLIP tensors under open_clip's or Hugging Face's names; it has "
                       f"{', '.join(sorted(names)[:3])}, ..")
    if len(found) > 1:
        raise BadInput(f"{path}: holds more than one model, under {', '.join(repr(p) for p in found)}; choose with --prefix")
    return found[0]


def apart(tensors):
    """Contiguous, and none sharing memory with another, as safetensors wants them."""
    seen, out = set(), {}
    for name, tensor in sorted(tensors.items()):
        tensor = tensor.detach().contiguous()
        place = tensor.untyped_storage().data_ptr()
        whole = tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
        out[name] = tensor.clone() if place in seen or not whole else tensor
        seen.add(place)
    return out


def order_metadata(file):
    """safetensors writes metadata in another order every time; sorted, the same input gives the same bytes."""
    length = struct.unpack("<Q", file.read(8))[0]
    header = json.loads(file.read(length))
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    if len(text) <= length:
        file.seek(8)
        file.write(text.ljust(length))


def write(path, tensors, metadata):
    temporary = pathlib.Path(f"{path}.tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        save_file(tensors, temporary, metadata=metadata)
    except (ValueError, RuntimeError, KeyError, TypeError) as error:  # a type that safetensors does not have
        temporary.unlink(missing_ok=True)
        raise BadInput(f"{path}: safetensors cannot hold these tensors: {script_tools.first_line(error)}") from error
    with open(temporary, "r+b") as file:
        order_metadata(file)
        file.flush()
        os.fsync(file.fileno())
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(temporary, 0o666 & ~mask)  # safetensors makes files that only their owner reads
    os.replace(temporary, path)


def say_what_is_missing(source, out, metadata, names):
    hugging_face = any(name.startswith(("text_model.", "vision_model.")) for name in names)
    if hugging_face:
        for name in ("config.json", "processor_config.json", "preprocessor_config.json"):
            if (source.parent / name).exists() and not (out.parent / name).exists():
                print(f"put {name} beside it: cp {source.parent / name} {out.parent}")
        if not (source.parent / "config.json").exists():
            print("no config.json is beside the checkpoint: clipsweep will want one, or --activation")
    elif "open_clip_config" not in metadata:
        print("no open_clip_config.json is beside the checkpoint: clipsweep will want one, or --activation")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, required=True, help="ends in .safetensors; must not exist")
    parser.add_argument("--key", help="which entry of a training checkpoint is the state dict; else state_dict, model, ..")
    parser.add_argument("--prefix", help="which tensors: those whose names begin so, where several models are inside")
    args = parser.parse_args()
    if args.out.suffix != ".safetensors":
        raise BadInput(f"{args.out}: does not end in .safetensors")
    if args.out.exists():
        raise BadInput(f"{args.out}: exists already; remove it or give another --out")
    if not args.file.is_file():
        raise BadInput(f"{args.file}: is no file")

    loaded = load_parts(args.file) if args.file.name.endswith(".index.json") else load(args.file)
    state, taken, left = state_dict(args.file, loaded, args.key)
    tensors = {str(name): value for name, value in state.items() if isinstance(value, torch.Tensor)}
    left += [str(name) for name, value in state.items() if not isinstance(value, torch.Tensor)]
    for name, tensor in tensors.items():
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
            raise BadInput(f"{args.file}: tensor {name} is sparse, quantised or empty of data; save plain tensors")
    wrapped = set(tensors)
    tensors = plain_names(args.file, tensors)
    prefix = args.prefix if args.prefix is not None else find_prefix(args.file, tensors)
    kept = {name[len(prefix):]: value for name, value in tensors.items() if name.startswith(prefix)}
    if not prefix and set(tensors) == wrapped and is_safetensors(args.file):
        raise BadInput(f"{args.file}: is safetensors already; give it to clipsweep as it is")
    if not kept:
        raise BadInput(f"{args.file}: no tensor's name begins with {prefix!r}")
    outside = sorted(name for name in tensors if not name.startswith(prefix))

    metadata = {"format": "pt", "converted_by": "clipsweep convert_checkpoint.py", "converted_from": args.file.name,
                "source_sha256": script_tools.file_sha256(args.file)}
    config = args.file.parent / "open_clip_config.json"
    if config.exists():
        metadata["open_clip_config"] = config.read_text(encoding="utf-8")
    write(args.out, apart(kept), metadata)

    types = sorted({str(value.dtype).removeprefix("torch.") for value in kept.values()})
    print(f"{args.out}: {len(kept)} tensors ({', '.join(types)})"
          + (f" of {'.'.join(taken)}" if taken else "") + (f", without {prefix!r}" if prefix else ""))
    if outside:
        print(f"left out: {len(outside)} tensors outside {prefix!r} ({', '.join(outside[:3])}{', ..' if len(outside) > 3 else ''})")
    if left:
        print(f"left out: {', '.join(left[:8])}{', ..' if len(left) > 8 else ''}")
    say_what_is_missing(args.file, args.out, metadata, kept)


if __name__ == "__main__":
    script_tools.run(main)
