#!/usr/bin/env python3
"""clipsweep's extraction beside what else encodes pictures on a CPU: open_clip in PyTorch, and OpenVINO.

    tests/bench/extract_peers.py --images ../shared/data/photos

A table of images a second: models x float32 and bfloat16. clipsweep reads and decodes the pictures and writes the
file; the peers get batches that are decoded already, and each is given its best of some batch sizes. Weights are random:
they do not change the time. OpenVINO (PyPI: openvino) is left out, saying so, where it cannot be imported.
"""
import argparse
import json
import os
import pathlib
import subprocess
import tempfile
import time

import bench_python

bench_python.require(__name__, "open_clip", "torch", "safetensors")
import open_clip  # noqa: E402
import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / os.environ.get("CLIPSWEEP_BUILD", "build")
SECONDS = 4.0  # of measuring, each


def rate(encode, batch):
    """Images a second of encode(), which takes `batch` of them."""
    encode()
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        encode()
        count += batch
    return count / (time.perf_counter() - start)


def open_clip_rate(model, size, precision, channels_last):
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = model.to(memory_format=layout)
    best = 0
    for batch in (8, 32):
        images = torch.randn(batch, 3, size, size).to(memory_format=layout)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            best = max(best, rate(lambda: model.encode_image(images), batch))
    return best


def openvino_rate(model, size, precision, threads):
    import openvino
    best = 0
    core = openvino.Core()
    for batch, hint in ((8, "LATENCY"), (8, "THROUGHPUT"), (1, "THROUGHPUT")):
        images = torch.randn(batch, 3, size, size)
        with torch.no_grad():
            converted = openvino.convert_model(torch.jit.trace(model.visual, images, check_trace=False))
        converted.reshape({0: list(images.shape)})
        compiled = core.compile_model(converted, "CPU", {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads,
                                                         "PERFORMANCE_HINT": hint})
        queue = openvino.AsyncInferQueue(compiled)
        data = images.numpy()

        def encode():
            for _ in range(len(queue)):
                queue.start_async([data])
            queue.wait_all()

        best = max(best, rate(encode, batch * len(queue)))
    return best


def clipsweep_rate(checkpoint, images, precision, threads, tmp):
    command = [BUILD / "clipsweep", "extract", "--model", checkpoint, "--images", images, "--out", tmp / "f.h5", "--quiet",
               "--fresh", "--device", "cpu", "--threads", str(threads), "--precision", precision, "--json", tmp / "r.json"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    result = json.loads((tmp / "r.json").read_text())
    return result["images"] / result["pipeline_seconds"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=pathlib.Path, required=True, help="folder of photographs")
    parser.add_argument("--models", default="RN50,ViT-B-32,ViT-L-14", help="open_clip's names")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--count", type=int, default=192)
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    found = sorted(p for p in args.images.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    torch.set_num_threads(args.threads)
    torch.backends.mha.set_fastpath_enabled(False)  # it cannot be traced, and is no faster here
    try:
        import openvino  # noqa: F401
        has_openvino = True
    except ImportError:
        print("openvino: left out (not installed; PyPI has it)")
        has_openvino = False
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        tmp = pathlib.Path(folder)
        (tmp / "images/all").mkdir(parents=True)
        for i in range(args.count):
            picture = found[i % len(found)]
            (tmp / f"images/all/{i:05d}{picture.suffix}").symlink_to(picture.resolve())
        for name in args.models.split(","):
            torch.manual_seed(0)
            model = open_clip.create_model(name, force_quick_gelu=True).eval()
            size = model.visual.image_size
            size = size if isinstance(size, int) else size[0]
            checkpoint = tmp / "model.safetensors"
            save_file({k: v.contiguous() for k, v in model.state_dict().items() if v.is_floating_point()}, checkpoint,
                      metadata={"open_clip_config": json.dumps({"model_cfg": {"quick_gelu": True}})})
            for precision in ("f32", "bf16"):
                row = {"model": name, "precision": precision,
                       "clipsweep": clipsweep_rate(checkpoint, tmp / "images", precision, args.threads, tmp)}
                if has_openvino:
                    row["openvino"] = openvino_rate(model, size, precision, args.threads)
                row["open_clip"] = open_clip_rate(model, size, precision, False)
                row["channels_last"] = open_clip_rate(model, size, precision, True)
                rows.append(row)
                print("  ".join(f"{key} {value}" if isinstance(value, str) else f"{key} {value:.1f}" for key, value in row.items()),
                      flush=True)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
