"""Lambda sandbox (execution environment): a process with a runtime client, and its Runtime API.

The API follows docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html.
"""

import asyncio
import json
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.lambda_runtime.client_command import client_command
from local.lambda_runtime.http_server import listen, port_of, serve
from local.lambda_runtime.lambda_errors import FunctionError, FunctionTimeout, ResponseTooLarge, SandboxEnded
from local.processes import iter_lines, signal_session, start_child

RESPONSE_BYTES: Final = 6_291_556
"""Lambda's limit of a synchronous response (docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)."""
INIT_SECONDS: Final = 60.0
"""Limit of the initialization. Lambda allows 10 s. Here several sandboxes may start at once on a small machine."""
REGION: Final = "us-east-1"
ACCOUNT: Final = "123456789012"

Log = Callable[[str], None]


@dataclass(frozen=True)
class FunctionSpec:
    """Properties of a function from a template.

    directory: the function's code, /var/task on Lambda.
    python_path: other import paths, /opt/python on Lambda.
    environment: the function's variables. RUNTIME_CLIENT selects the runtime client.
    timeout: in seconds.
    memory: in MB. The function can read the value, but it is not enforced.
    """

    name: str
    handler: str
    directory: Path
    python_path: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 3.0
    memory: int = 512

    @property
    def arn(self) -> str:
        """ARN of the function."""
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.name}"

    def sandbox_environment(self, runtime_api: str) -> dict[str, str]:
        """Return the environment variables that Lambda defines, and the function's own.

        docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
        """
        return {
            "PATH": os.defpath,
            "LANG": "en_US.UTF-8",
            **self.environment,
            "PYTHONPATH": os.pathsep.join((str(self.directory), *self.python_path)),
            "TZ": "UTC",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
            "AWS_LAMBDA_FUNCTION_NAME": self.name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.memory),
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_RUNTIME_API": runtime_api,
            "LAMBDA_TASK_ROOT": str(self.directory),
            "_HANDLER": self.handler,
        }


@dataclass
class _Invocation:
    event: bytes
    response: asyncio.Future[bytes]
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))


class Sandbox:
    """Process of a function, for one event at a time. The sandbox cannot be used after its process has ended."""

    _ended: asyncio.Task[None]  # ends with the process; set by start

    def __init__(self, spec: FunctionSpec, log: Log) -> None:
        self._spec = spec
        self._log = log
        self._runtime_api_server = AsyncExitStack()
        self._process: asyncio.subprocess.Process | None = None
        self._next: asyncio.Queue[_Invocation | None] = asyncio.Queue()
        self._current: _Invocation | None = None
        self._initialized: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._init_error: FunctionError | None = None
        self._killed = False

    @property
    def alive(self) -> bool:
        """True while the process runs."""
        return self._process is not None and self._process.returncode is None and not self._killed

    async def start(self) -> None:
        """Serve the Runtime API and start the process. The function's import continues after this returns."""
        listener = listen()
        await self._runtime_api_server.enter_async_context(serve(self._runtime_api(), listener))
        environment = self._spec.sandbox_environment(runtime_api=f"127.0.0.1:{port_of(listener)}")
        command = client_command(self._spec.environment, self._spec.handler)
        self._process = await start_child(command, environment=environment, directory=self._spec.directory)
        self._ended = asyncio.create_task(self._follow(self._process))

    async def invoke(self, event: bytes) -> bytes:
        """Return the handler's response to an event, both as JSON. Raises LambdaError."""
        invocation = _Invocation(event, asyncio.get_running_loop().create_future())
        try:
            await self._wait_until_initialized()
            self._next.put_nowait(invocation)
            await self._wait_first(invocation.response, self._spec.timeout)
            if invocation.response.done():
                return invocation.response.result()
            if self._ended.done():
                raise SandboxEnded(f"the process of {self._spec.name} exited during an event: {self._exit_reason()}")
            raise FunctionTimeout(f"Task timed out after {self._spec.timeout:.2f} seconds")
        finally:
            if not invocation.response.done():
                self._kill()

    async def close(self) -> None:
        """End the process at once."""
        self._kill()
        if self._process is not None:
            await self._ended
        self._next.put_nowait(None)
        await self._runtime_api_server.aclose()

    def _kill(self) -> None:
        self._killed = True
        if self._process is not None:
            signal_session(self._process, signal.SIGKILL)

    async def _follow(self, process: asyncio.subprocess.Process) -> None:
        """Log the lines of the process until it has ended."""
        async for line in iter_lines(process):
            self._log(line)
        await process.wait()

    async def _wait_until_initialized(self) -> None:
        await self._wait_first(self._initialized, INIT_SECONDS)
        if self._init_error:
            raise self._init_error
        if not self._initialized.done():
            reason = self._exit_reason() if self._ended.done() else f"it took more than {INIT_SECONDS:.0f} s"
            raise SandboxEnded(f"{self._spec.name} failed to initialize: {reason}")

    async def _wait_first(self, future: asyncio.Future[bytes] | asyncio.Future[None], seconds: float) -> None:
        await asyncio.wait({future, self._ended}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)

    def _exit_reason(self) -> str:
        code = self._process.returncode if self._process else None
        return signal.Signals(-code).name if code is not None and code < 0 else f"exit status {code}"

    def _runtime_api(self) -> Starlette:
        runtime = "/2018-06-01/runtime"
        return Starlette(
            routes=[
                Route(f"{runtime}/invocation/next", self._next_invocation),
                Route(f"{runtime}/invocation/{{id}}/response", self._post_response, methods=["POST"]),
                Route(f"{runtime}/invocation/{{id}}/error", self._post_error, methods=["POST"]),
                Route(f"{runtime}/init/error", self._post_init_error, methods=["POST"]),
            ]
        )

    async def _next_invocation(self, request: Request) -> Response:  # noqa: ARG002  # Starlette's signature
        if not self._initialized.done():
            self._initialized.set_result(None)
        invocation = await self._next.get()
        if invocation is None:
            return Response(status_code=410)
        self._current = invocation
        headers = {
            "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + self._spec.timeout) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": self._spec.arn,
            "Lambda-Runtime-Trace-Id": f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]};Sampled=0",
        }
        return Response(invocation.event, media_type="application/json", headers=headers)

    async def _post_response(self, request: Request) -> Response:
        invocation = self._current_for(request)
        if invocation is None:
            return _unknown_id()
        body = bytearray()
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size <= RESPONSE_BYTES:
                body += chunk
        if size > RESPONSE_BYTES:
            message = f"Response payload size exceeded maximum allowed payload size ({RESPONSE_BYTES} bytes)."
            invocation.response.set_exception(ResponseTooLarge(message))
            self._kill()  # after a 413, the runtime client would end its process
            return _error_response(413, "RequestEntityTooLarge", message)
        invocation.response.set_result(bytes(body))
        return _accepted()

    async def _post_error(self, request: Request) -> Response:
        invocation = self._current_for(request)
        if invocation is None:
            return _unknown_id()
        invocation.response.set_exception(FunctionError.from_report(json.loads(await request.body())))
        return _accepted()

    async def _post_init_error(self, request: Request) -> Response:
        self._init_error = FunctionError.from_report(json.loads(await request.body()))
        return _accepted()

    def _current_for(self, request: Request) -> _Invocation | None:
        current = self._current
        if current is None or current.request_id != request.path_params["id"] or current.response.done():
            return None
        return current


def _accepted() -> Response:
    return JSONResponse({"status": "OK"}, status_code=202)


def _unknown_id() -> Response:
    return _error_response(400, "InvalidRequestID", "This is not the id of the current event.")


def _error_response(status: int, error_type: str, message: str) -> Response:
    return JSONResponse({"errorType": error_type, "errorMessage": message}, status_code=status)
