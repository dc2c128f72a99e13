"""Pictures of printed pages, and the codes that a scanner reads in them."""

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import pypdfium2
import zxingcpp

SCANNER_DPI: Final = 150
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"


class Picture(NamedTuple):
    """Shades of grey, row by row: 0 is black, 255 white."""

    width: int
    height: int
    shades: bytes

    def as_png(self) -> bytes:
        """Return the picture as PNG."""
        rows = (self.shades[start : start + self.width] for start in range(0, len(self.shades), self.width))
        parts = (
            (b"IHDR", struct.pack(">2I5B", self.width, self.height, 8, 0, 0, 0, 0)),
            (b"IDAT", zlib.compress(b"".join(b"\x00" + row for row in rows), 9)),
            (b"IEND", b""),
        )
        return _SIGNATURE + b"".join(
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
            for name, data in parts
        )

    @classmethod
    def from_png(cls, png: bytes) -> "Picture":
        """Return the picture that `as_png` wrote."""
        width, height = struct.unpack_from(">2I", png, len(_SIGNATURE) + 8)
        start = png.index(b"IDAT") + 4
        (length,) = struct.unpack_from(">I", png, start - 8)
        rows = zlib.decompress(png[start : start + length])
        return cls(width, height, b"".join(rows[at + 1 : at + 1 + width] for at in range(0, len(rows), width + 1)))

    def blocks(self, size: int) -> list[float]:
        """Return the mean shade of each square of so many pixels, row by row."""
        means = []
        for y in range(0, self.height, size):
            rows = [self.shades[start * self.width :][: self.width] for start in range(y, min(y + size, self.height))]
            for x in range(0, self.width, size):
                square = b"".join(row[x : x + size] for row in rows)
                means.append(sum(square) / len(square))
        return means


def draw_pages(pdf: bytes, dpi: float = SCANNER_DPI) -> Iterator[Picture]:
    """Yield a picture of each page of a PDF."""
    with pypdfium2.PdfDocument(pdf) as document:
        for page in document:
            bitmap = page.render(scale=dpi / 72, grayscale=True)
            shades = bytes(bitmap.buffer)
            rows = (shades[start : start + bitmap.width] for start in range(0, len(shades), bitmap.stride))
            yield Picture(bitmap.width, bitmap.height, b"".join(rows))


def draw_modules(modules: Sequence[Sequence[object]], size: int = 3, margin: int = 4) -> Picture:
    """Return a picture of the modules of a code, each `size` pixels wide, with so many light ones around them."""
    width = (len(modules) + 2 * margin) * size
    blank, side = b"\xff" * width * margin * size, b"\xff" * margin * size
    rows = [side + b"".join((b"\x00" if dark else b"\xff") * size for dark in row) + side for row in modules]
    return Picture(width, width, blank + b"".join(row * size for row in rows) + blank)


def read_codes(picture: Picture) -> list[str]:
    """Return the texts of the QR codes in a picture."""
    pixels = memoryview(picture.shades).cast("B", (picture.height, picture.width))
    return [code.bytes.decode() for code in zxingcpp.read_barcodes(pixels)]
