"""Every rule of SPEC.md sections 1.1, 1.2, 3, 4 and 5 holds from a table and a bucket to the rows.

What the rules' own tests try on values made in memory is planted here as the app stores it, read by the Scan and by
the index, and resolved from objects that S3 brings.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from billing_assets.domain.assignments import PartitionRange
from billing_assets.domain.periods import Month
from billing_assets.domain.resolved import ResolvedLineItem, resolve
from billing_assets.stores.dynamodb import AssignmentsTable
from billing_assets.stores.objects import StageFourObjects
from billing_assets_tests.stores.aws_data import clients_in, dynamodb_in, make_bucket, make_table, put_items
from billing_assets_tests.stores.rule_cases import CASES, LINE, OWN, PREFIX, n, s
from billing_assets_tests.unit.making import jsonl, place, v1, v2
from billing_assets_tests.unit.test_line_hash import GOLDEN
from billing_assets_tests.unit.test_line_items import FLAGS, SPELLED

if TYPE_CHECKING:
    from collections.abc import Mapping

Rows = dict[str, ResolvedLineItem]


def _folder(number: int) -> str:
    return f"{PREFIX}dd={number}/"


def _item(number: int, at: int, record: Mapping[str, Any]) -> dict[str, Any]:
    """A record as the table holds it: keys are those of the case's folder; None is absent."""
    usual = {"line_hash": s(v2(LINE)), "s3_key": s(OWN), "amount": n("10.00"), "ubi_period": s("10/2025")}
    item = {name: value for name, value in (usual | dict(record)).items() if value is not None}
    if item.get("s3_key", {"S": ""})["S"].strip():
        item["s3_key"] = s(_folder(number) + item["s3_key"]["S"])
    return {"assignment_id": s(f"{number:03}-{at}"), **item}


@pytest.fixture(scope="module")
def rows_by_path(stack_environment: dict[str, str]) -> dict[str, Rows]:
    """The rows of all cases, their records read by the Scan and by the index."""
    clients, dynamodb = clients_in(stack_environment), dynamodb_in(stack_environment)
    table = make_table(dynamodb, "assignment_id")
    items = [_item(number, at, record) for number, case in enumerate(CASES) for at, (record, _) in enumerate(case.rows)]
    put_items(dynamodb, table, items)
    objects = {_folder(number) + key: body for number, case in enumerate(CASES) for key, body in case.objects.items()}
    bucket = make_bucket(clients, objects)
    found: dict[str, Rows] = {}
    for path, limit in (("scan", 64), ("index", 0)):
        source = AssignmentsTable(dynamodb, table=table, index="ubi-period-index", scan_limit_mb=limit)
        reading, figures = source.read_period("2025-10", PartitionRange(Month(2024, 1), Month(2026, 12)))
        assert figures.path == path
        rows, _ = resolve(reading.assignments, StageFourObjects(clients, bucket, requests=16, retry_seconds=30))
        found[path] = {row.assignment.assignment_id: row for row in rows}
        assert len(rows) == len(found[path]) == len(items)
    return found


@pytest.mark.parametrize("path", ["scan", "index"])
@pytest.mark.parametrize("number", range(len(CASES)), ids=[case.rule for case in CASES])
def test_a_rule_is_broken_between_the_table_and_the_row(rows_by_path: dict[str, Rows], path: str, number: int) -> None:
    """Status, reason, cents, place and relocation of every record are those that its case expects."""
    case, told = CASES[number], []
    for at, (_, expected) in enumerate(case.rows):
        row = rows_by_path[path][f"{number:03}-{at}"]
        where = place(row)
        where = None if where is None else (where[0].removeprefix(_folder(number)), where[1])
        usd = None if row.billed_usd is None else str(row.billed_usd)
        told.append((row.status.value, row.reason, usd, where))
        if expected[3] is not None:
            assert row.relocated == (row.found_key != row.assignment.s3_key)
    assert told == [expected for _, expected in case.rows]


def test_a_field_of_a_stored_line_is_not_read(stack_environment: dict[str, str]) -> None:
    """Every spelling of every text and flag comes through S3 to its field, and to no other."""
    texts = [(name, {spelling: " MiXed ", "id": at}, "MiXed") for at, (name, _, spelling) in enumerate(SPELLED)]
    flags = [
        (name, {spelling: "Yes", "id": spelling}, True) for name, spellings in FLAGS.items() for spelling in spellings
    ]
    planted = [*texts, *flags]
    rows = _resolved(stack_environment, [json.dumps(line) for _, line, _ in planted])
    for row, (name, _, value) in zip(rows, planted, strict=True):
        assert row.item is not None
        assert getattr(row.item, name) == value
        blank = {other for other, _, _ in planted} - {name}
        assert not [other for other in blank if getattr(row.item, other)]


def test_a_line_of_tricky_values_is_not_found_in_s3(stack_environment: dict[str, str]) -> None:
    """The digests that Python's json.dumps gave are found, each at its own line, with and without a hint."""
    for hinted in (True, False):
        rows = _resolved(
            stack_environment, [text for text, _ in GOLDEN], [digest for _, digest in GOLDEN], hinted=hinted
        )
        assert [place(row) for row in rows] == [(PREFIX + OWN, at) for at in range(len(GOLDEN))]
        assert {(row.status.value, row.reason) for row in rows} == {("unbillable", "missing_property_id")}


def _resolved(
    stack: dict[str, str], lines: list[str], hashes: list[str] | None = None, *, hinted: bool = True
) -> list[ResolvedLineItem]:
    """The rows of records that name the lines of one object, in the order of the lines."""
    clients, dynamodb = clients_in(stack), dynamodb_in(stack)
    bucket, table = make_bucket(clients, {PREFIX + OWN: jsonl(*lines)}), make_table(dynamodb, "assignment_id")
    named = hashes or [v1(json.loads(line)) for line in lines]
    items = [
        {
            "assignment_id": s(f"{at:03}"),
            "line_hash": s(of),
            "s3_key": s(PREFIX + OWN),
            "ubi_period": s("10/2025"),
            **({"line_index": n(at)} if hinted else {}),
        }
        for at, of in enumerate(named)
    ]
    put_items(dynamodb, table, items)
    source = AssignmentsTable(dynamodb, table=table, index="ubi-period-index", scan_limit_mb=64)
    reading, _ = source.read_period("2025-10", PartitionRange(Month(2024, 1), Month(2026, 12)))
    rows, _ = resolve(reading.assignments, StageFourObjects(clients, bucket, requests=4, retry_seconds=30))
    return sorted(rows, key=lambda row: row.assignment.assignment_id)
