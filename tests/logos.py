"""PNG files for tests, made without a library of pictures."""

import struct
import zlib

SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def png_chunk(name: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG with its length and check sum."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def make_png(width: int, height: int, *, colour: int = 2, bits: int = 8, interlaced: bool = False) -> bytes:
    """Return a PNG in one colour."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, int(interlaced))
    pixels = b""
    for left, top, across, down in PASSES if interlaced else ((0, 0, 1, 1),):
        columns, rows = len(range(left, width, across)), len(range(top, height, down))
        if columns and rows:
            pixels += (b"\0" + b"\x33" * -(-columns * SAMPLES[colour] * bits // 8)) * rows
    palette = png_chunk(b"PLTE", b"\0\x40\x80" * 4) if colour == 3 else b""
    parts = png_chunk(b"IHDR", header), palette, png_chunk(b"IDAT", zlib.compress(pixels)), png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
