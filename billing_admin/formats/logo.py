"""The check of a logo: a PNG, or an SVG without anything active or external.

A logo is shown on pages, printed on each document and kept for ever. It is accepted only if all of it is understood.
"""

import base64
import hashlib
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from billing_admin.domain.errors import Invalid
from billing_admin.formats.svg_check import check_svg

MAX_LOGO_BYTES = 512 * 1024
MAX_LOGO_PIXELS = 2000  # of each side
PNG, SVG = "image/png", "image/svg+xml"
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_CRITICAL_CHUNKS: Final = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
# Color type → samples of a pixel, and bits of a sample.
_SAMPLES: Final = {
    0: (1, {1, 2, 4, 8, 16}),
    2: (3, {8, 16}),
    3: (1, {1, 2, 4, 8}),
    4: (2, {8, 16}),
    6: (4, {8, 16}),
}
# The passes of an interlaced PNG: first column and row, and the steps between columns and rows.
_PASSES: Final = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
_MAX_PROFILE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class LogoFile:
    """A checked logo; the size is in pixels, or in units of an SVG."""

    data: bytes
    media_type: str
    width: int
    height: int

    @property
    def sha256(self) -> str:
        """The hash by which the logo is stored."""
        return hashlib.sha256(self.data).hexdigest()


def check_logo(data: bytes) -> LogoFile:
    """Return the logo that a file holds.

    Raises:
        Invalid: The file is too large, no PNG or SVG, damaged, or has parts that a logo must not have.
    """
    if not data:
        raise _refused("blank", "The file is empty. Choose a PNG or SVG file.")
    if len(data) > MAX_LOGO_BYTES:
        size = -(-len(data) // 1024)
        raise _refused("too_large", f"The file has {size:,} KB. Use a file of at most {MAX_LOGO_BYTES // 1024} KB.")
    if data.startswith(_SIGNATURE):
        width, height = _check_png(data)
        logo = LogoFile(data, PNG, width, height)
    elif data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        width, height = check_svg(data)
        logo = LogoFile(data, SVG, width, height)
    else:
        raise _refused("not_a_logo", "The file is neither a PNG nor an SVG. Save the logo in one of these formats.")
    if max(width, height) > MAX_LOGO_PIXELS:
        limit = f"{MAX_LOGO_PIXELS:,}"
        message = f"The picture has {width:,} × {height:,} pixels. Reduce it to at most {limit} × {limit}."
        raise _refused("too_large", message)
    _check_printable(logo)
    return logo


def logo_as_svg(media_type: str, width: int, height: int, data: bytes) -> str:
    """Return a logo as SVG; a PNG becomes the only picture of one."""
    if media_type == SVG:
        return data.decode("utf-8-sig")
    content = base64.b64encode(data).decode()
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">'
        f'<image width="{width}" height="{height}" href="data:{PNG};base64,{content}"/></svg>'
    )


def _check_printable(logo: LogoFile) -> None:
    """Print the logo once.

    A logo that typst refuses would make each later document fail.
    """
    import typst  # noqa: PLC0415 - loaded on demand: few processes check a logo

    source = b'#set document(title: "Logo")\n#image(bytes(sys.inputs.logo), format: "svg", width: 30mm, alt: "Logo")'
    svg = logo_as_svg(logo.media_type, logo.width, logo.height, logo.data)
    try:
        typst.compile(source, sys_inputs={"logo": svg}, pdf_standards=["a-3a", "ua-1"], ignore_system_fonts=True)
    except (RuntimeError, typst.TypstError) as error:
        message = "The picture cannot be printed. Open it in a drawing program and save it again as PNG or plain SVG."
        raise _refused("not_printable", message) from error


def _check_png(data: bytes) -> tuple[int, int]:
    """Return the size of a PNG that can be decoded (ISO/IEC 15948)."""
    chunks = list(_read_chunks(data))
    names = [name for name, _ in chunks]
    unknown = [name for name in names if name[:1].isupper() and name not in _CRITICAL_CHUNKS]
    if unknown or names[:1] != [b"IHDR"] or names.count(b"IHDR") != 1 or names[-1] != b"IEND" or b"IDAT" not in names:
        raise _damaged()
    header = chunks[0][1]
    if len(header) != 13:
        raise _damaged()
    width, height, bits, colour, compression, filtering, interlace = struct.unpack(">IIBBBBB", header)
    samples, depths = _SAMPLES.get(colour, (0, set()))
    if not width or not height or bits not in depths or (compression, filtering) != (0, 0) or interlace > 1:
        raise _damaged()
    if max(width, height) > MAX_LOGO_PIXELS:
        return width, height  # refused by its size: the pixels need not be read
    palette = dict(chunks).get(b"PLTE", b"")
    if len(palette) % 3 or len(palette) > 3 * 256 or (colour == 3 and not palette):
        raise _damaged()
    _check_pixels(b"".join(part for name, part in chunks if name == b"IDAT"), _rows(header, samples))
    for name, part in chunks:
        if name == b"iCCP":
            _inflate(part.partition(b"\0")[2][1:], _MAX_PROFILE_BYTES)
    return width, height


def _read_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = len(_SIGNATURE)
    while position < len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        name, content = data[position + 4 : position + 8], data[position + 8 : position + 8 + length]
        checksum = data[position + 8 + length : position + 12 + length]
        if len(checksum) != 4 or not name.isalpha() or zlib.crc32(name + content) != int.from_bytes(checksum, "big"):
            raise _damaged()
        yield name, content
        position += 12 + length
        if name == b"IEND" and position < len(data):
            message = "The file has data after the end of the picture. Open it in a drawing program and save it again."
            raise _refused("damaged", message)


def _rows(header: bytes, samples: int) -> list[tuple[int, int]]:
    """Return the number of rows and the bytes of each, for each pass.

    The first byte of a row is its filter.
    """
    width, height, bits, _, _, _, interlace = struct.unpack(">IIBBBBB", header)
    passes = _PASSES if interlace else ((0, 0, 1, 1),)
    sizes = [
        (len(range(first_row, height, down)), len(range(first_column, width, across)))
        for first_column, first_row, across, down in passes
    ]
    return [(rows, 1 + (columns * samples * bits + 7) // 8) for rows, columns in sizes if rows and columns]


def _check_pixels(compressed: bytes, rows: list[tuple[int, int]]) -> None:
    """Check the number of the pixels, and the filter of each row."""
    pixels = _inflate(compressed, sum(count * size for count, size in rows))
    position = 0
    for count, size in rows:
        if any(filter > 4 for filter in pixels[position : position + count * size : size]):
            raise _damaged()
        position += count * size
    if position != len(pixels):
        raise _damaged()


def _inflate(compressed: bytes, longest: int) -> bytes:
    decompressor = zlib.decompressobj()
    try:
        content = decompressor.decompress(compressed, longest + 1)
    except zlib.error as error:
        raise _damaged() from error
    if len(content) > longest or not decompressor.eof:
        raise _damaged()
    return content


def _damaged() -> Invalid:
    return _refused("damaged", "The PNG file is damaged. Open it in a drawing program and save it again.")


def _refused(code: str, message: str) -> Invalid:
    return Invalid(code, message, "file")
