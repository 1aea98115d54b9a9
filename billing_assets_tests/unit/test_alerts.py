"""Alerts: what is new, what they say, and what they never say."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_assets.domain.alerts import CHECK_FAILED, MOST_SHOWN, RUN_FAILED, Alert, Digest, Evaluation, newly_failed
from billing_assets.domain.redaction import redacted

RUN = "3f0a2b1c-abcd-4eff-9abc-0123456789ab"


def _alert(**fields: str) -> Alert:
    usual = {
        "kind": RUN_FAILED,
        "of": "master_bills_of_a_period",
        "period": "2025-01",
        "cause": "too much of 2025-01 can't be billed\n  found:  31 of 410 rows",
        "remedy": "mend the worst objects in the app",
        "run_id": RUN,
    }
    return Alert(**{**usual, **fields})


def _found(check: str, *, failed: bool, period: str = "2025-01") -> Evaluation:
    return Evaluation(check, period, failed, "why")


def test_a_digest_reads_like_a_letter() -> None:
    """Period, cause, remedy and link of each, and how many there are."""
    check = _alert(
        kind=CHECK_FAILED, of="master_bills_json: published_equals_resolved", cause="2 rows", remedy="run it"
    )
    digest = Digest([_alert(), check], "https://dagster.example")
    assert digest.text() == (
        "billing_assets: 1 failed run and 1 newly failing check\n"
        "\n"
        "1. run failed: master_bills_of_a_period, 2025-01\n"
        "   cause:  too much of 2025-01 can't be billed\n"
        "             found:  31 of 410 rows\n"
        "   remedy: mend the worst objects in the app\n"
        f"   link:   https://dagster.example/runs/{RUN}\n"
        "\n"
        "2. check failed: master_bills_json: published_equals_resolved, 2025-01\n"
        "   cause:  2 rows\n"
        "   remedy: run it\n"
        f"   link:   https://dagster.example/runs/{RUN}"
    )
    line = digest.as_json()
    assert "\n" not in line
    assert json.loads(line)["alerts"][1]["of"] == "master_bills_json: published_equals_resolved"
    assert Digest([_alert()]).link(_alert()) == f"run {RUN} in the Dagster UI"


def test_a_long_digest_counts_what_it_does_not_show() -> None:
    """A store that is down fails every period at once."""
    digest = Digest([_alert(period=f"period {number}") for number in range(MOST_SHOWN + 5)], "https://dagster.example")
    assert digest.title() == "billing_assets: 25 failed runs"
    assert digest.text().endswith("and 5 more: https://dagster.example")
    shown = json.loads(digest.as_json())
    assert (len(shown["alerts"]), shown["more"]) == (MOST_SHOWN, 5)


def test_the_same_alerts_have_the_same_id() -> None:
    """A receiver can tell a digest that was sent again."""
    assert Digest([_alert()], "https://a").id == Digest([_alert()], "https://b").id != Digest([_alert(cause="b")]).id


def test_a_check_that_goes_on_failing_is_no_news() -> None:
    """And one that passed in between is."""
    new, failing = newly_failed([_found("a", failed=True), _found("b", failed=True)], {"b@2025-01"})
    assert [evaluation.check for evaluation in new] == ["a"]
    again, failing = newly_failed([_found("a", failed=True), _found("b", failed=False)], failing)
    assert again == []
    assert failing == {"a@2025-01"}
    other, _ = newly_failed([_found("a", failed=True, period="2025-02"), _found("b", failed=True)], failing)
    assert {(evaluation.check, evaluation.period) for evaluation in other} == {("a", "2025-02"), ("b", "2025-01")}


@given(st.lists(st.lists(st.builds(_found, st.sampled_from("abc"), failed=st.booleans()), max_size=4), max_size=6))
def test_a_failure_is_told_once_between_two_passes_however_the_ticks_fall(batches: list[list[Evaluation]]) -> None:
    """After each tick, exactly the checks that fail now have been told since they last passed."""
    failing: set[str] = set()
    told: set[str] = set()
    for batch in batches:
        new, now_failing = newly_failed(batch, failing)
        last = {evaluation.name: evaluation.failed for evaluation in batch}
        passed = {evaluation.name for evaluation in batch if not evaluation.failed}
        told = (told - passed) | {evaluation.name for evaluation in new}
        assert now_failing == (failing - set(last)) | {name for name, failed in last.items() if failed}
        assert told == now_failing
        assert len(new) == len({evaluation.name for evaluation in new})
        failing = now_failing


ACCOUNTS = st.from_regex(r"[A-Z]{0,3}[0-9]{5,12}|[0-9]{4}-[0-9]{6}-[0-9]{2}|[0-9]{3} [0-9]{3} [0-9]{4}", fullmatch=True)


@given(ACCOUNTS, st.sampled_from(["account {} is missing", "no bill of {}, 2025-01", "[{}]", "('{}', 'P1')", "{}"]))
def test_no_account_number_leaves_in_full(account: str, sentence: str) -> None:
    """Its last four digits do, so that a person recognises it."""
    shown = redacted(sentence.format(account))
    digits = re.sub(r"\D", "", account)
    assert account not in shown
    assert digits not in re.sub(r"\D", "", shown.replace("2025-01", ""))
    assert f"***{digits[-4:]}" in shown


@pytest.mark.parametrize(
    "text",
    [
        "2025-01: 1,234 of 10,275 records, $1,234,567.89 and 12345.10",
        "dagster asset materialize --select snowflake_master_bills --partition-range 2024-01...2025-06",
        f"run {RUN} at 2025-10-21T15:03:00+00:00",
        "s3://bucket/Bill_Parser_4_Enriched_Outputs/yyyy=2025/mm=10/dd=21/base_20251021T150300Z.jsonl, line 4",
        "BILLING_MAX_UNBILLED=0.05 of its rows; HTTP 503; port 3000",
        "line hash e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ],
)
def test_what_people_need_stays_as_it_is(text: str) -> None:
    """Months, times, dollars, counts, runs, keys and commands."""
    assert redacted(text) == text


@pytest.mark.parametrize(
    "secret",
    [
        "xoxb-1234-abcd-EFGH",
        "AKIAABCDEFGHIJKLMNOP",
        "-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----",
        "T000/B000/XXXXXXXX",
        "user:pa55",
    ],
)
def test_what_looks_like_a_secret_is_left_out(secret: str) -> None:
    """Also where nobody told which it is."""
    around = {"T000": f"https://hooks.slack.com/{secret}", "user": f"https://{secret}@host/"}
    text = around.get(secret[:4], f"refused {secret}!")
    assert secret not in redacted(text)


@given(st.text("abcXYZ789/+=-", min_size=6, max_size=30))
def test_a_secret_that_the_process_holds_is_left_out(secret: str) -> None:
    """Wherever it stands in a text."""
    assert secret not in redacted(f"before{secret}after, 'p={secret}' {secret}", [secret[:5], secret]).replace(
        "***", ""
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("password=hunter2, next", "password=***, next"),
        ("{'SNOWFLAKE_PASSWORD': 'hunter2'}", "{'SNOWFLAKE_PASSWORD': ***}"),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
    ],
)
def test_what_is_called_a_secret_is_left_out(text: str, shown: str) -> None:
    """By its name."""
    assert redacted(text) == shown


def test_an_alert_is_shortened_after_it_was_redacted() -> None:
    """Half a secret is one too."""
    secret = "s" * 40
    cause = _alert(cause="x" * 1190 + secret, remedy="").redacted([secret]).cause
    assert "sss" not in cause
    assert len(cause) < 1210
    assert _alert(cause=" ").redacted([]).cause == "no step says why: see the run"
