"""The fonts of the PDF, and which characters they can print.

Only the fonts of the project and of the folder that BILLING_FONTS names are used, never those of the machine: the same
document is the same bytes everywhere. PDF/A allows no missing glyph, so every text is made printable first.
"""

import hashlib
import re
import struct
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import structlog
import typst
from fontTools.ttLib import TTFont

_log = structlog.get_logger(__name__)

FOLDER = Path(__file__).with_name("fonts")
BOX = "□"
MAX_NAMED_GLYPHS = 20

# Families in the order in which a character is looked for; other shipped families follow by name, then BILLING_FONTS.
_FIRST = ("Inter", "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari", "Noto Sans Thai")
_BITMAP_BYTES = 0x110000 >> 3
_PRIVATE_USE = ((0xE000, 0xF900), (0xF0000, 0x110000))
_FORMAT_OF_RANGES = 12
_JOINER = "\u200d"
_BREAK = "\u200b"
_RIGHT_TO_LEFT = 12
# Thai, Lao, Myanmar, Khmer, Chinese, Japanese, Korean.
_WITHOUT_SPACES = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff"
)
# Characters that the text layout hides where a font has no glyph for them (HarfBuzz' list of default ignorables).
_HIDDEN = frozenset(
    chr(point)
    for first, last in (
        *((0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x17B4, 0x17B5), (0x180B, 0x180E), (0x200B, 0x200F)),
        *((0x202A, 0x202E), (0x2060, 0x206F), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFF0, 0xFFF8)),
        *((0x1D173, 0x1D17A), (0xE0000, 0xE0FFF)),
    )
    for point in range(first, last + 1)
)
# Marks by their use that are no marks by their category: Thai and Lao AM, emoji skin tones, tags of flags.
_JOINING = frozenset("\u0e33\u0eb3" + "".join(map(chr, (*range(0x1F3FB, 0x1F400), *range(0xE0020, 0xE0080)))))


class Glyphs:
    """The fonts that documents are printed with, and the characters that they have.

    `families` are tried in their order. A character prints if any face has it. Characters that form one cluster, such as
    a letter with its accents, print if one family has them all, in each of its faces, because the text layout takes
    the glyphs of a cluster from one font. `digest` names the font files.
    """

    def __init__(self, *folders: Path) -> None:
        self.fonts = typst.Fonts(
            include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(folder) for folder in folders]
        )
        faces = sorted(self.fonts.fonts(), key=lambda face: _order(face, folders))
        self.digest = _digest(faces)
        self.families = list(dict.fromkeys(face.family for face in faces))
        in_any_face, in_all_faces = 0, dict[str, int]()
        for face in faces:
            points = int.from_bytes(_code_points(face), "little")
            in_any_face |= points
            in_all_faces[face.family] = in_all_faces.get(face.family, points) & points
        self._in_any_face = _Bitmap(in_any_face)
        self._in_family = [_Bitmap(in_all_faces[family]) for family in self.families]

    def printable(self, text: str) -> str:
        """Return the text with □ for each cluster that cannot be printed.

        Line ends and tabs become spaces.
        """
        if text.isascii() and text.isprintable():
            return text
        return "".join(cluster if self._prints(cluster) else BOX for cluster in _clusters(text))

    def missing(self, texts: Iterable[str]) -> list[str]:
        """Return the clusters that cannot be printed, each once, in order of appearance."""
        unusual = (text for text in texts if not (text.isascii() and text.isprintable()))
        return list(
            dict.fromkeys(cluster for text in unusual for cluster in _clusters(text) if not self._prints(cluster))
        )

    def only_basic(self, text: str) -> str:
        """Return the text with □ for everything that the first family does not have.

        Single characters of the first family are unchanged.
        """
        basic = self._in_family[0]
        return "".join(c if basic.has(c) and not unicodedata.combining(c) else BOX for c in text)

    def _prints(self, cluster: str) -> bool:
        visible = "".join(c for c in cluster if c not in _HIDDEN)
        if len(visible) <= 1:
            return not visible or self._has(visible)
        forms = {visible, unicodedata.normalize("NFC", visible), unicodedata.normalize("NFD", visible)}
        return any(all(map(family.has, form)) for family in self._in_family for form in forms)

    def _has(self, character: str) -> bool:
        category = unicodedata.category(character)
        return category == "Zs" or (category != "Cc" and self._in_any_face.has(character))


@cache
def load_glyphs(folder: Path | None = None) -> Glyphs:
    """Read the shipped fonts and those of `folder`, once per process."""
    return Glyphs(FOLDER, *([folder] if folder else []))


def missing_glyphs_sentence(missing: list[str]) -> str:
    """Return a sentence that names missing characters and says how to print them.

    The sentence is empty if no characters are missing.
    """
    if not missing:
        return ""
    unnamed = len(missing) - MAX_NAMED_GLYPHS
    names = ", ".join(map(readable_cluster, missing[:MAX_NAMED_GLYPHS])) + (
        f" and {unnamed:,} more" if unnamed > 0 else ""
    )
    if len(missing) == 1:
        return (
            f"1 character cannot be printed in the PDF: {names}."
            " □ is printed instead. To print it, ask your system administrator to install a font that has it"
            " and to set BILLING_FONTS."
        )
    return (
        f"{len(missing):,} characters cannot be printed in the PDF: {names}."
        " □ is printed instead. To print them, ask your system administrator to install a font that has them"
        " and to set BILLING_FONTS."
    )


def readable_cluster(cluster: str) -> str:
    """Return a cluster as a person can read it.

    A cluster of which nothing is visible is replaced by its code points.
    """
    if cluster.isprintable() or any(unicodedata.category(c)[0] in "LNPS" for c in cluster):
        return cluster
    return " ".join(f"U+{ord(c):04X}" for c in cluster)


def breakable(text: str, longest: int) -> str | list[str | list[str]]:
    """Return the text, or its parts if it has long words.

    A long word is the list of its pieces: a line may end after each. A word is long from `longest` characters on. Scripts
    that are written without spaces do not count: their lines end between any two syllables or words already.
    """
    parts: list[str | list[str]] = []
    end = 0
    for word in re.finditer(rf"[^\s{_WITHOUT_SPACES}]{{{longest},}}", text):
        parts += [text[end : word.start()], _pieces(word[0])]
        end = word.end()
    return [*parts, text[end:]] if parts else text


def _pieces(word: str) -> str | list[str]:
    """Return the pieces of a word: each of its characters.

    A word that runs from right to left stays one text, with places where a line may end, as its order would be lost.
    """
    clusters = list(_clusters(word))
    if not any(unicodedata.bidirectional(character) in {"R", "AL"} for character in word):
        return clusters
    parts = ("".join(clusters[start : start + _RIGHT_TO_LEFT]) for start in range(0, len(clusters), _RIGHT_TO_LEFT))
    return _BREAK.join(parts)


def _order(face: Any, folders: tuple[Path, ...]) -> tuple[int, int, str, str, int]:
    """Return the sort key of a face.

    The order depends on nothing but the files: shipped files come first, then by family or file.
    """
    path = Path(face.path)
    folder = next(place for place, folder in enumerate(folders) if path.is_relative_to(folder))
    if folder > 0:
        return (folder, 0, str(path), "", face.index)
    rank = _FIRST.index(face.family) if face.family in _FIRST else len(_FIRST)
    return (folder, rank, face.family, path.name, face.index)


def _digest(faces: Iterable[Any]) -> str:
    """Return a short hash of the font files' names and sizes, in their order."""
    files = dict.fromkeys(Path(face.path) for face in faces)
    names = "\n".join(f"{path.name} {path.stat().st_size}" for path in files)
    return hashlib.sha256(names.encode()).hexdigest()[:16]


class _Bitmap:
    """A set of characters, small enough for families of 45,000 characters each."""

    def __init__(self, points: int) -> None:
        self._bytes = points.to_bytes(_BITMAP_BYTES, "little")

    def has(self, character: str) -> bool:
        point = ord(character)
        return bool(self._bytes[point >> 3] >> (point & 7) & 1)


def _code_points(face: Any) -> bytearray:
    """Return a bitmap of the code points that a face has a glyph for.

    PDF/A refuses private-use characters, even those that a font has.
    """
    bitmap = bytearray(_BITMAP_BYTES)
    for point in _mapped(face):
        bitmap[point >> 3] |= 1 << (point & 7)
    for first, end in _PRIVATE_USE:
        bitmap[first >> 3 : end >> 3] = bytes((end - first) >> 3)
    return bitmap


def _mapped(face: Any) -> Iterable[int]:
    try:
        with TTFont(face.path, fontNumber=face.index, lazy=True) as font:
            ranges = _ranges(font.reader["cmap"])
            if ranges is not None:
                return [point for first, last, glyph in ranges for point in range(first + (glyph == 0), last + 1)]
            return [point for point, glyph in (font.getBestCmap() or {}).items() if glyph != ".notdef"]
    except Exception as error:  # noqa: BLE001 - a broken font file must not stop all documents; its errors are of any kind
        _log.warning("fonts.unreadable", file=face.path, reason=str(error))
        return []


def _ranges(cmap: bytes) -> Iterable[tuple[int, int, int]] | None:
    """Return the ranges of code points in a font's table, or None if it has none.

    A range is its first code point, its last one and its first glyph. fontTools makes a name for each
    glyph, which takes seconds for the 20 faces of a Chinese font.
    """
    (tables,) = struct.unpack_from(">H", cmap, 2)
    offsets = {
        (platform, encoding): at for platform, encoding, at in struct.iter_unpack(">HHL", cmap[4 : 4 + 8 * tables])
    }
    offset = offsets.get((3, 10))
    if offset is None or struct.unpack_from(">H", cmap, offset) != (_FORMAT_OF_RANGES,):
        return None
    (count,) = struct.unpack_from(">L", cmap, offset + 12)
    return struct.iter_unpack(">LLL", cmap[offset + 16 : offset + 16 + 12 * count])


def _clusters(text: str) -> Iterator[str]:
    """Yield the clusters of a text: characters with their marks and joined parts.

    Joined emoji, the pair of a flag and Hangul jamo are each one cluster.
    """
    cluster = ""
    for character in text:
        plain = " " if character.isspace() and unicodedata.category(character) in {"Cc", "Zl", "Zp"} else character
        if cluster and _continues(cluster, plain):
            cluster += plain
            continue
        if cluster:
            yield cluster
        cluster = plain
    if cluster:
        yield cluster


def _continues(cluster: str, character: str) -> bool:
    if unicodedata.category(character)[0] == "M" or character in _JOINING or character == _JOINER:
        return True
    last = cluster[-1]
    if last == _JOINER:
        return unicodedata.category(character) == "So"
    if _is_flag_letter(character):
        return _is_flag_letter(last) and len(cluster) == 1
    return _is_jamo(last) and _is_jamo(character)


def _is_flag_letter(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _is_jamo(character: str) -> bool:
    return "\u1100" <= character <= "\u11ff" or "\ua960" <= character <= "\ua97f" or "\ud7b0" <= character <= "\ud7ff"
