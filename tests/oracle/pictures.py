#!/usr/bin/env python3
"""Decoders beside Pillow: every picture gives the same pixels, or is refused by name.

As a program it compares whole folders and their damaged copies, and prints the table of docs/images.md:

    tests/oracle/pictures.py --mutants 20 --seed 1 FOLDER..
"""
import argparse
import collections
import contextlib
import hashlib
import itertools
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "launch"))
sys.dont_write_bytecode = True  # nothing is written beside the scripts
import script_tools  # noqa: E402

script_tools.require(__name__, "numpy", "PIL", setup="launch/setup.sh --tests")
import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

BUILD = Path(os.environ.get("CLIPSWEEP_BUILD", Path(__file__).parents[2] / "build"))

KINDS = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG", b"GIF87a": "GIF", b"GIF89a": "GIF", b"BM": "BMP",
         b"II*\0": "TIFF", b"MM\0*": "TIFF", b"II+\0": "TIFF", b"MM\0+": "TIFF"}


def kind_of(path):
    """By first bytes; "other" for what is not read."""
    with open(path, "rb") as file:
        head = file.read(12)
    if head[:4] == b"RIFF" and head[8:] == b"WEBP":
        return "WebP"
    if head[:1] == b"P" and head[1:2] in (b"1", b"2", b"3", b"4", b"5", b"6") and head[2:3].isspace():
        return "PNM"
    return next((kind for magic, kind in KINDS.items() if head.startswith(magic)), "other")


def ours(paths, extra=()):
    """[(line, notes)] of dump_pixels --whole: ("ok W H SHA256", [..]) or ("refused: why", [])."""
    result = []
    for some in (paths[i:i + 500] for i in range(0, len(paths), 500)):
        process = subprocess.run([BUILD / "tests" / "dump_pixels", "--whole", *extra, *map(str, some)], capture_output=True)
        assert process.returncode == 0, process.stderr[-2000:]
        for line in process.stdout.decode("utf-8", "replace").removesuffix("\n").split("\n"):  # not at every line break of Unicode
            words = line.split(" ")
            result.append((" ".join(words[:4]), words[4:]) if words[0] == "ok" else (line, []))
    assert len(result) == len(paths)
    return result


def pillow(path):
    """As ours(), and the format Pillow saw."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        name = None
        try:
            with Image.open(path) as image:
                name = image.format
                image.load()
                rgb = image.convert("RGB")
            return f"ok {rgb.width} {rgb.height} {hashlib.sha256(rgb.tobytes()).hexdigest()}", name
        except Exception as error:  # OSError, SyntaxError, ValueError and more
            return f"refused: {type(error).__name__}: {error}", name


OUTCOMES = ("same pixels", "both refuse", "only we refuse", "only Pillow refuses", "other pixels")


@contextlib.contextmanager
def pillow_limit(most):
    """Pillow refuses pictures of more than `most` pixels inside; None: its own limit."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = most // 2 if most else before
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def compare(paths, most=None):
    """[(path, outcome, our line, Pillow's line)]; `most`: pixels, an even number, instead of the default of both."""
    rows = []
    with pillow_limit(most):
        theirs = [pillow(path)[0] for path in paths]
    for path, (line, _), want in zip(paths, ours(paths, ("--most", str(most)) if most else ()), theirs, strict=True):
        we, they = line.startswith("ok"), want.startswith("ok")
        if we and they:
            outcome = "same pixels" if line == want else "other pixels"
        else:
            outcome = "only we refuse" if they else "only Pillow refuses" if we else "both refuse"
        rows.append((path, outcome, line, want))
    return rows


def table(rows):
    counts = collections.defaultdict(collections.Counter)
    for path, outcome, _, _ in rows:
        counts[kind_of(path)][outcome] += 1
        counts["all"][outcome] += 1
    text = "| kind | files | " + " | ".join(OUTCOMES) + " |\n|" + "---|" * (len(OUTCOMES) + 2) + "\n"
    for kind in ("JPEG", "PNG", "WebP", "GIF", "BMP", "TIFF", "PNM", "other", "all"):
        if counts[kind]:
            text += f"| {kind} | {sum(counts[kind].values())} | " + " | ".join(str(counts[kind][o]) for o in OUTCOMES) + " |\n"
    return text


def sample(width, height, mode, seed=0):
    """A picture with smooth and rough parts in any mode of Pillow's."""
    rng = np.random.default_rng([seed, width, height])
    small = rng.integers(0, 256, (max(2, height // 9), max(2, width // 9), 4), dtype=np.uint8)
    image = Image.fromarray(small).resize((width, height), Image.BICUBIC)
    if mode == "I;16":
        return Image.fromarray(rng.integers(0, 700, (height, width), dtype=np.uint16))
    if mode in ("LA", "PA", "RGBA"):
        return image.convert(mode)
    return image.convert("RGB").convert(mode)


SIZES = ((1, 1), (2, 3), (7, 5), (8, 8), (9, 17), (33, 31), (64, 48), (131, 77))


def jpegs(size):
    for mode in ("L", "RGB", "CMYK", "1"):
        for quality, options in ((75, {}), (95, {"progressive": True}), (30, {"optimize": True})):
            yield f"{mode}-{quality}.jpg", sample(*size, mode), {"quality": quality, **options}
    for subsampling in (0, 1, 2, "4:1:1"):
        for options in ({}, {"progressive": True}, {"restart_marker_blocks": 2}, {"keep_rgb": True, "subsampling": 0}):
            yield f"sub{subsampling}-{len(options)}{'-'.join(options)}.jpg".replace(":", ""), sample(*size, "RGB"), {"subsampling": subsampling, **options}


def pngs(size):
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        yield f"{mode.replace(';', '')}.png", sample(*size, mode), {}
    for bits in (1, 2, 4, 8):
        image = sample(*size, "RGB").quantize(2 ** bits)
        yield f"P{bits}.png", image, {"bits": bits}
        yield f"P{bits}-trns.png", image, {"bits": bits, "transparency": 0}
    yield "L-trns.png", sample(*size, "L"), {"transparency": 9}
    yield "RGB-trns.png", sample(*size, "RGB"), {"transparency": (1, 2, 3)}
    yield "bright16.png", Image.fromarray(np.full((size[1], size[0]), 40000, np.uint16)), {}
    yield "apng.png", sample(*size, "RGB"), {"save_all": True, "append_images": [sample(*size, "RGB", 1)]}
    yield "apng-default.png", sample(*size, "RGB"), {"save_all": True, "append_images": [sample(*size, "RGB", 1)], "default_image": True}


def webps(size):
    for mode in ("RGB", "RGBA", "L", "P"):
        yield f"{mode}.webp", sample(*size, mode), {}
        yield f"{mode}-lossless.webp", sample(*size, mode), {"lossless": True}
    yield "exact.webp", sample(*size, "RGBA"), {"exact": True, "lossless": True}
    yield "animated.webp", sample(*size, "RGBA"), {"save_all": True, "append_images": [sample(*size, "RGBA", 1)], "duration": 9}
    yield "animated-lossless.webp", sample(*size, "RGB"), {"save_all": True, "append_images": [sample(*size, "RGB", 1)], "lossless": True}


def gifs(size):
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        for interlace in (0, 1):
            yield f"{mode}-{interlace}.gif", sample(*size, mode), {"interlace": interlace}
    for colours in (2, 3, 17, 256):
        yield f"P{colours}.gif", sample(*size, "RGB").quantize(colours), {"transparency": 1}
    yield "animated.gif", sample(*size, "RGB"), {"save_all": True, "append_images": [sample(*size, "RGB", 1)], "duration": 9, "disposal": 2}


def bmps(size):
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        yield f"{mode}.bmp", sample(*size, mode), {}
    yield "P16.bmp", sample(*size, "RGB").quantize(16), {}


def tiffs(size):
    packings = (None, "tiff_lzw", "tiff_adobe_deflate", "packbits")
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"):
        for packing in packings:
            name = mode.replace(";", "")
            yield f"{name}-{packing}.tif", sample(*size, mode), {"compression": packing}
    for packing in ("group3", "group4", "tiff_ccitt"):
        yield f"1-{packing}.tif", sample(*size, "1"), {"compression": packing}
    for mode in ("L", "RGB"):
        yield f"{mode}-jpeg.tif", sample(*size, mode), {"compression": "jpeg"}
    for orientation in range(1, 9):
        yield f"turned{orientation}.tif", sample(*size, "RGB"), {"tiffinfo": {274: orientation}}
    yield "strips.tif", sample(*size, "RGB"), {"tiffinfo": {278: 3}, "compression": "tiff_lzw"}
    yield "pages.tif", sample(*size, "RGB"), {"save_all": True, "append_images": [sample(*size, "L", 1)]}
    yield "predictor.tif", sample(*size, "RGB"), {"tiffinfo": {317: 2}, "compression": "tiff_lzw"}
    yield "float.tif", sample(*size, "F"), {}
    yield "big.tif", sample(*size, "RGB"), {"big_tiff": True}


def pnms(size):
    for mode, ending in (("1", "pbm"), ("L", "pgm"), ("RGB", "ppm"), ("I;16", "pgm")):
        yield f"{mode.replace(';', '')}.{ending}", sample(*size, mode), {}


WRITERS = (jpegs, pngs, webps, gifs, bmps, tiffs, pnms)


def write_all(folder, sizes=SIZES):
    """Every mode, format and option that Pillow writes, and what numbers below can make of them."""
    paths = []
    for size in sizes:
        for writer in WRITERS:
            for name, image, options in writer(size):
                path = folder / f"{size[0]}x{size[1]}-{name}"
                try:
                    image.save(path, **options)
                except (OSError, ValueError, KeyError, TypeError, SystemError):
                    path.unlink(missing_ok=True)
                    continue
                paths.append(path)
    for name, data in itertools.chain(hand_bmps(), hand_pnms(), hand_gifs(), hand_tiffs()):
        paths.append(folder / name)
        paths[-1].write_bytes(data)
    return paths


def hand_bmps():
    """16 bits, masks, run lengths, top-down rows, OS/2 headers, palettes that are too short."""
    rng = np.random.default_rng(5)

    def le(value, size):
        return int(value).to_bytes(size, "little", signed=value < 0)

    def bmp(width, height, bits, data, compression=0, palette=b"", masks=b"", header=40, colours=0):
        if header == 12:
            second = le(12, 4) + le(width, 2) + le(height, 2) + le(1, 2) + le(bits, 2)
        else:
            second = le(header, 4) + le(width, 4) + le(height, 4) + le(1, 2) + le(bits, 2) + le(compression, 4) + le(0, 12) + le(colours, 4) + le(0, 4)
            inside = masks if header > 40 else b""
            second += inside + b"\0" * (header - 40 - len(inside))
            second += masks if header == 40 else b""
        offset = 14 + len(second) + len(palette)
        return b"BM" + le(offset + len(data), 4) + le(0, 4) + le(offset, 4) + second + palette + data

    for width, height in ((1, 1), (5, 4), (13, 7)):
        size = f"{width}x{height}"
        for bits in (16, 24, 32):
            data = rng.bytes((width * bits + 31) // 32 * 4 * height)
            for header in (12, 40, 52, 56, 64, 108, 124):
                yield f"b{bits}-h{header}-{size}.bmp", bmp(width, height, bits, data, header=header)
            yield f"b{bits}-down-{size}.bmp", bmp(width, -height, bits, data)
            for r, g, b, a in ((0xff0000, 0xff00, 0xff, 0), (0xff, 0xff00, 0xff0000, 0xff000000), (0xff000000, 0xff0000, 0xff00, 0), (0xff000000, 0xff00, 0xff, 0xff0000),
                               (0xf800, 0x7e0, 0x1f, 0), (0x7c00, 0x3e0, 0x1f, 0), (0, 0, 0, 0), (0xf00, 0xf0, 0xf, 0)):
                for header, count in ((40, 3), (52, 3), (56, 4), (124, 4)):
                    masks = b"".join(le(mask, 4) for mask in (r, g, b, a)[:count])
                    yield f"b{bits}-m{r:x}-{a:x}-h{header}-{size}.bmp", bmp(width, height, bits, data, 3, masks=masks, header=header)
        for bits in (1, 4, 8):
            data = rng.bytes((width * bits + 31) // 32 * 4 * height)
            for colours in (1, 2, 3, 16, 200, 256):
                entries = min(colours, 256)
                for grey in (False, True):
                    palette = b"".join(bytes([i if colours > 2 else 255 * i] * 3) + b"\0" if grey else rng.bytes(3) + b"\0" for i in range(entries))
                    yield f"p{bits}-{colours}-{grey}-{size}.bmp", bmp(width, height, bits, data, palette=palette, colours=colours)
            palette = rng.bytes(3 << bits)
            yield f"p{bits}-os2-{size}.bmp", bmp(width, height, bits, data, palette=palette, header=12)
            yield f"p{bits}-short-{size}.bmp", bmp(width, height, bits, data[:-1], palette=rng.bytes(4 << bits))
    for seed in range(60):
        rle = np.random.default_rng([6, seed])
        bits = 8 if seed % 2 else 4
        data = b""
        for _ in range(int(rle.integers(1, 60))):
            what = int(rle.integers(0, 10))
            if what < 5:
                data += bytes([int(rle.integers(1, 9))]) + rle.bytes(1)
            elif what < 7:
                data += b"\0\0"
            elif what < 8:
                data += b"\0\2" + bytes([int(rle.integers(0, 4)), int(rle.integers(0, 2))])
            else:
                count = int(rle.integers(3, 12))
                size = count if bits == 8 else (count + 1) // 2
                data += bytes([0, count]) + rle.bytes(size + size % 2)
        palette = b"".join(rle.bytes(3) + b"\0" for _ in range(1 << bits))
        if seed % 3 == 0:
            data += b"\0\0" * 12
        yield f"rle{bits}-{seed}.bmp", bmp(11, 7, bits, data + b"\0\1", 1 if bits == 8 else 2, palette=palette)
        yield f"rle{bits}-{seed}-full.bmp", bmp(11, 7, bits, (b"\x0b" + data[1:2] + b"\0\0") * 7 + b"\0\1", 1 if bits == 8 else 2, palette=palette)


def hand_pnms():
    rng = np.random.default_rng(7)
    for most in (1, 3, 7, 100, 254, 255, 256, 1000, 65534, 65535):
        for kind, channels in (("5", 1), ("6", 3), ("2", 1), ("3", 3)):
            values = rng.integers(0, most + 1, 6 * 5 * channels)
            head = f"P{kind} # a comment\n6 5\n{most}\n".encode()
            if kind < "4":
                yield f"plain{kind}-{most}.pnm", head + b" ".join(str(v).encode() for v in values) + b"\n"
                yield f"plain{kind}-{most}-cut.pnm", head + b" ".join(str(v).encode() for v in values[:-1]) + b"\n"
            else:
                data = values.astype(">u2" if most > 255 else np.uint8).tobytes()
                yield f"raw{kind}-{most}.pnm", head + data
                yield f"raw{kind}-{most}-cut.pnm", head + data[:-1]
                yield f"raw{kind}-{most}-over.pnm", head + b"\xff" * len(data)
    yield "bits.pbm", b"P1\n5 2\n01010 #x\n1 1 0 0 1"
    yield "bits-bad.pbm", b"P1\n5 2\n0101011002"
    yield "packed.pbm", b"P4\n9 2\n\xa5\x80\x5a\x00"
    for i, head in enumerate((b"P5\n0 3\n255\n", b"P5\n3 3\n0\n", b"P5\n3 3\n65536\n", b"P5\n-3 3\n255\n", b"P5 3 3 255", b"P5\n3#c\n3\n3\n255\n", b"P5\n12345678901 1\n255\n", b"P7\n3 3 255\n")):
        yield f"head{i}.pnm", head + b"abcdefghijkl"


def hand_gifs():
    """Frames smaller or larger than the screen, transparency, local palettes, blocks cut off."""
    def gif(screen, frame, interlace=False, transparent=None, local=0, global_=2, code=2, cut=0, end=b"\0;", greys=False):
        rng = np.random.default_rng([8, *screen, *frame])
        le = lambda v: int(v).to_bytes(2, "little")
        colours = lambda bits: bytes(i // 3 for i in range(3 << bits)) if greys else rng.bytes(3 << bits)
        data = b"GIF89a" + le(screen[0]) + le(screen[1]) + bytes([(0x80 | global_ - 1) if global_ else 0, 1, 0])
        data += colours(global_) if global_ else b""
        if transparent is not None:
            data += b"!\xf9\4\1\0\0" + bytes([transparent]) + b"\0"
        data += b"," + b"".join(le(v) for v in frame) + bytes([(0x40 if interlace else 0) | ((0x80 | local - 1) if local else 0)])
        data += colours(local) if local else b""
        # Codes of one size: a clear code before the table grows.
        bits, count, clear = 0, 0, 1 << code
        def put(value):
            nonlocal bits, count
            bits |= value << count
            count += code + 1
        for i in range(frame[2] * frame[3]):
            if i % 2 == 0:
                put(clear)
            put(int(rng.integers(0, clear)))
        put(clear + 1)
        packed = bits.to_bytes((count + 7) // 8, "little")
        data += bytes([code])
        for i in range(0, len(packed), 255):
            data += bytes([len(packed[i:i + 255])]) + packed[i:i + 255]
        data += end
        return data[:len(data) - cut] if cut else data

    for screen in ((9, 7), (4, 3), (0, 0)):
        for frame in ((0, 0, 9, 7), (2, 1, 5, 4), (3, 3, 9, 9), (0, 0, 1, 1)):
            size = "x".join(map(str, screen + frame))
            for interlace in (False, True):
                for transparent in (None, 1, 77):
                    for local, global_ in ((0, 2), (2, 2), (3, 0), (0, 0), (0, 1)):
                        yield f"g{size}-{interlace}-{transparent}-{local}{global_}.gif", gif(screen, frame, interlace, transparent, local, global_)
            yield f"g{size}-greys.gif", gif(screen, frame, greys=True, global_=3, code=5)
            for code in (3, 7, 8):
                yield f"g{size}-code{code}.gif", gif(screen, frame, code=code)
            for cut in (1, 2, 3, 4, 9):
                yield f"g{size}-cut{cut}.gif", gif(screen, frame, cut=cut)


def hand_tiffs():
    """Samples of 1 to 16 bits in both byte orders, planes, tiles, extra samples, odd kinds."""
    import struct
    rng = np.random.default_rng(9)

    def tiff(order, fields, data):
        e = "<" if order == b"II" else ">"
        fields = dict(fields)
        fields.setdefault(279, [len(data)] if 322 not in fields else None)
        if 322 in fields:
            fields.pop(279), fields.setdefault(324, [8]), fields.setdefault(325, [len(data)])
        else:
            fields.setdefault(273, [8])
        fields = {tag: values for tag, values in sorted(fields.items()) if values}
        entries, out, at = b"", b"", 8 + len(data) + len(data) % 2
        after = at + 2 + 12 * len(fields) + 4
        for tag, values in fields.items():
            long = tag in (256, 257, 273, 278, 279, 322, 323, 324, 325)
            packed = struct.pack(f"{e}{len(values)}{'I' if long else 'H'}", *values)
            entries += struct.pack(f"{e}HHI", tag, 4 if long else 3, len(values))
            if len(packed) <= 4:
                entries += packed.ljust(4, b"\0")
            else:
                entries += struct.pack(f"{e}I", after + len(out))
                out += packed
        return order + struct.pack(f"{e}HI", 42, at) + data + b"\0" * (len(data) % 2) + struct.pack(f"{e}H", len(fields)) + entries + b"\0\0\0\0" + out

    for order in (b"II", b"MM"):
        name = order.decode()
        for width, height in ((1, 1), (7, 5), (16, 16)):
            size = f"{width}x{height}"
            for bits, samples, photometric, extra in itertools.product((1, 2, 4, 8, 12, 16, 32), (1, 2, 3, 4, 5), (0, 1, 2, 3, 5, 6, 8), ((), (0,), (1,), (2,), (0, 0), (1, 0))):
                base = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3, 8: 3}[photometric]
                if samples != base + len(extra) or (bits in (2, 4, 12) and samples > 1):
                    continue
                data = rng.bytes((width * samples * bits + 7) // 8 * height)
                fields = {256: [width], 257: [height], 258: [bits] * samples, 259: [1], 262: [photometric], 277: [samples], 338: list(extra)}
                if photometric == 3 and bits <= 8:
                    fields[320] = [int(v) for v in rng.integers(0, 65536, 3 << bits)]
                label = f"t{name}-{size}-{bits}-{samples}-{photometric}-{''.join(map(str, extra))}"
                yield f"{label}.tif", tiff(order, fields, data)
                if size == "7x5":
                    yield f"{label}-fill.tif", tiff(order, {**fields, 266: [2]}, data)
                    yield f"{label}-cut.tif", tiff(order, fields, data[:-1])
                    for kind in (2, 3):
                        yield f"{label}-f{kind}.tif", tiff(order, {**fields, 339: [kind] * samples}, data)
                    if samples > 1 and bits >= 8:
                        plane = (width * bits + 7) // 8 * height
                        fields_p = {**fields, 284: [2], 273: [8 + plane * i for i in range(samples)], 279: [plane] * samples}
                        yield f"{label}-planes.tif", tiff(order, fields_p, data)
                if size == "16x16":
                    yield f"{label}-tile.tif", tiff(order, {**fields, 322: [16], 323: [16]}, data)
        fields = {256: [20], 257: [18], 258: [8] * 3, 259: [1], 262: [2], 277: [3], 322: [16], 323: [16]}
        one = 16 * 16 * 3
        yield f"t{name}-tiles.tif", tiff(order, {**fields, 324: [8 + one * i for i in range(4)], 325: [one] * 4}, rng.bytes(4 * one))
        yield f"t{name}-no-size.tif", tiff(order, {258: [8], 259: [1], 262: [1], 277: [1]}, rng.bytes(50))
        yield f"t{name}-short-strip.tif", tiff(order, {256: [5], 257: [9], 258: [8], 259: [1], 262: [1], 277: [1], 278: [4]}, rng.bytes(20))


def mutants(paths, folder, each, seed):
    """Copies with flipped bits, overwritten bytes, cut ends, holes and doubled parts."""
    made = []
    for number, path in enumerate(paths):
        whole = path.read_bytes()
        if not whole:
            continue
        for i in range(each):
            rng = np.random.default_rng([seed, number, i])
            data = bytearray(whole)
            # Half of the damage is near the beginning, where headers are.
            reach = len(data) if i % 2 else min(len(data), 120)
            at = int(rng.integers(0, reach))
            match int(rng.integers(0, 6)):
                case 0:
                    data[at] ^= 1 << int(rng.integers(0, 8))
                case 1:
                    data[at] = int(rng.integers(0, 256))
                case 2:
                    for where in rng.integers(0, reach, 4):
                        data[where] = int(rng.integers(0, 256))
                case 3:
                    del data[int(rng.integers(1, len(data) + 1)):]
                case 4:
                    del data[at:at + int(rng.integers(1, 30))]
                case _:
                    data[at:at] = data[at:at + int(rng.integers(1, 30))]
            made.append(folder / f"{number:05d}-{i:03d}{path.suffix}")
            made[-1].write_bytes(data)
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, help="pictures of any kind, searched deeply")
    parser.add_argument("--written", action="store_true", help="also everything that write_all() makes")
    parser.add_argument("--mutants", type=int, default=0, help="damaged copies of each")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--most", type=int, default=10**9, help="bytes of a file that is still damaged and copied")
    parser.add_argument("--list", action="store_true", help="each file on which the two differ")
    parser.add_argument("--reasons", action="store_true", help="what the differing files said, counted")
    args = parser.parse_args()
    paths = sorted(p for folder in args.folders for p in folder.rglob("*") if p.is_file() and p.stat().st_size > 0)
    with tempfile.TemporaryDirectory() as temporary:
        if args.written:
            (Path(temporary) / "written").mkdir()
            paths += write_all(Path(temporary) / "written")
        if args.mutants:
            paths = mutants([p for p in paths if p.stat().st_size <= args.most], Path(temporary), args.mutants, args.seed)
        # Damage makes sizes of any kind; huge ones say nothing more than large ones.
        rows = compare(paths, 2_000_000 if args.mutants else None)
        print(table(rows))
        differing = [row for row in rows if row[1] not in ("same pixels", "both refuse")]
        if args.list:
            for path, outcome, line, want in differing:
                print(f"{outcome}: {path.name}: {line} | {want}")
        if args.reasons:
            reasons = collections.Counter()
            for path, outcome, line, want in differing:
                said = line if outcome == "only we refuse" else want if outcome == "only Pillow refuses" else ""
                reasons[kind_of(path), outcome, "".join(c for c in said if not c.isdigit())[:110]] += 1
            for (kind, outcome, said), count in reasons.most_common(100):
                print(f"{count:6d} {kind:5s} {outcome}: {said}")
        return 1 if any(row[1] == "other pixels" for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
