"""Alerts against a real HTTP receiver: one digest a tick, only what is new, no secret, no full account number."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from billing_assets.defs import alert_events
from billing_assets.defs.alert_resource import AlertsResource
from billing_assets.defs.failures import failure_of
from billing_assets.defs.sensors.alerts import build_alert_sensors
from billing_assets.domain.errors import BillingError
from billing_assets.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNT = "0123-456789-01"
TOKEN, PASSWORD = "xoxb-5entinel-token", "5entinelPassword"
MONTHS = dg.StaticPartitionsDefinition(["2025-01", "2025-02"])
CHANNELS = ("slack", "webhook")
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass
class Receiver:
    """What was delivered, and how the next deliveries are answered."""

    url: str = ""
    status: int = 200
    answer: dict[str, Any] = field(default_factory=lambda: {"ok": True})
    bodies: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        """The digests as people read them."""
        return [json.loads(body)["text"] for body in self.bodies]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A server on loopback that takes a webhook's posts and plays Slack's API."""
    received = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            received.headers.append(dict(self.headers))
            if received.status == 200 and received.answer.get("ok"):
                received.bodies.append(body)
            answer = json.dumps(received.answer).encode()
            self.send_response(received.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        received.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield received
        finally:
            server.shutdown()
            thread.join()


class State:
    """How the small chain of these tests behaves."""

    error: Exception | None = None
    passes = True
    severity = dg.AssetCheckSeverity.ERROR
    description = f"account {ACCOUNT} is billed twice\nremedy: delete one of them"


@dg.asset(
    name="bills",
    partitions_def=MONTHS,
    check_specs=[dg.AssetCheckSpec("every_bill_is_right", asset="bills")],
)
def _bills() -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster takes no parameter beside check results
    if isinstance(State.error, BillingError):
        raise failure_of(State.error)
    if State.error is not None:
        raise State.error
    found = dg.AssetCheckResult(
        passed=State.passes,
        severity=State.severity,
        description=None if State.passes else State.description,
    )
    return dg.MaterializeResult(check_results=[found])


@dataclass
class Watched:
    """Runs of a small chain, and the sensors of a deployment."""

    instance: dg.DagsterInstance
    settings: Settings
    cursors: dict[str, str | None] = field(default_factory=dict)

    def run(self, period: str = "2025-01", *, passes: bool = True, error: Exception | None = None) -> str:
        """Run the chain for a period; the run's id."""
        State.passes, State.error = passes, error
        job = dg.Definitions(assets=[_bills]).resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(
            partition_key=period,
            instance=self.instance,
            run_config=_QUIET,
            raise_on_error=False,
            asset_selection=[dg.AssetKey("bills")],
        )
        assert result.success is (error is None)
        return result.run_id

    def tick(self, channel: str) -> str:
        """Evaluate one sensor, and keep its cursor as the daemon does: only if the tick did not fail."""
        (sensor,) = (s for s in build_alert_sensors(self.settings) if s.name == f"alerts_to_{channel}")
        context = dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursors.get(channel),
            resources={"alerts": AlertsResource.from_settings(self.settings)},
        )
        found = sensor.evaluate_tick(context)
        self.cursors[channel] = found.cursor
        return found.skip_message or ""


@pytest.fixture
def watched(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    """Slack and a webhook, both of them the receiver."""
    variables = {
        "BILLING_SLACK_TOKEN": TOKEN,
        "BILLING_SLACK_CHANNEL": "#billing",
        "BILLING_SLACK_URL": f"{receiver.url}/api",
        "BILLING_ALERT_URL": f"{receiver.url}/hook/5entinel-path",
        "BILLING_UI_URL": "https://dagster.example",
        "SNOWFLAKE_PASSWORD": PASSWORD,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.ephemeral() as instance:
        yield Watched(instance, Settings.from_environment(variables))


def _failing(watched: Watched) -> tuple[str, str, str]:
    """One of each kind: a letter, an error that nobody foresaw, and a failed check whose run is green."""
    letter = BillingError(
        "too much of 2025-01 can't be billed",
        where="resolved_line_items, 2025-01",
        found=f"31 of 410 rows; account {ACCOUNT}; login {PASSWORD}",
        remedy="mend the worst objects in the app",
    )
    return (
        watched.run(error=letter),
        watched.run("2025-02", error=ValueError(f"no such key for {ACCOUNT}, token={TOKEN}")),
        watched.run(passes=False),
    )


@pytest.mark.parametrize("channel", CHANNELS)
def test_one_digest_tells_all_that_is_new_and_the_next_tick_says_nothing(
    watched: Watched, receiver: Receiver, channel: str
) -> None:
    """Failed runs and the check that newly fails, each with period, cause, remedy and link."""
    watched.run(passes=False, period="2025-02")
    assert watched.tick(channel) == "watching from now on"
    runs = _failing(watched)
    watched.run("2025-02")
    assert watched.tick(channel) == "3 told"
    (text,) = receiver.texts
    assert text.startswith("billing_assets: 2 failed runs and 1 newly failing check")
    for run in runs:
        assert text.count(f"https://dagster.example/runs/{run}") == 1
    for told in (
        "run failed: bills, 2025-01",
        "too much of 2025-01 can't be billed",
        "remedy: mend the worst objects in the app",
        "run failed: bills, 2025-02",
        "check failed: bills: every_bill_is_right, 2025-01",
        "remedy: delete one of them",
    ):
        assert told in text
    assert watched.tick(channel) == "nothing new"
    watched.run(passes=False)
    assert watched.tick(channel) == "nothing new"
    watched.run()
    watched.run(passes=False)
    assert watched.tick(channel) == "1 told"
    assert len(receiver.texts) == 2


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_digest_holds_no_secret_and_no_full_account_number(
    watched: Watched, receiver: Receiver, channel: str
) -> None:
    """Nor do the headers of what isn't Slack's own; the last four digits of the account stay."""
    watched.tick(channel)
    _failing(watched)
    watched.tick(channel)
    (text,) = receiver.texts
    for hidden in (ACCOUNT, "456789", TOKEN, PASSWORD, "5entinel"):
        assert hidden not in receiver.bodies[0]
        assert hidden not in text
    assert text.count("***8901") == 3
    if channel == "slack":
        assert receiver.headers[-1]["Authorization"] == f"Bearer {TOKEN}"
        assert json.loads(receiver.bodies[0])["channel"] == "#billing"
    else:
        assert TOKEN not in str(receiver.headers)


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize(
    "refusal",
    [
        (503, {}, "can't be delivered"),
        (429, {"ok": False, "error": "ratelimited"}, "can't be delivered"),
        (404, {"ok": False, "error": "channel_not_found"}, "the alerts"),
    ],
)
def test_what_a_receiver_did_not_take_is_sent_again_and_only_once(
    watched: Watched, receiver: Receiver, channel: str, refusal: tuple[int, dict[str, Any], str]
) -> None:
    """The failed tick keeps its cursor, what comes meanwhile comes along, and the letter holds no address."""
    status, answer, words = refusal
    watched.tick(channel)
    watched.run(passes=False)
    receiver.status, receiver.answer = status, answer
    for _ in range(2):
        with pytest.raises(BillingError, match=words) as caught:
            watched.tick(channel)
        assert "5entinel" not in str(caught.value)
        assert caught.value.__cause__ is None
    watched.run("2025-02", error=ValueError("broken"))
    receiver.status, receiver.answer = 200, {"ok": True}
    assert watched.tick(channel) == "2 told"
    assert watched.tick(channel) == "nothing new"
    (text,) = receiver.texts
    assert "every_bill_is_right" in text
    assert "broken" in text


def test_a_receiver_that_is_gone_holds_up_no_other(watched: Watched, receiver: Receiver) -> None:
    """Each place has a cursor of its own."""
    gone = Watched(watched.instance, Settings.from_environment({"BILLING_ALERT_URL": "http://127.0.0.1:9/"}))
    watched.tick("slack")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BILLING_ALERT_URL", "http://127.0.0.1:9/")
        gone.tick("webhook")
        watched.run(passes=False)
        with pytest.raises(BillingError, match="can't be delivered"):
            gone.tick("webhook")
    assert watched.tick("slack") == "1 told"
    assert len(receiver.texts) == 1


def test_a_digest_is_one_line_in_the_log(watched: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    """For a deployment that collects its output; the same redaction."""
    watched.settings = Settings.from_environment({"BILLING_ALERT_LOG": "on"})
    watched.tick("log")
    run = _failing(watched)[0]
    capsys.readouterr()
    assert watched.tick("log") == "3 told"
    out = capsys.readouterr().out
    (line,) = (line for line in out.splitlines() if line.startswith("{"))
    told = json.loads(line)
    assert told["alerts"][0]["run_id"] == run
    assert told["alerts"][0]["period"] == "2025-01"
    assert ACCOUNT not in line
    assert PASSWORD not in line


def test_alerts_are_off_until_they_are_configured() -> None:
    """Each sensor is stopped, says so, and says why when somebody starts it all the same."""
    settings = Settings.from_environment({})
    with dg.DagsterInstance.ephemeral() as instance:
        for sensor in build_alert_sensors(settings):
            assert sensor.default_status is dg.DefaultSensorStatus.STOPPED
            assert "until it is configured" in Watched(instance, settings).tick(sensor.name.removeprefix("alerts_to_"))
    configured = Settings.from_environment({"BILLING_SLACK_TOKEN": "t", "BILLING_SLACK_CHANNEL": "#c"})
    running = {s.name for s in build_alert_sensors(configured) if s.default_status is dg.DefaultSensorStatus.RUNNING}
    assert running == {"alerts_to_slack"}


def test_a_warning_is_no_alert_and_a_run_that_is_tried_again_is_none_yet(watched: Watched) -> None:
    """Dagster marks a lost worker's run that it launches again."""
    watched.tick("webhook")
    State.severity = dg.AssetCheckSeverity.WARN
    try:
        watched.run(passes=False)
    finally:
        State.severity = dg.AssetCheckSeverity.ERROR
    lost = watched.run("2025-02", error=ValueError("lost"))
    watched.instance.add_run_tags(lost, {"dagster/will_retry": "true"})
    assert watched.tick("webhook") == "nothing new"


def test_the_remedy_of_a_check_is_part_of_its_cause(
    watched: Watched, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the description is a letter, or has its remedy in a line at the margin."""
    letter = BillingError("3 of 5 bills are missing", rule="all are expected", remedy="look for them,\nand assign them")
    for description, remedy in (
        (letter.letter(), "   remedy: look for them,\n           and assign them\n"),
        ("2 rows\nremedy: run it", "   remedy: run it\n"),
        ("2 rows", "   remedy: the check's description says what it found; docs/runbook.md says what to do\n"),
    ):
        watched.run()
        watched.tick("webhook")
        monkeypatch.setattr(State, "description", description)
        watched.run(passes=False)
        assert watched.tick("webhook") == "1 told"
        text = receiver.texts[-1]
        assert remedy in text
        assert text.count("remedy:") == 1


def test_a_long_list_of_runs_is_told_in_another_order(
    watched: Watched, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where more runs have ended than one digest takes, a failed one waits for the good ones before it."""
    monkeypatch.setattr(alert_events, "_MOST_RUNS", 2)
    watched.tick("webhook")
    for _ in range(3):
        watched.run()
    watched.run(passes=False)
    watched.run("2025-02", error=ValueError("broken"))
    told = [watched.tick("webhook") for _ in range(4)]
    assert told == ["nothing new", "1 told", "1 told", "nothing new"]
    assert ["every_bill_is_right" in text for text in receiver.texts] == [True, False]
