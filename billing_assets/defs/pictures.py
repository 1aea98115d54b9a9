"""Small pictures for the pages of assets: coloured cells with short labels, as a PNG inside of markdown.

Written by hand, since a plotting library would cost every process its import. Pictures live in the event log, so they
are indexed and stay within a few kilobytes.
"""

import base64
import struct
import zlib
from collections.abc import Sequence

import dagster as dg

Colour = tuple[int, int, int]

WHITE, INK = (255, 255, 255), (45, 45, 45)
_SCALE = 2
_GLYPH_WIDTH, _GLYPH_HEIGHT = 3, 5
_ADVANCE = (_GLYPH_WIDTH + 1) * _SCALE
_CELL_HEIGHT, _MARGIN = 20, 6
_CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-%.?/+"
# Five rows of three dots for each, a row an octal digit.
_DOTS = (
    "7555726227717477171755711747177475771111757577571725755656563444365556746477464434553557557222711152"
    "5565544447577556555525552656442553165655342167222255557555525577555255552227124700700512450000271202"
    "1124402720"
)
_FONT = {character: _DOTS[5 * at : 5 * at + 5] for at, character in enumerate(_CHARACTERS)}


def labelled_grid(headings: Sequence[str], rows: Sequence[tuple[str, Sequence[tuple[str, Colour]]]]) -> bytes:
    """A PNG of cells in columns under their headings, each row with its label in front.

    Args:
        headings: A column each. Letters are drawn as capitals; what the font lacks is left out.
        rows: Label, and for each column a short text and the cell's colour.
    """
    texts = [*headings, *(text for _, cells in rows for text, _ in cells)]
    width = _width(max(texts, key=len, default="")) + 2 * _MARGIN
    left = _width(max((label for label, _ in rows), key=len, default="")) + 2 * _MARGIN
    palette = [WHITE, INK, *sorted({colour for _, cells in rows for _, colour in cells} - {WHITE, INK})]
    canvas = [bytearray(left + width * len(headings)) for _ in range(_CELL_HEIGHT * (len(rows) + 1))]
    for column, heading in enumerate(headings):
        _write(canvas, left + column * width, 0, heading)
    for number, (label, cells) in enumerate(rows, 1):
        top = number * _CELL_HEIGHT
        _write(canvas, 0, top, label)
        for column, (text, colour) in enumerate(cells):
            at = left + column * width
            # A white line parts the cells.
            for row in canvas[top : top + _CELL_HEIGHT - 1]:
                row[at : at + width - 1] = bytes([palette.index(colour)]) * (width - 1)
            _write(canvas, at, top, text)
    return _png(canvas, palette)


def picture(png: bytes, *, of: str) -> dg.MetadataValue:
    """A PNG as metadata that the UI shows."""
    return dg.MetadataValue.md(f"![{of}](data:image/png;base64,{base64.b64encode(png).decode()})")


def _width(text: str) -> int:
    return len(text) * _ADVANCE


def _write(canvas: list[bytearray], left: int, top: int, text: str) -> None:
    top += (_CELL_HEIGHT - _GLYPH_HEIGHT * _SCALE) // 2
    for place, character in enumerate(text.upper()):
        for y, octal in enumerate(_FONT.get(character, "00000")):
            for x in range(_GLYPH_WIDTH):
                if int(octal) & (4 >> x):
                    at = left + _MARGIN + place * _ADVANCE + x * _SCALE
                    for row in canvas[top + y * _SCALE : top + (y + 1) * _SCALE]:
                        row[at : at + _SCALE] = b"\1" * _SCALE


def _png(canvas: list[bytearray], palette: Sequence[Colour]) -> bytes:
    width, height = len(canvas[0]), len(canvas)
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + bytes(row) for row in canvas), 9)
    chunks = (b"IHDR", header), (b"PLTE", bytes(sum(palette, ()))), (b"IDAT", pixels), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in chunks)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
