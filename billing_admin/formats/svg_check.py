"""The check of an SVG: static vector graphics without references to other files.

The check lists what is allowed: shapes, gradients, clips and patterns. All else is refused with its reason. The file is
read as UTF-8 by expat, which resolves no entity here, as a document type is refused before its first one.
"""

import re
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from billing_admin.domain.errors import Invalid

SVG_NAMESPACE: Final = "http://www.w3.org/2000/svg"
_XLINK: Final = "http://www.w3.org/1999/xlink"
_XML: Final = "http://www.w3.org/XML/1998/namespace"
# Notes of drawing programs, which no program draws.
_NOTE_NAMESPACES: Final = frozenset(
    {
        "http://creativecommons.org/ns#",
        "http://purl.org/dc/elements/1.1/",
        "http://sodipodi.sourceforge.net/DTD/sodipodi-0.dtd",
        "http://www.inkscape.org/namespaces/inkscape",
        "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    }
)
_ELEMENTS: Final = frozenset(
    {
        "circle",
        "clipPath",
        "defs",
        "desc",
        "ellipse",
        "g",
        "line",
        "linearGradient",
        "mask",
        "metadata",
        "path",
        "pattern",
        "polygon",
        "polyline",
        "radialGradient",
        "rect",
        "stop",
        "style",
        "svg",
        "symbol",
        "title",
        "use",
    }
)
_GRADIENTS: Final = frozenset({"linearGradient", "radialGradient"})
# Why an element is refused, and the way to do without it.
_REASONS: Final = {
    "script": "Scripts are not allowed: remove the element <script>.",
    "a": "Links are not allowed: remove the element <a>.",
    "foreignObject": "Embedded documents are not allowed: remove the element <foreignObject>.",
    "image": "Embedded pictures are not allowed: remove the element <image>, or save the logo as PNG.",
    "filter": "Effects such as shadows and blur cannot be printed: remove the element <filter>, or save the logo as PNG.",
    "text": "Texts need fonts that may be missing: convert the texts to paths, then save the file again.",
}
# Functions of CSS that load nothing.
_FUNCTIONS: Final = frozenset(
    {"url", "rgb", "rgba", "hsl", "hsla", "matrix", "translate", "translatex", "translatey"}
    | {"scale", "scalex", "scaley", "rotate", "skewx", "skewy"}
)
# The file is untrusted and can have 512 KB: the expressions match in linear time, without backtracking.
_FUNCTION = re.compile(r"(?<![\w-])([\w-]++)\s*+\(")
_URL = re.compile(r"url\s*+\(", re.IGNORECASE)
_LOCAL_URL = re.compile(r"""url\(\s*+(["']?)#([^"'()\s\\]++)\1\s*+\)""", re.IGNORECASE)
# Attributes without a value of CSS.
_NAMES = re.compile(r"id|class|d|points|version|baseProfile|role|data-.*|aria-.*")
_DECIMAL: Final = r"(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"
_LENGTH = re.compile(rf"\s*({_DECIMAL}(?:e[0-9]+)?)\s*(px|pt|pc|mm|cm|in)?\s*", re.ASCII | re.IGNORECASE)
_NUMBER = re.compile(rf"-?{_DECIMAL}(?:e-?[0-9]+)?", re.ASCII | re.IGNORECASE)
_PIXELS: Final = {"": 1.0, "px": 1.0, "pt": 96 / 72, "pc": 16.0, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96.0}
MAX_DEPTH = 60  # of elements in each other, references included
MAX_DRAWN = 50_000  # elements, where a reference counts as all that it draws
# The work of typst, which reads the attributes of each element that it draws, and a style in quadratic time.
MAX_DRAWN_CHARACTERS = 2_000_000  # of attributes, where a reference counts as all that it draws, except for gradients
MAX_STYLE = 4_000  # characters of an attribute `style`
MAX_SHEET = 50_000  # characters of all style sheets
MAX_SHEET_WORK = 100_000_000  # characters of all style sheets × elements drawn
_MAX_NUMBER_LENGTH = 40  # characters of a width or height, and of each of the four numbers of a view box
_MAX_STATED = 1_000_000.0  # pixels; larger sizes count as this one
_MAX_UNITS = 2000.0  # of a picture that has a view box only; it is drawn in any size


@dataclass(slots=True)
class _Element:
    name: str
    characters: int  # of its attributes
    children: list["_Element"] = field(default_factory=list)
    references: list[str] = field(default_factory=list)


def check_svg(data: bytes) -> tuple[int, int]:
    """Return the size of an SVG in pixels.

    Raises:
        Invalid: The file is no SVG, or has a part that is not allowed; the message names it and its line.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refused("not_utf8", "The SVG is not encoded as UTF-8. Save it again as UTF-8.") from error
    reader = _Reader()
    try:
        reader.parser.Parse(text.encode(), True)
    except expat.ExpatError as error:
        message = f"The SVG is not well-formed in line {error.lineno:,}. Save it again in a drawing program."
        raise _refused("damaged", message) from error
    return reader.finish()


class _Reader:
    """The handlers of the parser, which refuse anything that is not allowed."""

    def __init__(self) -> None:
        self.parser = expat.ParserCreate("utf-8", " ")  # names are `namespace name`
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.StartDoctypeDeclHandler = self._refuse_doctype
        self.parser.ProcessingInstructionHandler = self._refuse_instruction
        self.parser.XmlDeclHandler = self._check_encoding
        self.open: list[_Element | None] = []  # None for a note of a drawing program
        self.root: _Element | None = None
        self.by_id: dict[str, _Element] = {}
        self.elements = 0
        self.style: list[str] = []
        self.style_references: list[str] = []
        self.sheet_characters = 0
        self.size = (0, 0)

    def _start(self, qualified: str, attributes: dict[str, str]) -> None:
        if len(self.open) >= MAX_DEPTH:
            raise self._refused("too_complex", "Elements are nested too deeply: simplify the drawing.")
        self.elements += 1
        namespace, _, name = qualified.rpartition(" ")
        if namespace in _NOTE_NAMESPACES and self.open:
            self.open.append(None)
            return
        if namespace != SVG_NAMESPACE or name not in _ELEMENTS or (not self.open and name != "svg"):
            raise self._refused("not_allowed", self._reason(namespace, name))
        element = _Element(name, sum(map(len, attributes.values())))
        for attribute, value in attributes.items():
            self._check_attribute(element, attribute, value)
        parent = self.open[-1] if self.open else None
        if parent is not None:
            parent.children.append(element)
        elif self.open:
            raise self._refused(
                "not_allowed", f"The element <{name}> is inside <metadata> or a similar element: move it out."
            )
        else:
            self.root, self.size = element, self._read_size(attributes)
        self.open.append(element)

    def _reason(self, namespace: str, name: str) -> str:
        if not self.open and name == "svg" and not namespace:
            return f'The element <svg> has no namespace: add xmlns="{SVG_NAMESPACE}".'
        if not self.open:
            return "The file is not an SVG: its first element must be <svg>."
        if name.startswith("fe"):
            return _REASONS["filter"]
        if name.startswith("animate") or name == "set":
            return f"Animations are not allowed: remove the element <{name}>."
        return _REASONS.get(name, f"The element <{name[:40]}> is not allowed: remove it.")

    def _end(self, _name: str) -> None:
        element = self.open.pop()
        if element is not None and element.name == "style":
            sheet = "".join(self.style)
            self.sheet_characters += len(sheet)
            if self.sheet_characters > MAX_SHEET:
                raise _sheet_too_long()
            self.style_references += self._check_css(sheet)
            self.style.clear()

    def _characters(self, text: str) -> None:
        element = self.open[-1] if self.open else None
        if element is not None and element.name == "style":
            self.style.append(text)

    def _refuse_doctype(self, *_declaration: object) -> None:
        raise self._refused("not_allowed", "Document types and entities are not allowed: remove <!DOCTYPE …>.")

    def _refuse_instruction(self, target: str, _data: str) -> None:
        raise self._refused("not_allowed", f"Processing instructions are not allowed: remove <?{target[:40]} …?>.")

    def _check_encoding(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() not in {"utf-8", "utf8"}:
            raise self._refused("not_utf8", f"The SVG states the encoding {encoding[:40]}. Save it again as UTF-8.")

    def _check_attribute(self, element: _Element, qualified: str, value: str) -> None:
        namespace, _, name = qualified.rpartition(" ")
        if name.lower().startswith("on"):
            raise self._refused("not_allowed", f"Scripts are not allowed: remove the attribute {name[:40]}.")
        if (namespace, name) == (_XML, "base"):
            raise self._refused("not_allowed", "References to other files are not allowed: remove xml:base.")
        if name == "href" and namespace in {"", _XLINK}:
            element.references.append(self._read_reference(value))
        elif not namespace and name == "id":
            if value in self.by_id:  # programs differ in which one they take
                raise self._refused("not_allowed", f"Two elements have the id “{value[:40]}”: rename one of them.")
            self.by_id[value] = element
        elif not namespace and name == "style" and len(value) > MAX_STYLE:
            message = f"A style has more than {MAX_STYLE:,} characters: use presentation attributes instead."
            raise self._refused("too_complex", message)
        elif not namespace and not _NAMES.fullmatch(name):
            element.references += self._check_css(value)

    def _read_reference(self, value: str) -> str:
        """Return the id that an address refers to."""
        if not re.fullmatch(r"#[^\s\"'()\\]+", value):
            raise self._refused(
                "not_allowed", f"References to other files are not allowed: remove href=“{value[:60]}”."
            )
        return value[1:]

    def _check_css(self, css: str) -> list[str]:
        """Return the ids that values of CSS refer to."""
        if "\\" in css or "@" in css:
            sign = "\\" if "\\" in css else "@"
            raise self._refused("not_allowed", f"Imports, fonts and escapes in CSS are not allowed: remove “{sign}”.")
        unknown = [name for name in _FUNCTION.findall(css) if name.lower() not in _FUNCTIONS]
        if unknown:
            raise self._refused("not_allowed", f"The function {unknown[0][:40]}() of CSS is not allowed: remove it.")
        references = [match[2] for match in _LOCAL_URL.finditer(css)]
        if len(references) != len(_URL.findall(css)):
            message = "References to other files are not allowed: use url(#…) with a part of the drawing."
            raise self._refused("not_allowed", message)
        return references

    def _read_size(self, attributes: dict[str, str]) -> tuple[int, int]:
        """Return the size in pixels: width and height, or else the view box."""
        view_box = attributes.get("viewBox", "")
        readable = len(view_box) <= 4 * _MAX_NUMBER_LENGTH
        box = [float(part) for part in _NUMBER.findall(view_box)] if readable else []
        sides = [self._read_length(attributes.get(name, "")) for name in ("width", "height")]
        if None in sides and len(box) == 4 and min(box[2:]) > 0:
            scale = min(1.0, _MAX_UNITS / max(box[2:]))
            sides = [side * scale for side in box[2:]]
        width, height = sides
        if not width or not height or not 0.01 <= width / height <= 100:
            message = "The SVG has no usable size: set width and height in pixels, or a viewBox."
            raise self._refused("no_size", message)
        return max(1, round(width)), max(1, round(height))

    def _read_length(self, text: str) -> float | None:
        match = _LENGTH.fullmatch(text) if len(text) <= _MAX_NUMBER_LENGTH else None
        if match is None:
            return None
        return min(float(match[1]) * _PIXELS[(match[2] or "").lower()], _MAX_STATED)

    def finish(self) -> tuple[int, int]:
        """Return the size, after the check of what the references draw."""
        assert self.root is not None  # noqa: S101 - a well-formed file has a root
        for reference in self.style_references:
            target = self.by_id.get(reference)
            if target is not None and target.name not in _GRADIENTS:
                message = (
                    f"The style sheet refers to #{reference[:40]}, which is not a gradient: save the file with"
                    " presentation attributes instead of a style sheet."
                )
                raise _refused("not_allowed", message)
        drawn, _, _ = self._count(self.root, {}, 0)
        if drawn * self.sheet_characters > MAX_SHEET_WORK:
            raise _sheet_too_long()
        if drawn + self.elements > MAX_DRAWN:
            raise _too_complex()
        return self.size

    def _count(self, element: _Element, counted: dict[int, tuple[int, int, int]], depth: int) -> tuple[int, int, int]:
        """Return the number, the depth and the characters of what is drawn.

        This is an element with all in it; a reference counts as its target. The characters are those of attributes.
        """
        if depth > MAX_DEPTH:
            raise _too_complex()
        if id(element) not in counted:
            targets = [self.by_id[reference] for reference in element.references if reference in self.by_id]
            parts = [self._count(part, counted, depth + 1) for part in (*element.children, *targets)]
            drawn, deepest = 1 + sum(part[0] for part in parts), 1 + max((part[1] for part in parts), default=0)
            # A gradient is read once for all that refer to it.
            copied = [*element.children, *(target for target in targets if target.name not in _GRADIENTS)]
            characters = element.characters + sum(counted[id(part)][2] for part in copied)
            if drawn > MAX_DRAWN or deepest > MAX_DEPTH or characters > MAX_DRAWN_CHARACTERS:
                raise _too_complex()
            counted[id(element)] = drawn, deepest, characters
        return counted[id(element)]

    def _refused(self, code: str, message: str) -> Invalid:
        return _refused(code, f"{message} (Line {self.parser.CurrentLineNumber:,} of the SVG.)")


def _sheet_too_long() -> Invalid:
    message = "The style sheet is too long: save the file with presentation attributes instead of a style sheet."
    return _refused("too_complex", message)


def _too_complex() -> Invalid:
    message = "The drawing refers to itself or repeats too many parts: simplify it, or save the logo as PNG."
    return _refused("too_complex", message)


def _refused(code: str, message: str) -> Invalid:
    return Invalid(code, message, "file")
