#!/usr/bin/env python3
"""Small files that ask for much: each is refused by name, or read in bounded time and memory.

As a program it writes them, decodes each in a process of its own and prints the table of docs/images.md.
"""
import io
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

from pictures import BUILD  # noqa: I001  (finds .venv where Pillow is)

from PIL import Image


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def zeros(count):
    """zlib data of so many zero bytes, made in pieces."""
    packer, out = zlib.compressobj(9), []
    piece = b"\0" * (1 << 20)
    while count > 0:
        out.append(packer.compress(piece[:min(count, len(piece))]))
        count -= len(piece)
    return b"".join(out) + packer.flush()


def png(width, height, depth=8, color=0, interlace=0, data=None, extra=b""):
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
    if data is None:
        if interlace:
            rows = sum((height + oy) // sy * (1 + ((width + ox) // sx * channels * depth + 7) // 8)
                       for ox, oy, sx, sy in ((7, 7, 8, 8), (3, 7, 8, 8), (3, 3, 4, 8), (1, 3, 4, 4), (1, 1, 2, 4), (0, 1, 2, 2), (0, 0, 1, 2)))
        else:
            rows = height * (1 + (width * channels * depth + 7) // 8)
        data = zeros(rows)
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlace)
    palette = chunk(b"PLTE", b"\1\2\3") if color == 3 else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + palette + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def segment(marker, data):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(data) + 2) + data


def many_scans(width, height, scans):
    """A progressive grey JPEG: a DC scan, then the same AC scan of nothing but "no more in 32,767 blocks" again and again."""
    blocks = -(-width // 8) * -(-height // 8)
    out = b"\xff\xd8" + segment(0xdb, b"\0" + b"\1" * 64)
    out += segment(0xc2, struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0")
    out += segment(0xc4, b"\0" + b"\1" + b"\0" * 15 + b"\0")  # DC: one code, difference 0
    out += segment(0xc4, b"\x10" + b"\0\1" + b"\0" * 14 + b"\xe0")  # AC: "00" ends 2^14.. blocks
    out += segment(0xda, b"\1\1\0\0\0\0") + b"\0" * (-(-blocks // 8))
    # Bits "00" and 14 bits of how many more: each word skips 32,767 blocks.
    words = -(-blocks // 32767)
    scan = segment(0xda, b"\1\1\0\1\5\0") + struct.pack(">H", 0x3fff).replace(b"\xff", b"\xff\0") * words
    return out + scan * scans + b"\xff\xd9"


def tiff(fields, data=b""):
    at, body = 8 + len(data), b""
    after = at + 2 + 12 * len(fields) + 4
    entries = b""
    for tag, values in sorted(fields.items()):
        packed = struct.pack(f"<{len(values)}I", *values)
        entries += struct.pack("<HHI", tag, 4, len(values))
        entries += packed if len(packed) <= 4 else struct.pack("<I", after + len(body))
        body += packed if len(packed) > 4 else b""
    return b"II*\0" + struct.pack("<I", at) + data + struct.pack("<H", len(fields)) + entries + struct.pack("<I", 8) + body


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def write(folder, large=True):
    """{name: path}. Without `large` those that take seconds to make are left out."""
    text = chunk(b"zTXt", b"a\0\0" + zeros(1 << 20))
    bomb = chunk(b"zTXt", b"a\0\0" + zeros(1 << 26))
    many_text = b"".join(chunk(b"tEXt", b"a\0b") for _ in range(20000))
    unknown = b"".join(chunk(b"abCd", b"x" * 100) for _ in range(20000))
    files = {
        "PNG, 3,000 texts of 1 MiB unpacked": png(8, 8, extra=text * 3000),
        "PNG, a text of 64 MiB unpacked": png(8, 8, extra=bomb),
        "PNG, a profile of 64 MiB unpacked": png(8, 8, extra=chunk(b"iCCP", b"a\0\0" + zeros(1 << 26))),
        "PNG, 20,000 texts": png(8, 8, extra=many_text),
        "PNG, 20,000 unknown chunks": png(8, 8, extra=unknown),
        "PNG, claims 2^31 - 1 x 1": png(2**31 - 1, 1, data=zeros(9)),
        "PNG, claims 16,000 x 12,000": png(16000, 12000, data=zeros(9)),
        "JPEG, 4,000 x 4,000, 5,000 scans": many_scans(4000, 4000, 5000),
        "JPEG, 13,000 x 13,000, 100 scans": many_scans(13000, 13000, 100),
        "JPEG, 65,500 x 65,500": many_scans(65500, 65500, 0),
        "JPEG, 3,000 comments of 64 kB": b"\xff\xd8" + segment(0xfe, b"x" * 65533) * 3000 + saved(Image.new("RGB", (8, 8)), "JPEG")[2:],
        "GIF, claims 65,535 x 65,535": b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;",
        "GIF, a canvas of 13,000 x 13,000, a frame of 1 x 1": b"GIF89a" + struct.pack("<HH", 13000, 13000) + b"\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;",
        "TIFF, a directory that names itself next": tiff({256: [8], 257: [8], 258: [8], 259: [1], 262: [1], 273: [8], 277: [1], 278: [8], 279: [64]}, b"\0" * 64),
        "TIFF, a tile of 65,536 x 65,536": tiff({256: [8], 257: [8], 258: [8], 259: [1], 262: [1], 277: [1], 322: [65536], 323: [65536], 324: [8], 325: [64]}, b"\0" * 64),
        "TIFF, 2^31 rows a strip": tiff({256: [8], 257: [8], 258: [8], 259: [1], 262: [1], 273: [8], 277: [1], 278: [2**31], 279: [64]}, b"\0" * 64),
        "TIFF, claims 13,000 x 13,000 without strips": tiff({256: [13000], 257: [13000], 258: [8], 259: [1], 262: [1], 273: [8], 277: [1], 278: [1], 279: [64]}, b"\0" * 64),
        "BMP, claims 13,000 x 13,000": b"BM" + struct.pack("<IIIIiiHHIIIIII", 0, 0, 54, 40, 13000, 13000, 1, 24, 0, 0, 0, 0, 0, 0),
        "PNM, claims 13,000 x 13,000": b"P6 13000 13000 255\n",
    }
    if large:
        big = Image.new("L", (13000, 13000))
        strip = zlib.compress(b"\0" * 13000 * 64, 9)
        files |= {
            "PNG, 13,000 x 13,000, interlaced": png(13000, 13000, interlace=1),
            "PNG, 13,000 x 13,000, 1 bit": png(13000, 13000, depth=1),
            "PNG, 13,000 x 13,000, 16-bit RGBA": png(13000, 13000, depth=16, color=6),
            "PNG, 13,000 x 13,000, palette": png(13000, 13000, depth=8, color=3),
            "PNG, 1 x 178,956,970": png(1, 178956970),
            "WebP, 16,383 x 10,000": saved(Image.new("RGB", (16383, 10000)), "WEBP", quality=1, method=0),
            "WebP, 16,383 x 10,000, lossless": saved(Image.new("RGB", (16383, 10000)), "WEBP", lossless=True, method=0, quality=0),
            "JPEG, 13,000 x 13,000, progressive": saved(big, "JPEG", progressive=True),
            "GIF, 13,000 x 13,000": saved(big, "GIF"),
            "TIFF, 13,000 x 13,000, strips of 64 rows": tiff({256: [13000], 257: [13000], 258: [8], 259: [8], 262: [1], 273: [8] * 204, 277: [1], 278: [64], 279: [len(strip)] * 204}, strip),
            "TIFF, 13,056 x 13,056, tiles of 16 x 16": tiff({256: [13056], 257: [13056], 258: [8], 259: [1], 262: [1], 277: [1], 322: [16], 323: [16], 324: [8] * 816**2, 325: [256] * 816**2}, b"\0" * 256),
            "TIFF, 13,000 x 13,000, one strip": tiff({256: [13000], 257: [13000], 258: [8], 259: [8], 262: [1], 273: [8], 277: [1], 278: [13000], 279: [len(zeros(13000**2))]}, zeros(13000**2)),
        }
    paths = {}
    for number, (name, data) in enumerate(files.items()):
        paths[name] = folder / f"{number:02d}"
        paths[name].write_bytes(data)
    return paths


def main():
    with tempfile.TemporaryDirectory() as folder:
        print("| file | bytes | seconds | MiB, beside the picture | answer |\n|---|---|---|---|---|")
        for name, path in write(Path(folder)).items():
            process = subprocess.run([BUILD / "tests" / "dump_pixels", "--whole", "--usage", path], capture_output=True, text=True)
            if process.returncode != 0:
                print(f"| {name} | {path.stat().st_size:,} | | | ended with {process.returncode} |")
                continue
            answer, usage = process.stdout.splitlines()
            seconds, mebibytes = usage.split()
            words = answer.split()
            picture = 3 * int(words[1]) * int(words[2]) >> 20 if words[0] == "ok" else 0
            said = "read" + "".join(f", {note}" for note in words[4:]) if words[0] == "ok" else answer.removeprefix("refused: ")
            print(f"| {name} | {path.stat().st_size:,} | {seconds} | {int(mebibytes) - picture} | {said} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
