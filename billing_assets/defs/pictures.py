"""Small pictures for the pages of assets: an SVG inside of markdown, which the UI shows as it shows a PNG.

Written by hand: it needs no library and no fonts of its own, and stays sharp. Pictures live in the event log, so they
stay within a few kilobytes.
"""

import base64
import re
from collections.abc import Iterable, Sequence
from html import escape

import dagster as dg

_ROW_HEIGHT, _MARGIN, _CHARACTER = 18, 8, 7
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def svg(width: int, height: int, content: Iterable[str]) -> str:
    """An SVG on white, of elements already written."""
    return "".join(
        [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
                f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11" fill="#222">'
            ),
            f'<rect width="{width}" height="{height}" fill="#fff"/>',
            *content,
            "</svg>",
        ]
    )


def picture(drawn: str, *, of: str) -> dg.MetadataValue:
    """An SVG as metadata that the UI shows."""
    encoded = base64.b64encode(drawn.encode()).decode()
    return dg.MetadataValue.md(f"![{of}](data:image/svg+xml;base64,{encoded})")


def xml(text: str) -> str:
    """A text as XML can hold it."""
    return escape(_NOT_XML.sub("\ufffd", text), quote=False)


def labelled_grid(headings: Sequence[str], rows: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> str:
    """An SVG of coloured cells in columns under their headings, each row with its label in front.

    Args:
        headings: A column each.
        rows: Label, and for each column a short text and the cell's colour, such as `#97d0a5`.
    """
    texts = [*headings, *(text for _, cells in rows for text, _ in cells)]
    column = _width(texts)
    left = _width([label for label, _ in rows])
    drawn = ['<g text-anchor="middle">']
    drawn += [_text(left + at * column + column // 2, 0, heading, bold=True) for at, heading in enumerate(headings)]
    for row, (label, cells) in enumerate(rows, 1):
        drawn.append(_text(left // 2, row, label, bold=True))
        for at, (text, colour) in enumerate(cells):
            x = left + at * column
            # A white line parts the cells.
            size = f'width="{column - 1}" height="{_ROW_HEIGHT - 1}"'
            drawn.append(f'<rect x="{x}" y="{row * _ROW_HEIGHT}" {size} fill="{colour}"/>')
            drawn.append(_text(x + column // 2, row, text))
    return svg(left + column * len(headings), _ROW_HEIGHT * (len(rows) + 1), [*drawn, "</g>"])


def _width(texts: Iterable[str]) -> int:
    return max(map(len, texts), default=0) * _CHARACTER + 2 * _MARGIN


def _text(x: int, row: int, text: str, *, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x}" y="{row * _ROW_HEIGHT + 13}"{weight}>{xml(text)}</text>'
