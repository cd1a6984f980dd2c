"""Functions in Lambda sandboxes: awslambdaric and our own runtime client over our Runtime API."""

import itertools
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from local.lambda_runtime.client_command import RUNTIME_CLIENTS
from local.lambda_runtime.lambda_errors import (
    FunctionError,
    FunctionTimeout,
    LambdaError,
    RequestTooLarge,
    ResponseTooLarge,
    SandboxEnded,
    Throttled,
)
from local.lambda_runtime.lambda_function import REQUEST_BYTES, LambdaFunction
from local.lambda_runtime.sandbox import RESPONSE_BYTES, FunctionSpec
from tests.support.waiting import wait_until

HANDLER = """
import os, pathlib, time

def handler(event, context):
    if "say" in event:
        print(event["say"], flush=True)
    if "raise" in event:
        raise ValueError(event["raise"])
    if "exit" in event:
        os._exit(event["exit"])
    if "size" in event:
        return "x" * (event["size"] - 2)
    began = time.time()
    time.sleep(event.get("sleep", 0))
    if "meet" in event:
        pathlib.Path(f"met-{os.getpid()}").touch()
    while len(list(pathlib.Path().glob("met-*"))) < event.get("meet", 0):
        time.sleep(0.01)
    while "until" in event and not os.path.exists(event["until"]):
        time.sleep(0.01)
    return {
        "pid": os.getpid(), "began": began, "ended": time.time(), "event": event, "id": context.aws_request_id,
        "left": context.get_remaining_time_in_millis(), "arn": context.invoked_function_arn,
        "environment": dict(os.environ),
    }
"""


class Function:
    """Function with a synchronous interface."""

    def __init__(self, portal: BlockingPortal, function: LambdaFunction) -> None:
        self._portal = portal
        self._function = function

    def __call__(self, **event: Any) -> Any:
        return json.loads(self._portal.call(self._function.invoke, json.dumps(event).encode()))

    def begin(self, **event: Any) -> Future[bytes]:
        return self._portal.start_task_soon(self._function.invoke, json.dumps(event).encode())

    def has_living_sandbox(self) -> bool:
        return any(sandbox.alive for sandbox in self._function._sandboxes)


Make = Callable[..., Function]


@pytest.fixture
def logged() -> list[str]:
    return []


@pytest.fixture(params=RUNTIME_CLIENTS)
def variables(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the variables that select each of the runtime clients."""
    return {"RUNTIME_CLIENT": request.param}


@pytest.fixture
def make(tmp_path: Path, logged: list[str], variables: dict[str, str]) -> Iterator[Make]:
    with start_blocking_portal() as portal:
        made: list[LambdaFunction] = []

        def make(code: str = HANDLER, *, timeout: float = 60, concurrency: int = 1, max_waiting: int = 100) -> Function:
            (tmp_path / "app.py").write_text(code)
            spec = FunctionSpec("f", "app.handler", tmp_path, environment={"OURS": "1", **variables}, timeout=timeout)

            async def build() -> LambdaFunction:
                function = LambdaFunction(spec, concurrency=concurrency, max_waiting=max_waiting, log=logged.append)
                made.append(function)
                await function.start()
                return function

            return Function(portal, portal.call(build))

        yield make
        for function in made:
            portal.call(function.close)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_handler_gets_the_event_and_its_context(make: Make) -> None:
    answer = make(timeout=600)(question="é")
    assert answer["event"] == {"question": "é"}
    assert len(answer["id"]) == 36
    assert 500_000 < answer["left"] <= 600_000
    assert answer["arn"].endswith(":function:f")


def test_the_environment_is_lambdas_and_the_functions_own(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_SHELL", "1")
    environment = make()()["environment"]
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == "f"
    assert environment["_HANDLER"] == "app.handler"
    assert environment["TZ"] == "UTC"
    assert environment["OURS"] == "1"
    assert "OF_THE_SHELL" not in environment


def test_one_sandbox_has_one_event_at_a_time(make: Make) -> None:
    function = make()
    begun = [function.begin(sleep=0.2) for _ in range(3)]
    runs = sorted((json.loads(invocation.result()) for invocation in begun), key=lambda run: float(run["began"]))
    assert len({run["pid"] for run in runs}) == 1
    assert all(before["ended"] <= after["began"] for before, after in itertools.pairwise(runs))


def test_two_sandboxes_work_side_by_side(make: Make) -> None:
    function = make(concurrency=2)
    # Each invocation ends only when both have begun.
    first, second = (json.loads(invocation.result()) for invocation in [function.begin(meet=2), function.begin(meet=2)])
    assert first["pid"] != second["pid"]


def test_more_events_than_the_queue_holds_are_throttled(make: Make, tmp_path: Path) -> None:
    function = make(max_waiting=1)
    waiting = [function.begin(until="released"), function.begin()]
    with pytest.raises(Throttled):
        function()
    (tmp_path / "released").touch()
    assert all(invocation.result() for invocation in waiting)


def test_an_exception_of_the_handler_is_reported_and_the_sandbox_continues(make: Make) -> None:
    function = make()
    pid = function()["pid"]
    with pytest.raises(FunctionError, match="ValueError: no such thing") as caught:
        function(**{"raise": "no such thing"})
    assert (caught.value.error_type, caught.value.message) == ("ValueError", "no such thing")
    assert any("app.py" in line for line in caught.value.stack_trace)
    assert function()["pid"] == pid


def test_a_function_over_its_time_is_ended_and_replaced(make: Make) -> None:
    function = make(timeout=3)
    pid = function()["pid"]
    with pytest.raises(FunctionTimeout, match=r"timed out after 3\.00 seconds"):
        function(sleep=3600)
    assert function()["pid"] != pid
    assert not alive(pid)


def test_a_process_that_ends_in_the_middle_of_an_event_is_reported_and_replaced(make: Make) -> None:
    function = make()
    with pytest.raises(SandboxEnded, match="exit status 3"):
        function(exit=3)
    assert function()["event"] == {}


def test_a_process_killed_between_two_events_is_replaced_unnoticed(make: Make) -> None:
    function = make()
    pid = function()["pid"]
    os.kill(pid, 9)
    wait_until(lambda: not function.has_living_sandbox())
    assert function()["pid"] != pid


def test_a_response_at_the_limit_passes_and_one_above_is_rejected(make: Make) -> None:
    function = make()
    assert len(function(size=RESPONSE_BYTES)) == RESPONSE_BYTES - 2
    with pytest.raises(ResponseTooLarge, match="6291556"):
        function(size=RESPONSE_BYTES + 1)
    assert function()["event"] == {}


def test_an_event_over_the_limit_never_reaches_the_function(make: Make) -> None:
    function = make()
    with pytest.raises(RequestTooLarge):
        function(text="x" * REQUEST_BYTES)
    assert function()["event"] == {}


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import nothing_like_it", "Runtime.ImportModuleError: .*nothing_like_it"),
        ("raise ValueError('at import')", "ValueError: at import"),
        ("def other(): pass", "Runtime.HandlerNotFound"),
        ("import os; os._exit(7)", "failed to initialize: exit status 7"),
    ],
)
def test_a_function_that_cannot_be_imported_says_why_at_every_event(make: Make, code: str, message: str) -> None:
    function = make(code)
    for _ in range(2):
        with pytest.raises(LambdaError, match=message):
            function()


def test_function_output_is_logged_line_by_line(make: Make, logged: list[str]) -> None:
    make()(say="one\ntwo " + "x" * 200_000)
    wait_until(lambda: len(logged) >= 2)
    assert [line[:5] for line in logged] == ["one", "two x"]
    assert len(logged[1]) == 200_004


def test_close_leaves_no_process(tmp_path: Path, variables: dict[str, str]) -> None:
    with start_blocking_portal() as portal:
        (tmp_path / "app.py").write_text(HANDLER)
        spec = FunctionSpec("f", "app.handler", tmp_path, environment=variables)
        with portal.wrap_async_context_manager(LambdaFunction(spec)) as function:
            pid = json.loads(portal.call(function.invoke, b"{}"))["pid"]
            assert alive(pid)
    assert not alive(pid)
