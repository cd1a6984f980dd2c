"""The functions in processes of their own, and all that they say."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal

from local.lambda_runtime.events import HttpRequest, http_event, http_response
from local.lambda_runtime.functions import function_spec
from local.lambda_runtime.lambda_errors import LambdaError
from local.lambda_runtime.lambda_function import LambdaFunction


class Sandboxes:
    """said: each line that the functions wrote, and each answer and error of theirs."""

    def __init__(self, portal: BlockingPortal) -> None:
        self.output: list[str] = []
        self._portal = portal
        self._started: list[LambdaFunction] = []

    def start(self, name: str, environment: Mapping[str, str]) -> "SandboxedFunction":
        """One of `api`, `crawler` and `migrator`, cold."""
        function = LambdaFunction(function_spec(name, environment), log=self.output.append)
        self._started.append(function)
        self._portal.call(function.start)
        return SandboxedFunction(self, function)

    def invoke(self, function: LambdaFunction, event: Mapping[str, Any]) -> bytes:
        """Its answer. Raises LambdaError."""
        try:
            answer = self._portal.call(function.invoke, json.dumps(event).encode())
        except LambdaError as error:
            self.output.append(str(error))
            raise
        self.output.append(answer.decode())
        return answer

    def close(self) -> None:
        """Ends them."""
        for function in self._started:
            self._portal.call(function.close)


class SandboxedFunction:
    """A function for synchronous callers."""

    def __init__(self, sandboxes: Sandboxes, function: LambdaFunction) -> None:
        self._sandboxes = sandboxes
        self._function = function

    def __call__(self, event: Mapping[str, Any]) -> Any:
        """Its answer to an event. Raises LambdaError."""
        return json.loads(self._sandboxes.invoke(self._function, event))

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        """Status and body of a GET, of the API."""
        return self.request(HttpRequest("GET", path))

    def request(self, request: HttpRequest) -> tuple[int, dict[str, Any]]:
        """The same of any request."""
        answer = http_response(self._sandboxes.invoke(self._function, http_event(request, "id")))
        self._sandboxes.output.append(answer.body.decode())  # it was compressed in what was said
        return answer.status, json.loads(answer.body)


@contextmanager
def sandboxes(hidden: Sequence[str]) -> Iterator[Sandboxes]:
    """Room for them. In the end none of the hidden texts may stand in anything that they said."""
    with start_blocking_portal() as portal:
        made = Sandboxes(portal)
        yield made
        made.close()
    assert made.output
    assert [line for line in made.output if any(text in line for text in hidden)] == []
