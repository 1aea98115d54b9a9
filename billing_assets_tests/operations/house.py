"""A Dagster house of real processes, as a deployment runs it: code server, daemon, webserver, each in its own group.

Runs are launched as the UI launches them, by its GraphQL. What happened is read from the instance's storage.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import dagster as dg
import yaml

from billing_assets_tests.operations.waiting import free_port, listens, until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PROJECT = Path(__file__).parents[2]
LOCATION = "billing_assets"
_START_SECONDS = 90.0
_ENDED = frozenset({dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED})

_LAUNCH_RUN = """mutation ($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
_LAUNCH_BACKFILL = """mutation ($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
_SWITCH = {
    True: """mutation ($params: ScheduleSelector!) { startSchedule(scheduleSelector: $params) {
      __typename ... on PythonError { message } } }""",
    False: """mutation ($params: String!) { stopRunningSchedule(id: $params) {
      __typename ... on PythonError { message } } }""",
}


@dataclass
class House:
    """Three processes over one instance; a context manager that ends them with their workers.

    Attributes:
        home: DAGSTER_HOME; holds the dagster.yaml.
        environment: Of all three processes.
    """

    home: Path
    environment: Mapping[str, str]
    code_port: int
    web_port: int = field(default_factory=free_port)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @classmethod
    def of(cls, home: Path, dagster_yaml: Path, environment: Mapping[str, str], **changes: Any) -> Self:
        """A house with a `dagster.yaml` of the project's; `changes` are merged into it, section by section."""
        # Paths in it are relative to where Dagster is started, and the test itself opens the instance elsewhere.
        config = yaml.safe_load(dagster_yaml.read_text().replace(".billing/", f"{home}/.billing/"))
        (home / "dagster.yaml").write_text(yaml.safe_dump(_merged(config, changes)))
        shutil.copy(PROJECT / "deploy" / "workspace.yaml", home / "workspace.yaml")
        port = free_port()
        own = {
            "DAGSTER_HOME": str(home),
            "DAGSTER_CODE_SERVER_HOST": "127.0.0.1",
            "DAGSTER_CODE_SERVER_PORT": str(port),
            # Lost runs are looked for every 5 s, if not told otherwise.
            "DAGSTER_EVENT_LOG_CONSUMER_DAEMON_INTERVAL_SECONDS": "1",
        }
        return cls(home, {**environment, **own}, code_port=port)

    def __enter__(self) -> Self:
        try:
            # One process creates the instance's tables before the others open them.
            self.instance = dg.DagsterInstance.from_config(str(self.home))
            self.start_code_server()
            self.start_daemon()
            self.start_webserver()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self.processes):
            self.kill(name)
        if hasattr(self, "instance"):
            self.instance.dispose()

    def start_code_server(self) -> None:
        """The code server; returns when it answers."""
        arguments = ("--module-name", "billing_assets.definitions", "--host", "127.0.0.1", "--log-level", "warning")
        self._start("code-server", "dagster", "api", "grpc", "--port", str(self.code_port), *arguments)
        self._wait_for_port("code-server", self.code_port)

    def start_daemon(self) -> None:
        """The daemon; does not wait."""
        self._start("daemon", "dagster._daemon", "run", "-w", "workspace.yaml")

    def start_webserver(self) -> None:
        """The webserver; returns when it answers."""
        self._start("webserver", "dagster_webserver", "-w", "workspace.yaml", "-p", str(self.web_port))
        self._wait_for_port("webserver", self.web_port)

    def kill(self, name: str) -> None:
        """End a process and all its children as a power cut does."""
        process = self.processes.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def graphql(self, query: str, params: Mapping[str, Any] | str) -> dict[str, Any]:
        """The answer to a mutation that the UI sends, without its name."""
        request = urllib.request.Request(  # our own webserver
            f"http://127.0.0.1:{self.web_port}/graphql",
            data=json.dumps({"query": query, "variables": {"params": params}}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
            body = json.loads(answer.read())
        assert "errors" not in body, body["errors"]
        (found,) = body["data"].values()
        assert isinstance(found, dict)
        return found

    def launch(self, assets: Sequence[str], *, partition: str, tags: Mapping[str, str] | None = None) -> str:
        """Materialize assets of a period, as the UI does; the run's id."""
        all_tags = {"dagster/partition": partition, **(tags or {})}
        selector = {
            "repositoryLocationName": LOCATION,
            "repositoryName": "__repository__",
            "pipelineName": "__ASSET_JOB",
            "assetSelection": [{"path": [asset]} for asset in assets],
        }
        tag_list = [{"key": key, "value": value} for key, value in all_tags.items()]
        answer = self.graphql(_LAUNCH_RUN, {"selector": selector, "executionMetadata": {"tags": tag_list}})
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def backfill(self, assets: Sequence[str], partitions: Sequence[str]) -> str:
        """Launch a backfill, as the UI does; its id."""
        params = {"assetSelection": [{"path": [asset]} for asset in assets], "partitionNames": list(partitions)}
        answer = self.graphql(_LAUNCH_BACKFILL, params)
        assert answer["__typename"] == "LaunchBackfillSuccess", answer
        return str(answer["backfillId"])

    def switch_schedule(self, name: str, *, on: bool) -> None:
        """Start or stop a schedule, as the UI's switch does."""
        if on:
            params: Any = {
                "repositoryLocationName": LOCATION,
                "repositoryName": "__repository__",
                "scheduleName": name,
            }
        else:
            (state,) = (state for state in self.instance.all_instigator_state() if state.name == name)
            params = f"{state.instigator_origin_id}::{state.selector_id}"
        answer = self.graphql(_SWITCH[on], params)
        assert answer["__typename"] == "ScheduleStateResult", answer

    def status(self, run_id: str) -> dg.DagsterRunStatus:
        """How a run stands."""
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        return run.status

    def has_ended(self, run_id: str) -> bool:
        """Whether a run is over, well or not."""
        return self.status(run_id) in _ENDED

    def wait(self, run_id: str, *statuses: dg.DagsterRunStatus, seconds: float = 150.0) -> None:
        """Until a run stands so; another end than one waited for fails the test at once."""

        def stands() -> bool:
            status = self.status(run_id)
            if status in _ENDED and status not in statuses:
                raise AssertionError(f"{run_id} is {status.value}\n{self.story(run_id)}")
            return status in statuses

        wanted = " or ".join(status.value for status in statuses)
        until(stands, seconds=seconds, what=lambda: f"{run_id} never was {wanted}\n{self.story(run_id)}")

    def retry_of(self, run_id: str, *, seconds: float = 60.0) -> str:
        """The run that the daemon launched in a lost one's place."""
        children: list[str] = []

        def retried() -> bool:
            children[:] = [run.run_id for run in self.instance.get_runs() if run.parent_run_id == run_id]
            return bool(children)

        until(retried, seconds=seconds, what=lambda: f"{run_id} was not retried\n{self.story(run_id)}")
        assert len(children) == 1
        return children[0]

    def worker_of(self, run_id: str) -> int:
        """The process id of a run's worker, from its own event."""
        for entry in self.instance.all_logs(run_id):
            if entry.dagster_event and (found := re.search(r"\(pid: (\d+)\)", entry.dagster_event.message or "")):
                return int(found[1])
        raise AssertionError(self.story(run_id))

    def story(self, run_id: str) -> str:
        """What a run's log and the processes' own logs say, for a failed test."""
        events = [f"  {entry.message[:300]}" for entry in self.instance.all_logs(run_id)]
        logs = [f"{path.name}:\n{path.read_text(errors='replace')[-2000:]}" for path in sorted(self.home.glob("*.log"))]
        return "\n".join([*events, *logs])

    def _start(self, name: str, module: str, *arguments: str) -> None:
        with (self.home / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=self.home,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _wait_for_port(self, name: str, port: int) -> None:
        log = self.home / f"{name}.log"

        def answers() -> bool:
            assert self.processes[name].poll() is None, f"{name} ended:\n{log.read_text()[-3000:]}"
            return listens(port)

        until(answers, seconds=_START_SECONDS, what=lambda: f"{name} did not come up:\n{log.read_text()[-3000:]}")


def _merged(config: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(config)
    for name, value in changes.items():
        merged[name] = _merged(merged.get(name, {}), value) if isinstance(value, dict) else value
    return merged
