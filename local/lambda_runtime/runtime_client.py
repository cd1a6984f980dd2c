"""Runtime client of Lambda for systems without awslambdaric's wheel: it calls a handler with each event.

usage: python3 -P local/lambda_runtime/runtime_client.py module.handler

The Runtime API is that of docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html. A handler cannot distinguish this
client from awslambdaric 4.2. Only the standard library is used: a function does not find the package local.
"""

import http.client
import importlib
import io
import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final, NoReturn

Handler = Callable[[Any, "Context"], Any]

_PREFIX: Final = "/2018-06-01/runtime"
_LINE_END: Final = "\r"  # in the text of an error, which CloudWatch keeps in one log event
_INDENTATION: Final = "\u00a0"  # no-break space, which consoles do not remove


class RuntimeFault(Exception):
    """Error outside of the handler. error_type: its name on Lambda."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type


class Context:
    """Context of one event (docs.aws.amazon.com/lambda/latest/dg/python-context.html).

    headers: those of the response that has the event.
    """

    def __init__(self, headers: http.client.HTTPMessage) -> None:
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.tenant_id = headers["Lambda-Runtime-Aws-Tenant-Id"]
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        identity = json.loads(headers["Lambda-Runtime-Cognito-Identity"] or "{}")
        self.identity = SimpleNamespace(
            cognito_identity_id=identity.get("cognitoIdentityId"),
            cognito_identity_pool_id=identity.get("cognitoIdentityPoolId"),
        )
        client = json.loads(headers["Lambda-Runtime-Client-Context"] or "null")
        self.client_context = client and SimpleNamespace(
            custom=client.get("custom"), env=client.get("env"), client=SimpleNamespace(**client.get("client") or {})
        )
        self._deadline_ms = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the timeout, at least 0."""
        return max(0, self._deadline_ms - int(time.time() * 1000))


class RuntimeApi:
    """Runtime API over one connection. A failed request ends the process, as on Lambda.

    address: host and port, as in AWS_LAMBDA_RUNTIME_API.
    """

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(address)

    def next_event(self) -> tuple[bytes, http.client.HTTPMessage]:
        """Wait for the next event and return it with the headers that describe it."""
        return self._request("GET", "/invocation/next")

    def post(self, path: str, body: bytes) -> None:
        """Send a response or an error."""
        self._request("POST", path, body)

    def _request(self, method: str, path: str, body: bytes | None = None) -> tuple[bytes, http.client.HTTPMessage]:
        try:
            self._connection.request(method, f"{_PREFIX}{path}", body, {"content-type": "application/json"})
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            sys.exit(f"The Runtime API failed at {path}: {error!r}.")
        if response.status >= 300:
            sys.exit(f"The Runtime API responded with {response.status} to {path}.")
        return content, response.headers


class _RequestIdFilter(logging.Filter):
    """Filter that adds the id of the current event to log records."""

    aws_request_id = ""

    def filter(self, record: logging.LogRecord) -> bool:
        record.aws_request_id = self.aws_request_id
        return True


def main(handler_name: str) -> NoReturn:
    """Import the handler and call it with each event; never return."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
    request_id = _set_up_logging()
    runtime_api = RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        handler = load_handler(handler_name)
    except Exception as error:  # noqa: BLE001  # any error of the function's modules
        runtime_api.post("/init/error", _report(error))
        sys.exit(1)
    while True:
        event, headers = runtime_api.next_event()
        request_id.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        _set_trace_id(headers["Lambda-Runtime-Trace-Id"])
        outcome, body = call(handler, event, headers)
        runtime_api.post(f"/invocation/{request_id.aws_request_id}/{outcome}", body)


def load_handler(name: str) -> Handler:
    """Return the function with a name such as module.handler. Raises RuntimeFault, and the errors of the module."""
    module_name, _, function_name = name.rpartition(".")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        message = f"Unable to import module '{module_name}': {error}"
        raise RuntimeFault("Runtime.ImportModuleError", message) from None
    except SyntaxError as error:
        message = f"Syntax error in module '{module_name}': {error}"
        raise RuntimeFault("Runtime.UserCodeSyntaxError", message) from None
    try:
        handler: Handler = getattr(module, function_name)
    except AttributeError:
        message = f"Handler '{function_name}' missing on module '{module_name}'"
        raise RuntimeFault("Runtime.HandlerNotFound", message) from None
    return handler


def call(handler: Handler, event: bytes, headers: http.client.HTTPMessage) -> tuple[str, bytes]:
    """Return "response" and the handler's response, or "error" and the error, as JSON."""
    try:
        return "response", _encode(handler(_decode(event), Context(headers)))
    except Exception as error:  # noqa: BLE001  # any error of the handler
        return "error", _report(error, headers["Lambda-Runtime-Aws-Request-Id"])


def _decode(event: bytes) -> Any:
    try:
        return json.loads(event)
    except ValueError as error:
        raise RuntimeFault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from None


def _encode(response: object) -> bytes:
    try:
        return json.dumps(response, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise RuntimeFault("Runtime.MarshalError", f"Unable to marshal response: {error}") from None


def _report(error: Exception, request_id: str = "") -> bytes:
    """Log an error and return it in the format of the Runtime API."""
    if isinstance(error, RuntimeFault):
        error_type, stack = error.error_type, list[str]()
    else:
        error_type = type(error).__name__
        frames = traceback.extract_tb(error.__traceback__)
        stack = traceback.format_list([frame for frame in frames if frame.filename != __file__])
    lines = [f"[ERROR] {error_type}: {error}" if str(error) else f"[ERROR] {error_type}"]
    lines += ["Traceback (most recent call last):", *(line for entry in stack for line in entry.splitlines())]
    print(_LINE_END.join(_keep_indentation(line) for line in lines))
    fields = {"errorMessage": str(error), "errorType": error_type, "requestId": request_id, "stackTrace": stack}
    return json.dumps(fields).encode()


def _keep_indentation(line: str) -> str:
    text = line.lstrip(" ")
    return _INDENTATION * (len(line) - len(text)) + text


def _set_trace_id(trace_id: str | None) -> None:
    os.environ.pop("_X_AMZN_TRACE_ID", None)
    if trace_id is not None:
        os.environ["_X_AMZN_TRACE_ID"] = trace_id


def _set_up_logging() -> _RequestIdFilter:
    """Add a handler to the root logger, and return its filter."""
    logging.Formatter.converter = time.gmtime
    line = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"
    log_handler = logging.StreamHandler(sys.stdout)
    log_handler.setFormatter(logging.Formatter(line, "%Y-%m-%dT%H:%M:%S"))
    request_id = _RequestIdFilter()
    log_handler.addFilter(request_id)
    logging.getLogger().addHandler(log_handler)
    return request_id


if __name__ == "__main__":
    main(sys.argv[1])
