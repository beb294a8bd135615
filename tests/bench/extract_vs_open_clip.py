#!/usr/bin/env python3
"""clipsweep's extraction beside open_clip with a DataLoader: same images, weights and threads, one run.

    tests/bench/extract_vs_open_clip.py --images ../shared/data/photos --threads 2

Prints images a second of: open_clip as it comes, open_clip with channels-last weights and pictures, clipsweep alone
and on two ranks of one thread; decode and resize alone on one core, ours and Pillow + torchvision's, and our decoding
without the resize; and the ratios.
Weights are random: they do not change the time.
"""
import argparse
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time

import bench_python

bench_python.require(__name__, "open_clip", "torch", "torchvision", "PIL", "safetensors")
import open_clip  # noqa: E402
import torch  # noqa: E402
from PIL import Image  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / os.environ.get("CLIPSWEEP_BUILD", "build")


class Pictures(torch.utils.data.Dataset):
    def __init__(self, paths, transform):
        self.paths, self.transform = paths, transform

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, i):
        return self.transform(Image.open(self.paths[i]))


def open_clip_rate(model, paths, batch, workers, channels_last):
    """open_clip encoding a DataLoader's batches, first batch outside the clock."""
    size = model.visual.image_size
    transform = open_clip.image_transform(size if isinstance(size, int) else size[0], is_train=False)
    loader = torch.utils.data.DataLoader(Pictures(paths, transform), batch_size=batch, num_workers=workers)
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
    with torch.inference_mode():
        count, start = 0, None
        for images in loader:
            if channels_last:
                images = images.to(memory_format=torch.channels_last)
            model.encode_image(images)
            if start is None:
                start = time.perf_counter()
            else:
                count += len(images)
        return count / (time.perf_counter() - start)


def clipsweep_rate(checkpoint, folder, images, threads, ranks, tmp):
    """By the program's own clock: start-up (loading LibTorch and the checkpoint) is left out, as it is above."""
    out = tmp / f"f{threads}-{ranks}.h5"
    command = [BUILD / "clipsweep", "extract", "--model", checkpoint, "--images", folder, "--out", out, "--quiet", "--fresh",
               "--threads", str(threads), "--json", tmp / "r.json"]
    env = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    if ranks > 1:
        command = ["mpirun", "-np", str(ranks), "--bind-to", "none", "--oversubscribe", *command]
    subprocess.run(command, check=True, env=env, stdout=subprocess.DEVNULL)
    result = json.loads((tmp / "r.json").read_text())
    assert result["images"] == images
    return images / result["pipeline_seconds"], result


def decode_rates(paths, size, tmp):
    """Images a second on one core: our decoding and resizing, our decoding alone, and Pillow's of both."""
    from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize
    pillow = Compose([Resize(size, InterpolationMode.BICUBIC), CenterCrop(size), lambda i: i.convert("RGB")])
    for path in paths[:20]:  # warm
        pillow(Image.open(path))
    start = time.perf_counter()
    for path in paths:
        pillow(Image.open(path))
    theirs = len(paths) / (time.perf_counter() - start)

    def ours(*arguments):
        tool = subprocess.run([BUILD / "tests/dump_pixels", *arguments, *map(str, paths)], check=True, capture_output=True, text=True)
        return len(paths) / float(tool.stderr)

    return ours(str(size), tmp / "pixels.bin"), ours("--decode"), theirs


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=pathlib.Path, required=True, help="folder of photographs")
    parser.add_argument("--model", default="RN50", help="open_clip's name")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=64, help="of open_clip")
    parser.add_argument("--count", type=int, default=192)
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    found = sorted(p for p in args.images.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp"))
    if not found:
        sys.exit(f"extract_vs_open_clip: {args.images}: no photographs there")
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as folder:
        tmp = pathlib.Path(folder)
        (tmp / "images/all").mkdir(parents=True)
        paths = []
        for i in range(args.count):
            paths.append(tmp / f"images/all/{i:05d}{found[i % len(found)].suffix}")
            paths[-1].symlink_to(found[i % len(found)].resolve())
        torch.manual_seed(0)
        model = open_clip.create_model(args.model, force_quick_gelu=True).eval()
        checkpoint = tmp / "model.safetensors"
        save_file({k: v.contiguous() for k, v in model.state_dict().items() if v.is_floating_point()}, checkpoint,
                  metadata={"open_clip_config": json.dumps({"model_cfg": {"quick_gelu": True}})})
        rates = {}
        ours, alone, theirs = decode_rates(found, 224, tmp)
        rates["decode, clipsweep, one core"], rates["decode, Pillow + torchvision, one core"] = ours, theirs
        rates["decode without resize, clipsweep, one core"] = alone
        rates["open_clip"] = open_clip_rate(model, paths, args.batch, 0, False)
        rates["open_clip, channels-last"] = open_clip_rate(model, paths, args.batch, 0, True)
        rates["clipsweep"], result = clipsweep_rate(checkpoint, tmp / "images", args.count, args.threads, 1, tmp)
        rates["clipsweep, one thread"], _ = clipsweep_rate(checkpoint, tmp / "images", args.count, 1, 1, tmp)
        rates["clipsweep, two ranks of one thread"], _ = clipsweep_rate(checkpoint, tmp / "images", args.count, 1, 2, tmp)
        ratios = {
            "to open_clip": rates["clipsweep"] / rates["open_clip"],
            "to open_clip, channels-last": rates["clipsweep"] / rates["open_clip, channels-last"],
            "two ranks to one": rates["clipsweep, two ranks of one thread"] / rates["clipsweep, one thread"],
            "decode to Pillow": ours / theirs,
        }
    print(f"{args.model}, {args.count} pictures, {args.threads} threads, {platform.processor() or platform.machine()}, torch "
          f"{torch.__version__}")
    for name, rate in rates.items():
        print(f"  {name:<42} {rate:8.2f} img/s")
    print(f"  thread-seconds: decode {result['decode_seconds']:.1f}, encode {result['encode_seconds']:.1f}")
    for name, ratio in ratios.items():
        print(f"  {name:<42} {ratio:8.2f} x")
    if args.json:
        args.json.write_text(json.dumps({"rates": rates, "ratios": ratios}, indent=2))


if __name__ == "__main__":
    main()
