#!/usr/bin/env python3
"""Train the demo's small CLIP on rendered printed digits and write it as fp16 safetensors.

The model is open_clip's own ModifiedResNet + text transformer with the real CLIP tokenizer, so the
weights load in clipsweep by the same path as RN50. It sees printed digits only: every handwritten
image of the demo is new to it, and zero-shot accuracy there is transfer from print to handwriting.

    launch/demo/train_digit_clip.py --out launch/demo/digit-clip.safetensors

Fonts: every TrueType/OpenType file under --fonts that has ten distinct, readable digits. The
committed weights used the packages listed in launch/demo/README.md.
"""
import argparse
import json
import math
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.dont_write_bytecode = True  # nothing is written beside the scripts
import script_tools  # noqa: E402

script_tools.require(__name__, "numpy", "open_clip", "torch", "PIL", "safetensors", setup="launch/setup.sh --tests")
import numpy as np  # noqa: E402
import open_clip  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from PIL import Image, ImageDraw, ImageFont  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
TEMPLATES = [
    "a photo of the digit {}.", "a photo of the number {}.", "the digit {}.", "the number {}.",
    "a handwritten {}.", "a printed {}.", "a blurry photo of a {}.", "a small white {} on black.",
    "a photo of a {}.", "{}.",
]
EMBED_DIM = 128
IMAGE_SIZE = 64
VISION = {"layers": (1, 1, 1, 1), "width": 10, "image_size": IMAGE_SIZE, "head_width": 64}
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 2}
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(1, 3, 1, 1)
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(1, 3, 1, 1)
NOT_PRINT = {"aenigma", "ecolier-court", "humor-sans", "breip"}  # display toys and imitated handwriting
GLYPH = 64  # side of a rendered glyph, pixels


def render_glyph(font, digit):
    """One digit, white on black, cropped to its ink and scaled to fill the height; None if blank."""
    box = font.getbbox(digit)
    if box is None or box[2] <= box[0] or box[3] <= box[1]:
        return None
    canvas = Image.new("L", (box[2] - box[0] + 8, box[3] - box[1] + 8), 0)
    ImageDraw.Draw(canvas).text((4 - box[0], 4 - box[1]), digit, fill=255, font=font)
    ink = canvas.getbbox()
    if ink is None:
        return None
    glyph = canvas.crop(ink)
    height = 44
    width = max(4, min(44, round(glyph.width * height / glyph.height)))
    out = Image.new("L", (GLYPH, GLYPH), 0)
    out.paste(glyph.resize((width, height), Image.BILINEAR),
              ((GLYPH - width) // 2, (GLYPH - height) // 2))
    return np.asarray(out, dtype=np.float32) / 255.0


def render_fonts(root):
    """[fonts, 10, GLYPH, GLYPH] float32 in 0..1, fonts without ten distinct digits left out."""
    fonts = []
    for path in sorted(pathlib.Path(root).rglob("*.[to]tf")):
        if path.parent.name in NOT_PRINT:
            continue
        try:
            font = ImageFont.truetype(str(path), 72)
            glyphs = [render_glyph(font, str(d)) for d in range(10)]
        except OSError:
            continue
        if any(g is None for g in glyphs):
            continue
        stack = np.stack(glyphs)
        ink = stack.mean(axis=(1, 2))
        flat = stack.reshape(10, -1)
        gaps = np.abs(flat[:, None] - flat[None]).mean(-1) + np.eye(10)
        if ink.min() < 0.02 or ink.max() > 0.45 or gaps.min() < 0.01:
            continue
        fonts.append(stack)
    return torch.from_numpy(np.stack(fonts))


def distort(glyphs, rng):
    """[B, GLYPH, GLYPH] glyphs -> [B, 1, 32, 32] binary bitmaps: affine, perspective, bends, pen width."""
    count = glyphs.shape[0]

    def uniform(low, high, *shape):
        return torch.rand(*shape, generator=rng) * (high - low) + low

    angle = uniform(-0.28, 0.28, count)
    shear = uniform(-0.25, 0.4, count)
    scale_x = uniform(0.7, 1.2, count)
    scale_y = uniform(1.25, 1.55, count)
    zeros = torch.zeros(count)
    cos, sin = angle.cos(), angle.sin()
    # Rows of the inverse map: output coordinates -> glyph coordinates.
    row_x = torch.stack([cos / scale_x, (sin + shear) / scale_x, uniform(-.06, .06, count)], 1)
    row_y = torch.stack([-sin / scale_y, cos / scale_y, uniform(-.04, .04, count)], 1)
    grid = F.affine_grid(torch.stack([row_x, row_y], 1), (count, 1, 64, 64), align_corners=False)
    bend = torch.stack([uniform(-.22, .22, count, 4, 4), uniform(-.16, .16, count, 4, 4)], 1)
    bend = F.interpolate(bend, (64, 64), mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    tilt = uniform(-0.25, 0.25, count, 1, 1, 1) * grid[..., 1:2] + 1.0
    grid = torch.cat([grid[..., :1] * tilt, grid[..., 1:]], -1) + bend
    image = F.grid_sample(glyphs[:, None], grid, mode="bilinear", align_corners=False)
    thick = F.max_pool2d(image, 5, 1, 2)
    thin = -F.max_pool2d(-image, 3, 1, 1)
    pick = torch.rand(count, generator=rng).view(-1, 1, 1, 1)
    image = torch.where(pick < .45, thick, torch.where(pick > .92, thin, image))
    image = F.avg_pool2d(image, 2)
    return (image > uniform(0.3, 0.6, count, 1, 1, 1)).float()


def as_digit_images(bitmaps):
    """Block counts as the optical digits were made (4 x 4 ink counts, 17 levels), then the CLIP size."""
    counts = (F.avg_pool2d(bitmaps, 4) * 16).round() / 16
    image = F.interpolate(counts, (IMAGE_SIZE, IMAGE_SIZE), mode="bicubic", antialias=True,
                          align_corners=False).clamp(0, 1)
    return (image.expand(-1, 3, -1, -1) - MEAN) / STD


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    parser.add_argument("--fonts", default="/usr/share/fonts")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    rng = torch.Generator().manual_seed(args.seed)
    fonts = render_fonts(args.fonts)
    print(f"{fonts.shape[0]} fonts", flush=True)
    model = open_clip.CLIP(EMBED_DIM, VISION, TEXT, quick_gelu=True).train()
    tokenizer = open_clip.get_tokenizer("RN50")
    tokens = [tokenizer([t.format(n) for n in NAMES]) for t in TEMPLATES]
    decay = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW([{"params": decay, "weight_decay": 0.05},
                                   {"params": plain, "weight_decay": 0.0}], lr=args.lr)
    started = time.time()
    for step in range(args.steps):
        warm = min(1.0, (step + 1) / 200)
        lr = args.lr * warm * 0.5 * (1 + math.cos(math.pi * step / args.steps))
        for group in optimizer.param_groups:
            group["lr"] = lr
        labels = torch.randint(0, 10, (args.batch,), generator=rng)
        which = torch.randint(0, fonts.shape[0], (args.batch,), generator=rng)
        images = as_digit_images(distort(fonts[which, labels], rng))
        image_features = F.normalize(model.visual(images.contiguous(memory_format=torch.channels_last)))
        text_features = F.normalize(model.encode_text(tokens[step % len(tokens)]))
        logits = 100.0 * image_features @ text_features.T  # the fixed scale the sweep uses
        loss = F.cross_entropy(logits, labels, label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 200 == 0 or step + 1 == args.steps:
            right = (logits.argmax(1) == labels).float().mean().item()
            print(f"step {step} loss {loss.item():.4f} print top-1 {right:.3f} "
                  f"{time.time() - started:.0f} s", flush=True)

    model.eval()
    model.logit_scale.data.fill_(math.log(100.0))
    state = {k: v.half().contiguous() for k, v in model.state_dict().items()
             if v.is_floating_point() and k != "attn_mask"}
    config = {"model_cfg": {"embed_dim": EMBED_DIM, "vision_cfg": dict(VISION, layers=list(VISION["layers"])),
                            "text_cfg": TEXT, "quick_gelu": True}}
    save_file(state, args.out, metadata={"open_clip_config": json.dumps(config, sort_keys=True)})
    print(f"wrote {args.out}: {sum(v.numel() for v in state.values())} values, "
          f"{pathlib.Path(args.out).stat().st_size} bytes")


if __name__ == "__main__":
    main()
