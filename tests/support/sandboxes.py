"""The functions in their own processes, and all their output."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal

from local.lambda_runtime.events import HttpRequest, HttpResponse, http_event, http_response
from local.lambda_runtime.functions import function_spec
from local.lambda_runtime.lambda_errors import LambdaError
from local.lambda_runtime.lambda_function import LambdaFunction


class Sandboxes:
    """Sandboxes that record all output.

    output: each line that the functions wrote, each response and each error.
    """

    def __init__(self, portal: BlockingPortal) -> None:
        self.output: list[str] = []
        self._portal = portal
        self._started: list[LambdaFunction] = []

    def start(self, name: str, environment: Mapping[str, str]) -> "SandboxedFunction":
        """Start `api`, `crawler` or `migrator` in a cold sandbox."""
        function = LambdaFunction(function_spec(name, environment), log=self.output.append)
        self._started.append(function)
        self._portal.call(function.start)
        return SandboxedFunction(self, function)

    def invoke(self, function: LambdaFunction, event: Mapping[str, Any]) -> bytes:
        """Return the function's response to an event, as JSON. Raises LambdaError."""
        try:
            answer = self._portal.call(function.invoke, json.dumps(event).encode())
        except LambdaError as error:
            self.output.append(str(error))
            raise
        self.output.append(answer.decode())
        return answer

    def close(self) -> None:
        """End the sandboxes."""
        for function in self._started:
            self._portal.call(function.close)


class SandboxedFunction:
    """Function for synchronous callers."""

    def __init__(self, sandboxes: Sandboxes, function: LambdaFunction) -> None:
        self._sandboxes = sandboxes
        self._function = function

    def __call__(self, event: Mapping[str, Any]) -> Any:
        """Return the function's response to an event. Raises LambdaError."""
        return json.loads(self._sandboxes.invoke(self._function, event))

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        """Send a GET request to the API and return status and body."""
        return self.request(HttpRequest("GET", path))

    def request(self, request: HttpRequest) -> tuple[int, dict[str, Any]]:
        """Send a request to the API and return status and body."""
        answer = self.response(request)
        return answer.status, json.loads(answer.body)

    def response(self, request: HttpRequest) -> HttpResponse:
        """Send a request to the API and return the response."""
        answer = http_response(self._sandboxes.invoke(self._function, http_event(request, "id")))
        self._sandboxes.output.append(answer.body.decode())  # the recorded response is compressed
        return answer


@contextmanager
def sandboxes(hidden: Sequence[str]) -> Iterator[Sandboxes]:
    """Yield the sandboxes. At the end, check that their output contains none of the hidden texts."""
    with start_blocking_portal() as portal:
        made = Sandboxes(portal)
        try:
            yield made
        finally:
            made.close()
    assert made.output
    assert [line for line in made.output if any(text in line for text in hidden)] == []
