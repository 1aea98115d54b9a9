"""Letters of `explain`: what is not known, what comes nearest, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing_assets.domain.errors import ConfigurationError
from billing_assets.domain.money import plain
from billing_assets.domain.subjects import nearest

if TYPE_CHECKING:
    from collections.abc import Collection

    from billing_assets.domain.evidence import Evidence

_MOST_NAMED = 20


def nothing_stored(period: str, known: Collection[str]) -> ConfigurationError:
    """Neither rows nor bills of a period."""
    return ConfigurationError(
        f"nothing is stored of {period}",
        found=f"stored periods: {', '.join(sorted(known))}" if known else "no period has been run yet",
        rule="explain tells what runs have stored; it computes nothing",
        remedy="materialize the period first (`make demo` runs the sample; --stack .billing/stack reads it)",
    )


def unknown_bill(
    master_bill_id: str, period: str, known: Collection[str], periods: Collection[str]
) -> ConfigurationError:
    """No store knows the bill."""
    alike = nearest(master_bill_id, known)
    stored = f"{period} has {len(known):,} bills" if period in periods else f"nothing is stored of {period}"
    return ConfigurationError(
        f"there is no bill {master_bill_id!r}",
        found=f"{stored}; the nearest: {', '.join(alike)}" if alike else f"{stored}, none like it",
        remedy=f"take an id from `billing-assets bills {period}`, in single quotes",
    )


def unknown_account(account: str, period: str, known: Collection[str]) -> ConfigurationError:
    """No row of the period has the account."""
    alike = nearest(account, known)
    return ConfigurationError(
        f"{period} has no line of account {account!r}",
        found=f"{len(known):,} accounts; the nearest: {', '.join(alike)}" if alike else f"{len(known):,} accounts",
        rule="an account is compared as the line writes it, trimmed; a record whose line was not found has none",
        remedy="check number and period; `billing-assets bills PERIOD --lines` lists the billed ones",
    )


def unknown_line(prefix: str, looked_through: Collection[str]) -> ConfigurationError:
    """No stored row, assignment or published bill has the hash."""
    return ConfigurationError(
        f"no line hash begins with {prefix}",
        found=f"looked through the rows of {len(looked_through)} periods ({min(looked_through)} to "
        f"{max(looked_through)}), and all published bills",
        rule="a line is known by the hash that its assignment holds, or by its v2 hash",
        remedy="check the hash; if it was assigned since, materialize ubi_assignments and resolved_line_items first",
    )


def only_read(prefix: str, periods: Collection[str]) -> ConfigurationError:
    """Assignments hold the hash, but no row yet."""
    return ConfigurationError(
        f"the assignment of {prefix} was read, but not resolved yet",
        found=f"it stands in ubi_assignments of {', '.join(sorted(periods))}",
        remedy="materialize resolved_line_items for that period",
    )


def ambiguous_prefix(prefix: str, hashes: Collection[str], evidence: Evidence) -> ConfigurationError:
    """Several lines begin so: each with what tells it apart."""
    lines = [_candidate(line_hash, evidence) for line_hash in sorted(hashes)]
    more = [] if len(lines) <= _MOST_NAMED else [f"... and {len(lines) - _MOST_NAMED:,} more"]
    return ConfigurationError(
        f"{len(lines):,} line hashes begin with {prefix}",
        found="\n".join([*lines[:_MOST_NAMED], *more]),
        remedy="give more digits of one of them",
    )


def _candidate(line_hash: str, evidence: Evidence) -> str:
    for period, table in sorted(evidence.tables.items()):
        for row in table.rows:
            if row.assignment.line_hash == line_hash:
                amount = "no amount" if row.billed_usd is None else f"${plain(row.billed_usd)}"
                account = "" if row.item is None else f", account {row.item.account_number}"
                return f"{line_hash}  {period}, {row.status.value}, {amount}{account}"
    return f"{line_hash}  published"
