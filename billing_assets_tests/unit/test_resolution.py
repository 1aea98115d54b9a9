"""One row for every assignment: SPEC.md section 5, statuses, reasons and precedence, and where to look."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest

from billing_assets.domain.resolution import OBJECT_MISSING, OBJECT_UNREADABLE, ObjectFault, Resolution
from billing_assets.domain.resolved import UNBILLED, Status, resolve
from billing_assets_tests.unit.making import (
    KEY,
    NEWER,
    NEWEST,
    OLDER,
    InMemoryObjects,
    a_line,
    an_assignment,
    gz,
    jsonl,
    n,
    outcome,
    place,
    row_of,
    rows_of,
    v1,
    v2,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from billing_assets.domain.stage4 import ObjectFamily

LINE, OTHER = a_line({"id": 1}), a_line({"id": 2})
GONE = ObjectFault(OBJECT_MISSING)
ARCHIVED = ObjectFault(OBJECT_UNREADABLE, "storage class GLACIER")


def test_a_plain_assignment_is_not_billed() -> None:
    """A record whose line stands where it says is billed with its own amount."""
    record = an_assignment(LINE, line_index=n(0), amount=n("3.335"))
    row = row_of(record, {KEY: jsonl(LINE)})
    assert outcome(row) == ("billable", "")
    assert (row.assignment, row.found_key, row.relocated, row.detail) == (record, KEY, False, "")
    assert (row.assigned_usd, row.billed_usd) == (Decimal("3.335"), Decimal("3.34"))
    assert row.line is not None
    assert (row.line.position, row.line.version) == (0, "v1")
    assert row.item is not None
    assert row.item.account_number == "A-1"


@pytest.mark.parametrize("stored", [v1, v2])
def test_one_of_the_two_hash_versions_finds_nothing(stored: Any) -> None:
    """Both versions are tried, on a line whose hashes differ."""
    line = a_line({"Status": "Posted"})
    row = row_of(an_assignment(stored(line)), {KEY: jsonl(OTHER, line)})
    assert (outcome(row), place(row)) == (("billable", ""), (KEY, 1))
    assert row.line is not None
    assert row.line.version == stored.__name__


@pytest.mark.parametrize("hint", [None, 0, 1, 2, 7])
def test_a_wrong_hint_bills_another_line(hint: int | None) -> None:
    """The hash decides which line is billed, not the hint."""
    row = row_of(an_assignment(LINE, line_index=hint if hint is None else n(hint)), {KEY: jsonl(OTHER, LINE)})
    assert (outcome(row), place(row)) == (("billable", ""), (KEY, 1))


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"line_hash": " "}, "missing_field:line_hash"),
        ({"s3_key": ""}, "missing_field:s3_key"),
        ({"months": n(0)}, "bad_months"),
        ({"amount": "ten"}, "bad_amount"),
    ],
)
def test_an_unusable_record_is_billed_or_vanishes(attributes: dict[str, Any], reason: str) -> None:
    """An invalid record keeps its row, with its reason and, where it can be read, its amount; no object is fetched."""
    source = InMemoryObjects({KEY: jsonl(LINE)})
    (row,), _ = resolve([an_assignment(LINE, **attributes)], source)
    assert outcome(row) == ("invalid", reason)
    assert (row.line, row.found_key, row.item, row.relocated) == (None, "", None, False)
    amount = None if "amount" in attributes else Decimal("10.00")
    assert (row.assigned_usd, row.billed_usd) == (amount, amount)
    assert not source.fetched


def test_a_bad_amount_is_not_shown() -> None:
    """The text that is no money is named."""
    assert row_of(an_assignment(LINE, amount="ten"), {}).detail == "amount is 'ten'"
    assert row_of(an_assignment(LINE, months=n(0)), {}).detail == ""


def test_an_invalid_amount_is_not_rounded_like_the_others() -> None:
    """The amount of an invalid record is kept raw, and in whole cents."""
    row = row_of(an_assignment(LINE, months="x", amount=n("0.125")), {})
    assert (row.assigned_usd, row.billed_usd) == (Decimal("0.125"), Decimal("0.12"))


@pytest.mark.parametrize(
    ("key", "body", "reason", "detail"),
    [
        (KEY, GONE, "object_missing", "no line stands at the hinted position"),
        (KEY, ARCHIVED, "object_unreadable", "storage class GLACIER"),
        (KEY, b"\xff", "object_unreadable", "not UTF-8 at byte 0"),
        (f"{KEY}.gz", jsonl(LINE), "object_unreadable", "bad gzip: "),
        (KEY, jsonl(OTHER), "line_not_found", "no line stands at the hinted position"),
        (KEY, b"", "line_not_found", "no line stands at the hinted position"),
        ("no/timestamp.jsonl", GONE, "object_missing", "no line stands at the hinted position"),
        ("no/timestamp.jsonl", jsonl(OTHER), "line_not_found", "no line stands at the hinted position"),
    ],
)
def test_a_record_without_a_line_is_billed_or_vanishes(
    key: str, body: bytes | ObjectFault, reason: str, detail: str
) -> None:
    """An unresolved record keeps its row, its reason, and its own amount."""
    row = row_of(an_assignment(LINE, key, amount=n("7.005")), {key: body})
    assert outcome(row) == ("unresolved", reason)
    assert row.detail.startswith(detail)
    assert (row.line, row.found_key, row.relocated) == (None, "", False)
    assert (row.assigned_usd, row.billed_usd) == (Decimal("7.005"), Decimal("7.00"))


def test_a_search_in_vain_forgets_where_it_began() -> None:
    """A record whose line wasn't found is located at its own key, with the reason."""
    resolution = Resolution([an_assignment(LINE)])
    ((located,),) = (search.located for search in resolution.run(InMemoryObjects({NEWER: jsonl(OTHER)})))
    assert (located.key, located.lines, located.fault) == (KEY, (), GONE)


def test_an_amount_is_invented_for_a_record_without_a_line() -> None:
    """Without a line and an amount nothing is known."""
    row = row_of(an_assignment(LINE, amount=None), {})
    assert (row.assigned_usd, row.billed_usd) == (None, None)


def test_a_person_is_not_shown_what_stands_at_the_hint() -> None:
    """For a hash that isn't found the line at the hinted position is described, with its charge and dates."""
    stands = a_line({"Line Item Description": "Trash", "Line Item Charge": "$4.00"})
    row = row_of(an_assignment(LINE, line_index=n(1)), {KEY: jsonl(OTHER, stands)})
    assert outcome(row) == ("unresolved", "line_not_found")
    assert row.detail == (
        "at the hinted position stands now: 'Trash', charge '$4.00', account 'A-1', service 01/01/2025 to 01/31/2025"
    )
    assert row.item is None


def test_the_line_at_a_strangers_hint_is_shown() -> None:
    """Each record is shown the line at its own hint in its own object."""
    trash, gas = (a_line({"Line Item Description": text}) for text in ("Trash", "Gas"))
    records = [an_assignment("0" * 64, KEY, line_index=n(at)) for at in (0, 1, 2)]
    records.append(an_assignment("0" * 64, NEWER, line_index=n(0)))
    rows = rows_of(records, {KEY: jsonl(trash, gas), NEWER: jsonl(gas)})
    assert [row.detail.partition(",")[0].rpartition(" ")[2] for row in rows] == [
        "'Trash'",
        "'Gas'",
        "position",
        "'Gas'",
    ]


NOTHING = {"EnrichedPropertyID": "", "Charge Code": "", "Line Item Charge": ""}
EXCLUDED = {"Is Excluded From UBI": "yes", "Exclusion Reason": "house account"}


@pytest.mark.parametrize(
    ("fields", "attributes", "expected"),
    [
        ({}, {}, ("billable", "")),
        (EXCLUDED, {}, ("excluded", "house account")),
        ({"is_excluded_from_ubi": True, "exclusion_reason": "vacant"}, {}, ("excluded", "vacant")),
        ({"is_excluded_from_ubi": True}, {}, ("excluded", "")),
        ({"EnrichedPropertyID": " "}, {}, ("unbillable", "missing_property_id")),
        ({"EnrichedPropertyID": "", "Property ID": "P9"}, {}, ("billable", "")),
        ({"Charge Code": "N/A"}, {}, ("unbillable", "missing_charge_code")),
        ({"Charge Code": " n/a "}, {}, ("unbillable", "missing_charge_code")),
        ({"Line Item Charge": ""}, {"amount": None}, ("unbillable", "bad_amount")),
        ({"Line Item Charge": "ten"}, {"amount": None}, ("unbillable", "bad_amount")),
        ({"Line Item Charge": "ten"}, {"amount": n(0)}, ("billable", "")),
        ({"Line Item Charge": "0"}, {"amount": None}, ("billable", "")),
        ({"Utility Type": "", "EnrichedPropertyName": "", "Account Number": ""}, {}, ("billable", "")),
        # Precedence.
        (NOTHING | EXCLUDED, {"amount": None}, ("excluded", "house account")),
        (NOTHING, {"amount": None}, ("unbillable", "missing_property_id")),
        (NOTHING | {"Property ID": "P"}, {"amount": None}, ("unbillable", "missing_charge_code")),
    ],
)
def test_a_row_has_another_status_than_its_line_deserves(
    fields: dict[str, Any], attributes: dict[str, Any], expected: tuple[str, str]
) -> None:
    """Excluded, then unbillable by property, charge code and amount, then billable."""
    line = a_line(fields)
    row = row_of(an_assignment(line, **attributes), {KEY: jsonl(line)})
    assert outcome(row) == expected
    assert (row.detail == "") == (expected[1] != "bad_amount")


def test_a_duplicate_of_an_excluded_line_is_called_excluded() -> None:
    """A duplicate is one before its line is judged; an invalid record is invalid before it is looked for."""
    line = a_line(EXCLUDED)
    records = [an_assignment(line, assignment_id=name) for name in "ab"]
    records.append(an_assignment(line, months=n(0)))
    records.append(an_assignment(line, NEWEST, amount="x"))
    assert [outcome(row)[0] for row in rows_of(records, {KEY: jsonl(line)})] == [
        "excluded",
        "duplicate",
        "invalid",
        "invalid",
    ]


def test_statuses_are_decided_in_another_order() -> None:
    """The six statuses stand in the order in which they are decided, and three of them are for people to mend."""
    assert [status.value for status in Status] == [
        "invalid",
        "unresolved",
        "duplicate",
        "excluded",
        "unbillable",
        "billable",
    ]
    assert {status.value for status in UNBILLED} == {"invalid", "unresolved", "unbillable"}


@pytest.mark.parametrize(
    ("fields", "attributes", "assigned", "billed"),
    [
        ({}, {"amount": n("3.33"), "months": n(3)}, "3.33", "3.33"),
        ({}, {"amount": "$1,234.565"}, "1234.565", "1234.56"),
        ({}, {"amount": n(0)}, "0", "0.00"),
        ({}, {"amount": n("-2.675")}, "-2.675", "-2.68"),
        ({}, {"amount": None}, "10.00", "10.00"),
        ({}, {"amount": None, "months": n(4)}, "2.5", "2.50"),
        ({}, {"amount": None, "months_total": "8"}, "1.25", "1.25"),
        ({"Line Item Charge": "0.05"}, {"amount": None, "months": n(2)}, "0.025", "0.02"),
        ({"Line Item Charge": "0.15"}, {"amount": None, "months": n(2)}, "0.075", "0.08"),
        ({"Line Item Charge": "(7.00)"}, {"amount": None, "months": n(2)}, "-3.5", "-3.50"),
        ({"Line Item Charge": 12.5}, {"amount": None}, "12.5", "12.50"),
        ({"Current Amount": "4", "Amount Overridden": "yes"}, {"amount": None, "months": n(2)}, "2", "2.00"),
        ({"Current Amount": "4", "Amount Overridden": "no"}, {"amount": None, "months": n(2)}, "5", "5.00"),
        ({"Current Amount": "4", "Amount Overridden": "yes"}, {"amount": n("1.10")}, "1.10", "1.10"),
    ],
)
def test_a_share_is_divided_twice_or_not_at_all(
    fields: dict[str, Any], attributes: dict[str, Any], assigned: str, billed: str
) -> None:
    """A record's amount is its share already; without one the line's charge or override is divided by the months."""
    line = a_line(fields)
    row = row_of(an_assignment(line, **attributes), {KEY: jsonl(line)})
    assert (row.assigned_usd, str(row.billed_usd)) == (Decimal(assigned), billed)


def test_a_share_that_never_ends_is_rounded_to_cents_before_it_is_kept() -> None:
    """The raw share of a charge is kept to sixty digits, and the billed one is rounded from the charge itself."""
    line = a_line({"Line Item Charge": "100"})
    row = row_of(an_assignment(line, amount=None, months=n(3)), {KEY: jsonl(line)})
    assert row.assigned_usd is not None
    assert abs(Fraction(row.assigned_usd) - Fraction(100, 3)) < Fraction(1, 10**57)
    assert len(row.assigned_usd.as_tuple().digits) == 60
    assert row.billed_usd == Decimal("33.33")


@pytest.mark.parametrize("line_charge", ["", "ten", "N/A"])
def test_an_unreadable_charge_is_not_shown(line_charge: str) -> None:
    """The text that is no money is named: the charge, or the override that replaces it."""
    line = a_line({"Line Item Charge": line_charge, "Current Amount": "x"})
    shown = "" if line_charge == "N/A" else line_charge
    assert row_of(an_assignment(line, amount=None), {KEY: jsonl(line)}).detail == (
        f"the record has no amount, and the line's is {shown!r}"
    )
    overridden = line | {"Amount Overridden": True}
    assert row_of(an_assignment(overridden, amount=None), {KEY: jsonl(overridden)}).detail.endswith("is 'x'")


@pytest.mark.parametrize(
    ("objects", "where"),
    [
        ({NEWER: jsonl(LINE)}, (NEWER, 0)),
        ({KEY: GONE, NEWER: jsonl(OTHER, LINE)}, (NEWER, 1)),
        ({KEY: ARCHIVED, NEWER: jsonl(LINE)}, (NEWER, 0)),
        ({KEY: b"\xff", NEWER: jsonl(LINE)}, (NEWER, 0)),
        ({KEY: jsonl(OTHER), NEWER: jsonl(LINE)}, (NEWER, 0)),
        ({f"{KEY}.gz": gz(jsonl(LINE))}, (f"{KEY}.gz", 0)),
        ({f"{NEWER}.gz": gz(jsonl(LINE))}, (f"{NEWER}.gz", 0)),
        # Newest first, an unreadable sibling is passed over, and so is one without the line.
        ({NEWER: jsonl(LINE), NEWEST: jsonl(LINE)}, (NEWEST, 0)),
        ({NEWER: jsonl(LINE), NEWEST: ARCHIVED}, (NEWER, 0)),
        ({NEWER: jsonl(LINE), NEWEST: b"\xff"}, (NEWER, 0)),
        ({NEWER: jsonl(LINE), NEWEST: jsonl(OTHER)}, (NEWER, 0)),
        # The record's own key comes first.
        ({KEY: jsonl(OTHER, LINE), NEWER: jsonl(LINE)}, (KEY, 1)),
    ],
)
def test_a_rewritten_line_is_not_found(objects: dict[str, bytes | ObjectFault], where: tuple[str, int]) -> None:
    """A line that moved to a newer timestamp is billed, and marked with the key where it was found."""
    for backwards in (False, True):
        (row,) = rows_of([an_assignment(LINE)], objects, backwards=backwards)
        assert (outcome(row), place(row)) == (("billable", ""), where)
        assert row.relocated == (where[0] != KEY)


@pytest.mark.parametrize(
    ("objects", "reason"),
    [
        ({OLDER: jsonl(LINE)}, "object_missing"),
        ({NEWER.replace("/bill_", "/bill_2_"): jsonl(LINE)}, "object_missing"),
        ({NEWER.replace("dd=21", "dd=22"): jsonl(LINE)}, "object_missing"),
        ({NEWER: jsonl(OTHER)}, "object_missing"),
        ({NEWER: ARCHIVED}, "object_missing"),
        ({KEY: ARCHIVED, NEWER: jsonl(OTHER)}, "object_unreadable"),
        ({KEY: b"\xff", NEWER: ARCHIVED}, "object_unreadable"),
        ({KEY: jsonl(OTHER), NEWER: ARCHIVED, OLDER: jsonl(LINE)}, "line_not_found"),
        ({KEY: jsonl(OTHER), NEWER: b"\xff", f"{OLDER}.gz": gz(jsonl(LINE))}, "line_not_found"),
    ],
)
def test_a_line_is_taken_from_an_older_or_foreign_object(objects: dict[str, bytes | ObjectFault], reason: str) -> None:
    """Older timestamps, other bases and folders are not searched, and the reason is that of the record's own key."""
    row = row_of(an_assignment(LINE), objects)
    assert (outcome(row), row.found_key, row.relocated) == (("unresolved", reason), "", False)


def test_a_key_without_a_timestamp_is_looked_for_elsewhere() -> None:
    """Such a key is a family of its own: nothing is listed, and no twin is searched."""
    source = InMemoryObjects({"a/b.jsonl.gz": gz(jsonl(LINE)), "a/b_20250101T000000Z.jsonl": jsonl(LINE)})
    (row,), figures = resolve([an_assignment(LINE, "a/b.jsonl")], source)
    assert outcome(row) == ("unresolved", "object_missing")
    assert figures.families_listed == 0


def test_a_key_spelled_like_a_familys_name_shares_its_charges() -> None:
    """A key without a timestamp is a family of its own, also if it is the base name of another family."""
    alone, timestamped = "a/b", "a/b_20250101T000000Z.jsonl"
    rows = rows_of(
        [an_assignment(LINE, alone), an_assignment(LINE, timestamped)],
        {alone: jsonl(LINE), timestamped: jsonl(LINE)},
    )
    assert [(outcome(row)[0], place(row)) for row in rows] == [("billable", (alone, 0)), ("billable", (timestamped, 0))]


def test_a_key_spelled_like_a_familys_name_hides_what_the_family_holds() -> None:
    """A search in vain for a key without a timestamp is no listing of the family whose name it spells."""
    alone, gone, newer = "a/b", "a/b_20250101T000000Z.jsonl", "a/b_20250102T000000Z.jsonl"
    rows = rows_of([an_assignment(LINE, alone), an_assignment(LINE, gone)], {newer: jsonl(LINE)})
    assert [(outcome(row), place(row)) for row in rows] == [
        (("unresolved", "object_missing"), None),
        (("billable", ""), (newer, 0)),
    ]


def test_lines_of_another_stage_are_not_found() -> None:
    """Other prefixes occur in keys, and are read alike."""
    key = "Bill_Parser_8_UBI_Assigned/yyyy=2025/x_20250101T000000Z.jsonl"
    assert outcome(row_of(an_assignment(LINE, key), {key: jsonl(LINE | {"ubi_period": "01/2025"})})) == ("billable", "")


class _RewrittenMeanwhile(InMemoryObjects):
    """The app rewrites the file between each listing and the reading that follows, so many times."""

    def __init__(self, rewrites: int) -> None:
        super().__init__({NEWER: jsonl(LINE)})
        self.rewrites = rewrites
        self.listings = 0

    def siblings(self, families: Collection[ObjectFamily]) -> Iterator[tuple[ObjectFamily, list[str]]]:
        """List what stands, and rewrite it at once."""
        listed = list(super().siblings(families))
        self.listings += 1
        if self.listings <= self.rewrites:
            self.objects = {KEY.replace("101010", f"13000{self.listings}"): jsonl(LINE)}
        yield from listed


@pytest.mark.parametrize("rewrites", [0, 1, 2])
def test_a_file_that_is_rewritten_while_it_is_read_is_lost(rewrites: int) -> None:
    """A sibling that vanishes between listing and reading is looked for once more."""
    source = _RewrittenMeanwhile(rewrites)
    (row,), figures = resolve([an_assignment(LINE)], source)
    assert outcome(row) == ("billable", "")
    assert figures.families_listed == source.listings == rewrites + 1


def test_a_listing_that_never_settles_is_repeated_for_ever() -> None:
    """A key that is listed and never there is given up after three listings; an older sibling is still found."""
    source = InMemoryObjects({NEWER: jsonl(LINE)}, ghosts=[NEWEST])
    (row, other), figures = resolve([an_assignment(LINE), an_assignment(OTHER)], source)
    assert (outcome(row), place(row)) == (("billable", ""), (NEWER, 0))
    assert outcome(other) == ("unresolved", "object_missing")
    assert figures.families_listed == 3


def test_a_broken_connection_is_taken_for_a_missing_object() -> None:
    """An exception of the source passes through: a partial period is never called whole."""

    class Broken(InMemoryObjects):
        def fetch(self, keys: Collection[str]) -> Any:
            raise ConnectionError(f"{len(keys)} keys")

    with pytest.raises(ConnectionError, match=r"^1 keys$"):
        resolve([an_assignment(LINE)], Broken({}))


def test_an_object_that_was_never_answered_is_taken_for_a_missing_one() -> None:
    """A source that forgets a key is an error, not an unresolved record."""

    class Forgetful(InMemoryObjects):
        def fetch(self, keys: Collection[str]) -> Any:
            return super().fetch([key for key in keys if key == KEY])

    with pytest.raises(RuntimeError, match=r"did not answer 1 of 2 keys$"):
        resolve([an_assignment(LINE), an_assignment(LINE, NEWER)], Forgetful({KEY: jsonl(LINE)}))


@pytest.mark.parametrize("answered", [[KEY, KEY], [KEY, NEWEST]], ids=["twice", "unasked"])
def test_an_object_that_nobody_waits_for_is_read(answered: list[str]) -> None:
    """A source that answers a key twice, or another key, is an error: whose lines would they be?"""

    class Talkative(InMemoryObjects):
        def fetch(self, keys: Collection[str]) -> Any:
            return super().fetch(answered if keys else [])

    with pytest.raises(RuntimeError, match=f"^the object source answered {answered[-1]}, which nobody waits for$"):
        resolve([an_assignment(LINE), an_assignment(LINE, NEWER)], Talkative({KEY: jsonl(LINE), NEWEST: jsonl(LINE)}))


def test_no_records_are_an_error() -> None:
    """A period without records has no rows, and reads nothing."""
    rows, figures = resolve([], InMemoryObjects({KEY: jsonl(LINE)}))
    assert rows == []
    assert (figures.objects_read, figures.families_listed) == (0, 0)


def test_the_figures_of_a_run_are_wrong() -> None:
    """Objects, bytes and lines read, lines passed over and families listed are counted once each."""
    body, sibling = jsonl(LINE, b"{", OTHER), jsonl(b"[", b"7", LINE)
    records = [
        an_assignment(LINE, line_index=n(0)),
        an_assignment("0" * 64),
        an_assignment(OTHER, OLDER),
        an_assignment(LINE, "gone"),
    ]
    _, figures = resolve(records, InMemoryObjects({KEY: body, NEWER: sibling}))
    assert (figures.objects_read, figures.bytes_read) == (2, len(body) + len(sibling))
    assert (figures.lines_read, figures.lines_passed_over, figures.families_listed) == (6, 3, 1)


def test_a_broken_line_in_front_of_the_wanted_one_is_not_counted() -> None:
    """A line is counted when it is passed over, however the line that was wanted is found."""
    (row,), figures = resolve([an_assignment(LINE)], InMemoryObjects({KEY: jsonl(b"{", LINE)}))
    assert place(row) == (KEY, 1)
    assert figures.lines_passed_over == 1


def test_an_unreadable_object_is_not_counted_as_read() -> None:
    """Its bytes were fetched, its lines were not."""
    _, figures = resolve([an_assignment(LINE)], InMemoryObjects({KEY: b"\xff\xff"}))
    assert (figures.objects_read, figures.bytes_read, figures.lines_read) == (1, 2, 0)


def test_a_newer_object_is_read_though_nobody_needs_it() -> None:
    """Where every record's own object holds its line, nothing is listed and no sibling is read."""
    source = InMemoryObjects({KEY: jsonl(LINE, OTHER), NEWER: jsonl(LINE, OTHER)})
    _, figures = resolve([an_assignment(LINE), an_assignment(OTHER)], source)
    assert (dict(source.fetched), figures.families_listed) == ({KEY: 1}, 0)


@pytest.mark.parametrize(
    ("body", "position"),
    [
        (b"\xef\xbb\xbf" + jsonl(LINE, newline=b"\r\n"), 0),
        (jsonl(b"", OTHER, b"  ", LINE), 1),
        (jsonl(b"{", LINE), 1),
        (jsonl(b"null", b"[]", OTHER, LINE), 3),
    ],
)
@pytest.mark.parametrize("end", ["", ".gz"])
def test_an_oddity_of_a_file_loses_its_lines(body: bytes, position: int, end: str) -> None:
    """BOM, CRLF, gzip, blank and broken lines leave a line billable, at its own position."""
    key = KEY + end
    row = row_of(an_assignment(LINE, key, line_index=n(position)), {key: gz(body) if end else body})
    assert (outcome(row), place(row)) == (("billable", ""), (key, position))


def test_a_family_that_is_settled_keeps_the_next_one_waiting() -> None:
    """Families are searched side by side: one ends where its lines stand, the next goes on to its newer objects."""
    records = [an_assignment(LINE, "a.jsonl"), an_assignment(LINE, "a.jsonl"), an_assignment(OTHER)]
    rows = rows_of(records, {"a.jsonl": jsonl(LINE, LINE), NEWER: jsonl(OTHER)})
    assert [place(row) for row in rows] == [("a.jsonl", 0), ("a.jsonl", 1), (NEWER, 0)]


def test_records_are_answered_in_another_order() -> None:
    """Rows stand in the order of the records, whatever family and status each belongs to."""
    records = [
        an_assignment(LINE, "z.jsonl"),
        an_assignment(LINE, months="x"),
        an_assignment(LINE, "a.jsonl"),
        an_assignment(OTHER, "z.jsonl"),
    ]
    rows = rows_of(records, {"z.jsonl": jsonl(LINE), "a.jsonl": jsonl(LINE)})
    assert [row.assignment for row in rows] == records
    assert [outcome(row)[0] for row in rows] == ["billable", "invalid", "billable", "unresolved"]


def test_records_alike_in_everything_leave_one_row() -> None:
    """Two records that can't be told apart are two rows: one billed, one duplicate."""
    records = [an_assignment(LINE), an_assignment(LINE)]
    assert sorted(outcome(row)[0] for row in rows_of(records, {KEY: jsonl(LINE)})) == ["billable", "duplicate"]


def test_a_bill_hangs_on_a_number_that_is_not_in_the_hash() -> None:
    """A record without a hint gets the first of equal lines, also if that one holds a number that JSON doesn't know."""
    first, second = ({"id": 1, "EnrichedPropertyID": "P", "Status": status, "Charge Code": code}
                     for status, code in ((float("nan"), "FIRST"), ("", "SECOND")))  # fmt: skip
    row = row_of(an_assignment(first), {KEY: jsonl(first, second)})
    assert row.item is not None
    assert (place(row), row.item.charge_code) == ((KEY, 0), "FIRST")
