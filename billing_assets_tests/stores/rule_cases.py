"""The rules of SPEC.md sections 1.1, 1.2, 3, 4 and 5 one by one: what the app stores, and the rows that it becomes.

A case says which rule it holds; its hashes are SPEC.md's own expression. `test_every_rule` plants them all.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from billing_assets_tests.unit.making import a_line, jsonl, v1, v2

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "Bill_Parser_4_Enriched_Outputs/yyyy=2025/mm=10/"
OLDER, OWN, NEWER, NEWEST = (f"bill_2025102{day}T101010Z.jsonl" for day in range(4))
LINE, OTHER = a_line({"id": 1}), a_line({"id": 2})
POSTED = a_line({"id": 1, "Status": "Posted"})
THERE = {OWN: jsonl(LINE)}
BOM = b"\xef\xbb\xbf"
Row = tuple[str, str, str | None, tuple[str, int] | None]
"""Status, reason, dollars billed, and where the line was found."""


def s(text: str) -> dict[str, str]:
    """A text of DynamoDB."""
    return {"S": text}


def n(text: object) -> dict[str, str]:
    """A number of DynamoDB."""
    return {"N": str(text)}


@dataclass(frozen=True)
class Case:
    """A rule, the objects of a folder of their own, and records of one period with the rows that they become."""

    rule: str
    rows: tuple[tuple[dict[str, Any], Row], ...]
    objects: Mapping[str, bytes] = field(default_factory=lambda: THERE)


def billed(usd: str = "10.00", key: str = OWN, position: int = 0) -> Row:
    """A billable row."""
    return "billable", "", usd, (key, position)


def one(rule: str, record: dict[str, Any], row: Row, objects: Mapping[str, bytes] = THERE) -> Case:
    """A case of one record."""
    return Case(rule, ((record, row),), objects)


def of_line(rule: str, fields: Mapping[str, Any], row: Row, **record: Any) -> Case:
    """A case of one line, which its record names."""
    line = a_line(fields)
    return one(rule, {"line_hash": s(v2(line)), **record}, row, {OWN: jsonl(line)})


def invalid(reason: str, usd: str | None = "10.00") -> Row:
    """A row of an unusable record."""
    return "invalid", reason, usd, None


def unresolved(reason: str) -> Row:
    """A row without a line."""
    return "unresolved", reason, "10.00", None


NO_MONTHS: tuple[dict[str, Any], ...] = (
    *(n(0), n(-1), n("1.5"), s("two"), s("1.5")),
    *({"BOOL": True}, {"L": []}),
)
NO_MONEY: tuple[dict[str, Any], ...] = (
    *(s("ten"), s("1e3"), s("NaN"), s("+5")),
    *({"BOOL": True}, {"L": [n(1)]}, {"M": {"usd": n(1)}}),
)
STATUSES = (
    one("a record whose line stands there is billable", {}, billed()),
    *(
        one(f"line_hash {value} is missing", {"line_hash": value}, invalid("missing_field:line_hash"))
        for value in (None, s(" "))
    ),
    *(
        one(f"s3_key {value} is missing", {"s3_key": value}, invalid("missing_field:s3_key"))
        for value in (None, s(""), s(" "))
    ),
    *(one(f"months {value} is bad", {"months": value}, invalid("bad_months")) for value in NO_MONTHS),
    *(one(f"amount {value} is bad", {"amount": value}, invalid("bad_amount", None)) for value in NO_MONEY),
    one(
        "the hash is missing before months are bad",
        {"line_hash": None, "months": n(0)},
        invalid("missing_field:line_hash"),
    ),
    one("months are bad before the amount is", {"months": n(0), "amount": s("x")}, invalid("bad_months", None)),
    one("an object is gone", {}, unresolved("object_missing"), {}),
    one("an object is not UTF-8", {}, unresolved("object_unreadable"), {OWN: jsonl(LINE) + b"\xff"}),
    one(
        "an object is no gzip", {"s3_key": s(f"{OWN}.gz")}, unresolved("object_unreadable"), {f"{OWN}.gz": jsonl(LINE)}
    ),
    one("an object holds no such line", {}, unresolved("line_not_found"), {OWN: jsonl(OTHER)}),
    of_line(
        "excluded by one spelling",
        {"Is Excluded From UBI": "yes", "Exclusion Reason": "vacant"},
        ("excluded", "vacant", "10.00", (OWN, 0)),
    ),
    of_line(
        "excluded by the other",
        {"Is Excluded From UBI": "no", "is_excluded_from_ubi": 1},
        ("excluded", "", "10.00", (OWN, 0)),
    ),
    of_line(
        "excluded before unbillable",
        {"is_excluded_from_ubi": True, "EnrichedPropertyID": ""},
        ("excluded", "", "10.00", (OWN, 0)),
    ),
    of_line(
        "no property",
        {"EnrichedPropertyID": "n/a", "Charge Code": ""},
        ("unbillable", "missing_property_id", "10.00", (OWN, 0)),
    ),
    of_line(
        "no charge code",
        {"Charge Code": "N/A", "Line Item Charge": ""},
        ("unbillable", "missing_charge_code", "10.00", (OWN, 0)),
    ),
    *(
        of_line(
            f"the charge {text!r} is no money",
            {"Line Item Charge": text},
            ("unbillable", "bad_amount", None, (OWN, 0)),
            amount=None,
        )
        for text in ("", "ten", "1,23.45", None, ["1.00"])
    ),
)
RELOCATED = (
    one("a newer timestamp is looked through", {}, billed(key=NEWER, position=1), {NEWER: jsonl(OTHER, LINE)}),
    one("the newest comes first", {}, billed(key=NEWEST), {NEWER: jsonl(LINE), NEWEST: jsonl(LINE)}),
    one("an unreadable sibling is passed over", {}, billed(key=NEWER), {NEWER: jsonl(LINE), NEWEST: b"\xff"}),
    one("an unreadable object's line may be newer", {}, billed(key=NEWER), {OWN: b"\xff", NEWER: jsonl(LINE)}),
    one("a line that left its object may be newer", {}, billed(key=NEWER), {OWN: jsonl(OTHER), NEWER: jsonl(LINE)}),
    one("the record's own key comes first", {}, billed(), {OWN: jsonl(LINE), NEWER: jsonl(OTHER, LINE)}),
    one("the same timestamp, packed, is newer", {}, billed(key=f"{OWN}.gz"), {f"{OWN}.gz": gzip.compress(jsonl(LINE))}),
    one("an older timestamp is not", {}, unresolved("object_missing"), {OLDER: jsonl(LINE)}),
    one("another base is no sibling", {}, unresolved("object_missing"), {f"other_{NEWER}": jsonl(LINE)}),
    one("the reason is that of the own key", {}, unresolved("object_unreadable"), {OWN: b"\xff", NEWER: jsonl(OTHER)}),
    one(
        "a key without a timestamp has no sibling",
        {"s3_key": s("bill.jsonl")},
        unresolved("object_missing"),
        {NEWER: jsonl(LINE)},
    ),
)
OBJECTS = (
    one("CRLF", {}, billed(position=1), {OWN: jsonl(OTHER, LINE, newline=b"\r\n")}),
    one("a BOM", {}, billed(), {OWN: BOM + jsonl(LINE)}),
    one(
        "blank lines have no position", {"line_index": n(1)}, billed(position=1), {OWN: jsonl(LINE, b"", b" \t", LINE)}
    ),
    one("broken lines keep theirs", {"line_index": n(3)}, billed(position=3), {OWN: jsonl(LINE, b"{", b"[1]", LINE)}),
    one("no line feed at the end", {}, billed(), {OWN: jsonl(LINE).rstrip()}),
    one(
        "packed, with a BOM and CRLF",
        {"s3_key": s(f"{OWN}.gz")},
        billed(key=f"{OWN}.gz"),
        {f"{OWN}.gz": gzip.compress(BOM + jsonl(LINE, newline=b"\r\n"))},
    ),
    of_line("U+2028 and U+0085 end no line", {"Line Item Description": "a\u2028b\x85c"}, billed()),
    one(
        "raw UTF-8 and escapes are the same line",
        {"line_hash": s(v2(a_line({"id": "é😀"})))},
        billed(),
        {OWN: json.dumps(a_line({"id": "é😀"}), ensure_ascii=False).encode()},
    ),
    *(
        one(f"the hint {hint} is not trusted", {"line_index": hint}, billed(position=1), {OWN: jsonl(OTHER, LINE)})
        for hint in (None, n(0), n(7), n(-1), s("x"))
    ),
)
LINE_TWICE = {OWN: jsonl(LINE, OTHER, LINE)}
LATE, EARLY = {"assigned_date": s("2025-02-01")}, {"assigned_date": s("2025-01-31T23:59:59Z")}
DUPLICATE: Row = ("duplicate", "", "10.00", None)
COMPETING = (
    Case("equal lines are several charges", (({}, billed()), ({}, billed(position=2)), ({}, DUPLICATE)), LINE_TWICE),
    Case("right hints come first", (({"line_index": n(2)}, billed(position=2)), ({}, billed())), LINE_TWICE),
    Case(
        "a taken hint is passed over",
        (({"line_index": n(2)}, billed(position=2)), ({"line_index": n(2)}, billed())),
        LINE_TWICE,
    ),
    Case("an amount comes first", (({"amount": None} | LATE, DUPLICATE), (EARLY, billed()))),
    Case("the latest date comes first", ((EARLY, DUPLICATE), (LATE, billed()), ({}, DUPLICATE))),
    Case("the smallest id comes first", ((LATE, billed()), (LATE, DUPLICATE))),
    Case(
        "a v1 hash names its own line",
        (({"line_hash": s(v1(POSTED))}, billed(position=1)), ({"line_hash": s(v2(POSTED))}, billed())),
        {OWN: jsonl(LINE, POSTED)},
    ),
    Case(
        "the n-th is the same line in every object",
        (({}, billed()), ({"s3_key": s(NEWER)}, DUPLICATE)),
        {OWN: jsonl(LINE), NEWER: jsonl(OTHER, LINE)},
    ),
    Case(
        "other families do not compete",
        (({}, billed()), ({"s3_key": s("bill.jsonl")}, billed(key="bill.jsonl"))),
        {OWN: jsonl(LINE), "bill.jsonl": jsonl(LINE)},
    ),
)
MONEY = (
    *(
        one(f"amount {value} is ${usd}", {"amount": value, "months": n(3)}, billed(usd))
        for value, usd in (
            *(
                (n("3.335"), "3.34"),
                (n("3.345"), "3.34"),
                (n(0), "0.00"),
                (n("1E+2"), "100.00"),
                (n("-2.675"), "-2.68"),
            ),
            *(
                (s("$1,234.56"), "1234.56"),
                (s("(12.00)"), "-12.00"),
                (s("12.00-"), "-12.00"),
                (s("12.00 cr"), "-12.00"),
            ),
            *(
                (s("$ 33.10"), "33.10"),
                (s("-$5"), "-5.00"),
                (s("$-5"), "-5.00"),
                (n("9999999999999999.99"), "9999999999999999.99"),
            ),
        )
    ),
    *(
        of_line(
            f"absent {value}: the charge by {months} months",
            {"Line Item Charge": "$100.00"},
            billed(usd),
            amount=value,
            **months,
        )
        for value, months, usd in (
            *(
                (None, {}, "100.00"),
                ({"NULL": True}, {"months": n(3)}, "33.33"),
                (s("  "), {"months": s("3")}, "33.33"),
            ),
            *((None, {"months": n("2.0")}, "50.00"), (None, {"months": {"NULL": True}, "months_total": n(8)}, "12.50")),
            *(
                (None, {"months": s(""), "months_total": s("2.0")}, "50.00"),
                (None, {"months": n(4), "months_total": n(2)}, "25.00"),
            ),
        )
    ),
    of_line("half a cent is rounded to even", {"Line Item Charge": "0.05"}, billed("0.02"), amount=None, months=n(2)),
    of_line("a charge that is a number", {"Line Item Charge": 12.5}, billed("12.50"), amount=None),
    of_line(
        "an override replaces the charge",
        {"Amount Overridden": "YES ", "Current Amount": "4"},
        billed("2.00"),
        amount=None,
        months=n(2),
    ),
    of_line(
        "no override, no current amount",
        {"Amount Overridden": "no", "Current Amount": "4"},
        billed("10.00"),
        amount=None,
    ),
    of_line("an explicit 0 is not the charge", {"Line Item Charge": "ten"}, billed("0.00"), amount=n(0)),
)
CASES = (*STATUSES, *RELOCATED, *OBJECTS, *COMPETING, *MONEY)
