"""`billing-assets doctor --probe` over the emulator: a table that breaks SPEC.md in ten ways, and a sound one."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from boto3.dynamodb.types import TypeSerializer

from billing_assets.cli import main
from billing_assets.stores.aws import AwsClients
from billing_assets.stores.probing import random_records, table_shape
from billing_assets_tests.faults.proxy import FaultProxy
from billing_assets_tests.stores.aws_data import environment, fresh_name, put_items
from billing_assets_tests.unit.probed_data import Data
from billing_assets_tests.unit.test_probe import compact_hash

if TYPE_CHECKING:
    from collections.abc import Callable

    from billing_assets_tests.unit.probed_data import Record


def store(stack: dict[str, str], data: Data, *, index: str = "ubi-period-index") -> dict[str, str]:
    """Put everything into the emulator; the variables that lead there."""
    with environment(stack):
        clients = AwsClients()
        name = fresh_name("probe")
        clients.s3.create_bucket(Bucket=name)
        for key, body in data.objects().items():
            clients.s3.put_object(Bucket=name, Key=key, Body=body)
        clients.dynamodb.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "assignment_id", "KeyType": "HASH"}],
            AttributeDefinitions=[
                {"AttributeName": attribute, "AttributeType": "S"} for attribute in ("assignment_id", "ubi_period")
            ],
            BillingMode="PAY_PER_REQUEST",
            GlobalSecondaryIndexes=[
                {
                    "IndexName": index,
                    "KeySchema": [{"AttributeName": "ubi_period", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
        )
        serialize = TypeSerializer().serialize
        items = [{key: serialize(value) for key, value in record.items()} for record in data.records]
        put_items(clients.dynamodb, name, items)
    return {**stack, "BILLING_BUCKET": name, "BILLING_ASSIGNMENTS_TABLE": name}


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Types the command in an environment; exit code and standard output."""

    def run(variables: dict[str, str], *words: str) -> tuple[int, str]:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["billing-assets", "doctor", "--probe", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), capsys.readouterr().out

    return run


def _breaks(data: Data) -> list[Callable[[Record], object]]:
    """Nine ways to break a record; the index of the table is the tenth."""
    return [
        lambda record: record.update(line_hash=compact_hash(data.line_of(record))),
        lambda record: record.update(months="two"),
        lambda record: record.update(ubi_period=f"2025-{record['ubi_period'][:2]}"),
        lambda record: record.update(amount=f"USD {record['amount']}"),
        lambda record: record.update(s3_key=f"s3://bucket/{record['s3_key']}"),
        lambda record: record.update(amount=Decimal(data.line_of(record)["Line Item Charge"]), months=2),
        lambda record: record.update(amount=record["amount"] * 100),
        lambda record: record.update(bill_id=7),
        lambda record: record.update(hash_v3=record.pop("line_hash")),
    ]


def test_a_table_that_breaks_spec_is_sound(
    stack_environment: dict[str, str], typed: Callable[..., tuple[int, str]]
) -> None:
    """Ten ways, each by its section with an example; exit code 1; the same said for people; nothing is written."""
    data = Data()
    for number, break_ in enumerate(_breaks(data)):
        for record in data.records[number * 10 : number * 10 + 10]:
            break_(record)
    variables = store(stack_environment, data, index="UbiPeriodGSI")
    with FaultProxy(stack_environment["AWS_ENDPOINT_URL"]) as proxy:
        code, out = typed({**variables, "AWS_ENDPOINT_URL_S3": proxy.url}, "--json")
        assert {seen.method for seen in proxy.log} == {"GET"}
    report: dict[str, Any] = json.loads(out)
    rules = {(one["section"], one["found"]): one["example"] for one in report["misfits"] if one["is_rule"]}
    for section, found, example in (
        ("1.1", "there is no index of that name", "UbiPeriodGSI by ubi_period"),
        ("3", "another recipe: SHA-256, volatile fields of v2, no blanks", "…"),
        ("1.1", "something else", "months 'two'"),
        ("2", "periods like 9999-99", "'2025-"),
        ("4", "another notation", "'USD "),
        ("1.2", "an address with its bucket in place of a key", "s3://bucket/"),
        ("1.1", "the whole charge, although it is split", "months 2, charge"),
        ("1.1", "amounts in cents", "charge "),
        ("1.1", "another type", "`bill_id` as N"),
        ("1.1", "no `line_hash`; attributes like it: hash_v3", "hash_v3"),
    ):
        assert example in rules.get((section, found), ""), (found, rules)
    assert (code, report["ok"], report["records"]) == (1, False, 100)
    code, out = typed(variables)
    assert code == 1
    assert "SPEC.md does not fit the data" in out
    assert "section 1.1" in out
    assert "77-10-" not in out
    assert "\x1b" not in out


def test_a_sound_table_breaks_spec(stack_environment: dict[str, str], typed: Callable[..., tuple[int, str]]) -> None:
    """Exit code 0, and what would be billed is what the records say; an empty table is a letter."""
    data = Data()
    variables = store(stack_environment, data)
    code, out = typed(variables, "--json", "--records", "100")
    report = json.loads(out)
    assert (code, report["misfits"]) == (0, [])
    assert Decimal(report["statuses"]["billable"]["billed_usd"]) == sum(record["amount"] for record in data.records)
    assert "SPEC.md fits the sample." in typed(variables)[1]
    data.records.clear()
    assert typed(store(stack_environment, data))[0] == 1


def test_a_sample_holds_a_record_twice_or_always_the_same(stack_environment: dict[str, str]) -> None:
    """As many as asked for, each once, other ones for another seed; all of a table that holds no more."""
    data = Data()
    variables = store(stack_environment, data)
    with environment(stack_environment):
        dynamodb = AwsClients().dynamodb
        table = table_shape(dynamodb, variables["BILLING_ASSIGNMENTS_TABLE"])
        drawn = [
            {str(record["assignment_id"]) for record in random_records(dynamodb, table, count, Random(seed))}  # noqa: S311
            for seed, count in ((1, 30), (1, 30), (2, 30), (3, 100), (4, 500))
        ]
    assert [len(names) for names in drawn] == [30, 30, 30, 100, 100]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]
    assert table.key == ("assignment_id",)
    assert [(index.name, index.key, index.projection) for index in table.indexes] == [
        ("ubi-period-index", ("ubi_period",), "ALL")
    ]
