"""The completion grid as a small picture: properties by month, the colour is the share of accounts with a bill."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import dagster as dg

from billing_assets.defs.pictures import picture, svg, xml
from billing_assets.domain.completion import Share
from billing_assets.domain.completion_grid import CompletionGrid, PropertyMonths
from billing_assets.domain.periods import Month

MOST_PROPERTIES = 40
MOST_MONTHS = 24
MOST_BYTES = 30_000
"""The picture lives in the event log; without its figures it is always smaller than this."""

_CELL_WIDTH, _CELL_HEIGHT, _GAP = 42, 17, 1
_LEFT, _TOP = 190, 58
_LEGEND_HEIGHT = 40
_LABEL_CHARACTERS = 24
# From few to all: told apart by eyes that don't tell red from green, and on paper.
_COLOURS = (
    *("#662506", "#7f2704", "#993404", "#b84203", "#cc4c02"),
    *("#ec7014", "#fe9929", "#fec44f", "#fee391", "#fff3b2"),
)
_ALL = "#8fcbc3"
_WHITE_ON_BELOW = 50
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def heat_map(grid: CompletionGrid) -> dg.MetadataValue:
    """The picture, as the UI shows it; properties with the most missing bills if there are more than fit."""
    if not grid.periods or not grid.accounts:
        return dg.MetadataValue.md("nothing is expected yet, or no period has been resolved")
    return picture(heat_map_svg(grid), of="properties by month")


def heat_map_svg(grid: CompletionGrid) -> str:
    """The picture itself, at most `MOST_BYTES` long."""
    rows = shown_properties(grid.by_property)
    months = grid.periods[-MOST_MONTHS:]
    drawn = _svg(rows, months, of=len(grid.by_property), figures=True)
    return drawn if len(drawn.encode()) <= MOST_BYTES else _svg(rows, months, of=len(grid.by_property), figures=False)


def shown_properties(properties: Sequence[PropertyMonths]) -> list[PropertyMonths]:
    """Those that fit: the ones with the most missing bills, by name."""
    worst = sorted(properties, key=lambda months: -months.missing)[:MOST_PROPERTIES]
    return sorted(worst, key=lambda months: (_label_of(months), months.property_id))


def _svg(rows: Sequence[PropertyMonths], months: Sequence[str], *, of: int, figures: bool) -> str:
    width = _LEFT + len(months) * _CELL_WIDTH + 12
    height = _TOP + len(rows) * _CELL_HEIGHT + _LEGEND_HEIGHT
    return svg(
        width,
        height,
        [
            f'<text x="8" y="15" font-size="12" font-weight="bold">{_title(len(rows), of)}</text>',
            *_labels(rows, months),
            *_cells(rows, len(months)),
            *(_figures(rows, len(months)) if figures else ()),
            *_legend(height - _LEGEND_HEIGHT + 10),
        ],
    )


def _title(shown: int, of: int) -> str:
    which = f"{of} properties" if shown == of else f"the {shown} properties of {of} with the most missing bills"
    return f"Accounts with a bill, % of the expected: {which} by month"


def _labels(rows: Sequence[PropertyMonths], months: Sequence[str]) -> Iterator[str]:
    yield '<g text-anchor="middle">'
    for column, period in enumerate(months):
        month = Month.from_key(period)
        # A year stands once, over its first month: so that labels stay large and do not touch.
        if column == 0 or month.month == 1:
            yield f'<text x="{_centre(column)}" y="{_TOP - 21}" font-weight="bold">{month.year}</text>'
        yield f'<text x="{_centre(column)}" y="{_TOP - 6}">{_MONTHS[month.month - 1]}</text>'
    yield '</g><g text-anchor="end">'
    for row, months_of in enumerate(rows):
        yield f'<text x="{_LEFT - 6}" y="{_baseline(row)}">{xml(_label_of(months_of))}</text>'
    yield "</g>"


def _cells(rows: Sequence[PropertyMonths], months: int) -> Iterator[str]:
    """One path for each colour: a rectangle for each cell would be four times as long."""
    paths: dict[str, list[str]] = defaultdict(list)
    right, down = _CELL_WIDTH - _GAP, _CELL_HEIGHT - _GAP
    for row, column, share in _shares(rows, months):
        at = f"M{_LEFT + column * _CELL_WIDTH} {_TOP + row * _CELL_HEIGHT}"
        paths[_colour_of(share)].append(f"{at}h{right}v{down}h-{right}z")
    for colour in sorted(paths):
        yield f'<path fill="{colour}" d="{"".join(paths[colour])}"/>'


def _figures(rows: Sequence[PropertyMonths], months: int) -> Iterator[str]:
    yield '<g text-anchor="middle" font-size="9">'
    for row, column, share in _shares(rows, months):
        if share.missing:
            white = ' fill="#fff"' if share.percent < _WHITE_ON_BELOW else ""
            yield f'<text x="{_centre(column)}" y="{_baseline(row)}"{white}>{int(share.percent)}</text>'
    yield "</g>"


def _legend(top: int) -> Iterator[str]:
    step = 34
    for place, colour in enumerate((*_COLOURS, _ALL)):
        x = _LEFT + place * step
        yield f'<rect x="{x}" y="{top}" width="{step - 1}" height="9" fill="{colour}"/>'
        yield f'<text x="{x}" y="{top + 20}" font-size="9">{place * 10}{" %" if place == len(_COLOURS) else ""}</text>'


def _shares(rows: Sequence[PropertyMonths], months: int) -> Iterable[tuple[int, int, Share]]:
    for row, months_of in enumerate(rows):
        for column, share in enumerate(months_of.shares[-months:]):
            yield row, column, share


def _colour_of(share: Share) -> str:
    return _COLOURS[min(int(share.percent) // 10, len(_COLOURS) - 1)] if share.missing else _ALL


def _centre(column: int) -> int:
    return _LEFT + column * _CELL_WIDTH + (_CELL_WIDTH - _GAP) // 2


def _baseline(row: int) -> int:
    return _TOP + row * _CELL_HEIGHT + 12


def _label_of(months_of: PropertyMonths) -> str:
    label = (months_of.property_name or months_of.property_id) if months_of.property_id else "(no property)"
    return label if len(label) <= _LABEL_CHARACTERS else f"{label[: _LABEL_CHARACTERS - 1]}…"
