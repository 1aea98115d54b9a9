"""The probe itself: records resolved by the rules that bill them, then held against SPEC.md sentence by sentence."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from billing_assets.domain.assignments import Assignment, PartitionRange
from billing_assets.domain.control_totals import totals_by_status
from billing_assets.domain.probe.amounts import amount_kind, amount_misfits
from billing_assets.domain.probe.hashes import hash_misfits, hash_versions
from billing_assets.domain.probe.kept import KeptObjects
from billing_assets.domain.probe.keys import key_misfits, key_pattern
from billing_assets.domain.probe.lines import line_misfits, object_misfits, unknown_fields
from billing_assets.domain.probe.misfits import Misfit, Probed, shown
from billing_assets.domain.probe.records import period_spelling, record_misfits, unknown_attributes
from billing_assets.domain.probe.tables import TableShape, table_misfits
from billing_assets.domain.resolved import ResolvedLineItem, Status, resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from billing_assets.domain.control_totals import StatusTotals
    from billing_assets.domain.resolution import ObjectSource


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """What the sample showed."""

    table: TableShape
    records: int
    facts: dict[str, Counter[str]]
    """Merely counted: by subject, how many records (or lines) of each kind."""
    statuses: dict[Status, StatusTotals]
    """What would become of the records that belong to a partition; dollars as they would be billed."""
    no_partition: int
    misfits: list[Misfit] = field(default_factory=list)

    @property
    def rules(self) -> list[Misfit]:
        """Where SPEC.md does not fit the data, the most records first."""
        return sorted(
            (one for one in self.misfits if one.is_rule), key=lambda one: (-one.count, one.section, one.found)
        )

    @property
    def exceptions(self) -> list[Misfit]:
        """Single records that break a sentence, for which SPEC.md has a status and a reason."""
        return sorted((one for one in self.misfits if not one.is_rule), key=lambda one: (one.section, one.found))


def probe(  # noqa: PLR0913  # a sample, where its objects are, and what it is held against
    records: Sequence[Mapping[str, Any]],
    source: ObjectSource,
    partitions: PartitionRange,
    table: TableShape,
    *,
    index_name: str,
    stage4_prefix: str,
) -> ProbeReport:
    """Hold a sample of records against SPEC.md.

    Records of one partition are resolved together, as a run does it. Those of none, and those that are unusable for a
    reason that does not concern their line, are looked for as well, since their hash and amount say as much.

    Args:
        records: As read, numbers as `NumberText`; in any order.
        source: Their objects.
        partitions: The months that are billed.
        table: As described.
        index_name: What the settings call the table's index.
        stage4_prefix: Where the settings say that Stage 4 objects are.
    """
    kept = KeptObjects(source)
    probed = _resolved(records, kept, partitions)
    versions = hash_versions(probed, kept.text_of)
    own = [one for one in probed if one.partition is not None]
    return ProbeReport(
        table=table,
        records=len(probed),
        facts=_facts(probed, versions, stage4_prefix),
        statuses=totals_by_status(_as_billed(one) for one in own),
        no_partition=len(probed) - len(own),
        misfits=[
            *table_misfits(table, index_name),
            *record_misfits(probed),
            *key_misfits(probed, stage4_prefix),
            *object_misfits(kept.broken_lines()),
            *line_misfits(probed),
            *hash_misfits(probed, kept.lines_of),
            *amount_misfits(probed),
        ],
    )


def _resolved(records: Sequence[Mapping[str, Any]], kept: KeptObjects, partitions: PartitionRange) -> list[Probed]:
    groups: dict[tuple[str | None, str], list[tuple[Mapping[str, Any], Assignment]]] = defaultdict(list)
    for record in records:
        assignment = Assignment.from_record(record)
        partition = partitions.partition_of(assignment.ubi_period)
        groups[partition, "" if partition else assignment.ubi_period].append((record, assignment))
    kept.read({pair[1].s3_key for group in groups.values() for pair in group if _can_be_found(pair[1])})
    probed = []
    for (partition, _), group in sorted(groups.items(), key=lambda pair: (pair[0][0] or "", pair[0][1])):
        group.sort(key=lambda pair: pair[1].order)
        looked_for = [replace(one, fault="") if _can_be_found(one) else one for _, one in group]
        rows, _ = resolve(looked_for, kept)
        probed += [
            Probed(record, row, assignment.fault, partition, kept.line_of(row))
            for (record, assignment), row in zip(group, rows, strict=True)
        ]
    return probed


def _can_be_found(assignment: Assignment) -> bool:
    return bool(assignment.line_hash and assignment.s3_key.strip())


def _as_billed(one: Probed) -> ResolvedLineItem:
    return replace(one.row, status=Status.INVALID, reason=one.fault) if one.fault else one.row


def _facts(probed: Sequence[Probed], versions: Counter[str], stage4_prefix: str) -> dict[str, Counter[str]]:
    def counted(texts: Iterable[str]) -> Counter[str]:
        return Counter(texts)

    assignments = [one.row.assignment for one in probed]
    return {
        "hash version": versions,
        "key": counted(key_pattern(one.s3_key, stage4_prefix) for one in assignments if one.s3_key.strip()),
        "line found": counted(
            "not found"
            if one.row.line is None
            else "under a newer timestamp"
            if one.row.relocated
            else "in its own object"
            for one in probed
        ),
        "period": counted(period_spelling(one.ubi_period) for one in assignments),
        "months": counted(shown(one.months_text) or "absent" for one in assignments),
        "amount": counted(_amount_fact(one) for one in probed),
        "unknown attribute": unknown_attributes(probed),
        "unknown field": unknown_fields(probed),
    }


def _amount_fact(one: Probed) -> str:
    if not one.row.assignment.amount_text:
        return "absent"
    if one.row.assignment.amount is None:
        return "no money"
    if one.row.assignment.amount == 0:
        return "an explicit 0"
    return amount_kind(one) or "nothing to compare with"
