"""Schedule of the local functions, with fractions of a second instead of minutes."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from local.lambda_runtime.lambda_function import LambdaFunction
from local.lambda_runtime.sandbox import FunctionSpec
from local.scheduler import Scheduler
from tests.support.waiting import wait_until

HANDLER = """
import json, os, pathlib, time

def handler(event, context):
    runs = pathlib.Path("runs")
    with runs.open("a") as file:
        file.write(json.dumps(event) + "\\n")
    number = len(runs.read_text().splitlines())
    while WAITING and not os.path.exists("released"):
        time.sleep(0.01)
    if number in FAILING:
        raise ValueError("not today")
    return {"outcome": "busy" if number in BUSY else "idle"}
"""


@contextmanager
def scheduled(
    folder: Path, *, interval: float, waiting: bool = False, failing: tuple[int, ...] = (), busy: tuple[int, ...] = ()
) -> Iterator[Callable[[], None]]:
    """Run a function on a schedule. Yield a function that stops it.

    waiting: its runs go on until a file `released` exists.
    """
    code = HANDLER.replace("WAITING", str(waiting)).replace("FAILING", str(failing)).replace("BUSY", str(busy))
    (folder / "app.py").write_text(code)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(
            LambdaFunction(FunctionSpec("f", "app.handler", folder, timeout=60))
        ) as function,
    ):
        scheduler = Scheduler(function, "crawler", interval=interval, retry=0.1)

        async def start() -> None:
            scheduler.start()

        portal.call(start)
        stop = partial(portal.call, scheduler.close)
        yield stop
        stop()


def runs(folder: Path, wanted: int) -> list[Any]:
    """Wait until there have been as many runs, and return the events of all."""
    file = folder / "runs"
    wait_until(lambda: file.exists() and len(file.read_text().splitlines()) >= wanted)
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_the_first_event_comes_at_once_and_is_a_schedules(tmp_path: Path) -> None:
    with scheduled(tmp_path, interval=60):
        [event] = runs(tmp_path, 1)
    assert event["source"] == "aws.events"


def test_a_failed_run_is_reported_and_does_not_prevent_the_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with scheduled(tmp_path, interval=0.3, failing=(1,)):
        assert len(runs(tmp_path, 3)) >= 3
    assert "crawler    ERROR the run failed: ValueError: not today" in capsys.readouterr().out


def test_a_first_run_that_finds_the_lease_taken_is_tried_again_soon(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with scheduled(tmp_path, interval=60, busy=(1, 2)):
        assert len(runs(tmp_path, 3)) == 3
        time.sleep(0.4)
        assert len(runs(tmp_path, 3)) == 3
    assert capsys.readouterr().out.count("an earlier run still holds the lease") == 2


def test_a_run_that_goes_on_longer_keeps_its_next_turn_from_beginning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with scheduled(tmp_path, interval=0.1, waiting=True):
        runs(tmp_path, 1)
        wait_until(lambda: "the previous run has not ended" in capsys.readouterr().out)
        assert len(runs(tmp_path, 1)) == 1
        (tmp_path / "released").touch()
        runs(tmp_path, 2)


def test_after_a_stop_no_run_begins(tmp_path: Path) -> None:
    with scheduled(tmp_path, interval=0.1) as stop:
        runs(tmp_path, 1)
        stop()
        count = len(runs(tmp_path, 1))
        time.sleep(0.5)
        assert len(runs(tmp_path, 1)) == count
