"""Our runtime client: it sends and logs what awslambdaric does, for the same handlers and events."""

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from local.lambda_runtime.client_command import AWSLAMBDARIC, OWN_CLIENT, client_command
from local.lambda_runtime.sandbox import FunctionSpec
from tests.support.http_server import HttpServer, Request, Response

HANDLER = r"""
import logging, os, sys

logging.getLogger().setLevel(logging.INFO)


class Silent(Exception):
    pass


def handler(event, context):
    match event:
        case {"echo": value}:
            return value
        case {"raise": message}:
            raise ValueError(message)
        case {"chain": message}:
            try:
                raise KeyError(message)
            except KeyError as error:
                raise Silent from error
        case {"return": expression}:
            return eval(expression, {"circle": circle()})
        case {"log": text}:
            logging.info("%s", text)
            logging.getLogger("other").warning(text)
            print(text)
        case {"exit": status}:
            sys.exit(status)
        case "context":
            names = [
                "aws_request_id", "function_name", "function_version", "invoked_function_arn", "log_group_name",
                "log_stream_name", "memory_limit_in_mb", "tenant_id",
            ]
            client = context.client_context
            return {
                **{name: getattr(context, name) for name in names},
                "identity": [context.identity.cognito_identity_id, context.identity.cognito_identity_pool_id],
                "client": client and [client.custom, client.env, client.client.app_title],
                "trace": os.environ.get("_X_AMZN_TRACE_ID"),
                "weeks left": context.get_remaining_time_in_millis() // 604_800_000,
                "variables": sorted(os.environ),
                "folders": [sys.path[0], os.getcwd()],
                "modules": [name in sys.modules for name in ("local", "fastapi")],
            }


def circle():
    items = []
    items.append(items)
    return items
"""
IN_2100 = "4102444800000"
ENDED = {"exit": 0}
"""Last event, which ends the process without a message of the client."""


class Post(NamedTuple):
    """Response or error that a client sends."""

    path: str
    body: Any


class RuntimeApi(HttpServer):
    """Runtime API with one event after the other, and 410 after the last one.

    status: of the responses to what the client sends.
    """

    def __init__(self, events: list[bytes], headers: Mapping[str, str], status: int) -> None:
        super().__init__(["GET", "POST"])
        self.posts: list[Post] = []
        self._events = enumerate(events)
        self._headers = headers
        self._status = status

    def respond(self, request: Request) -> Response:
        path = request.path.removeprefix("/2018-06-01/runtime/")
        if request.method == "POST":
            self.posts.append(Post(path, json.loads(request.body)))
            return Response(self._status, b"{}")
        assert path == "invocation/next"
        number, event = next(self._events, (0, None))
        if event is None:
            return Response(410)
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": f"request-{number}",
            "Lambda-Runtime-Deadline-Ms": IN_2100,
            "Lambda-Runtime-Invoked-Function-Arn": "arn:f",
        }
        return Response(200, event, headers | dict(self._headers))


class Outcome(NamedTuple):
    """Everything that a client sends and logs. log: without times."""

    posts: list[Post]
    log: str
    code: int


def run(
    client: str,
    folder: Path,
    *events: Any,
    code: str = HANDLER,
    status: int = 202,
    headers: Mapping[str, str] | None = None,
) -> Outcome:
    (folder / "app.py").write_text(code)
    bodies = [event if isinstance(event, bytes) else json.dumps(event).encode() for event in events]
    spec = FunctionSpec("f", "app.handler", folder, environment={"RUNTIME_CLIENT": client})
    with RuntimeApi(bodies, headers or {}, status) as runtime_api:
        process = subprocess.run(
            client_command(spec.environment, spec.handler),
            cwd=folder,
            env=spec.sandbox_environment(runtime_api.address.removeprefix("http://")),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=120,
            check=False,
        )
    log = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", process.stdout.decode())
    return Outcome(runtime_api.posts, log, process.returncode)


def compared(folder: Path, *events: Any, **options: Any) -> Outcome:
    """Return the outcome of our client, which must be that of awslambdaric."""
    ours, theirs = (run(client, folder, *events, ENDED, **options) for client in (OWN_CLIENT, AWSLAMBDARIC))
    assert ours == theirs
    assert ours.code == 0
    return ours


def test_events_and_responses_of_any_kind_pass_unchanged(tmp_path: Path) -> None:
    values: list[Any] = [None, True, 1.5, "é \u2028 \U0001f600 \0", [], {"a": [{"b": "c"}]}, "x" * 5_000_000]
    outcome = compared(tmp_path, *({"echo": value} for value in values))
    assert outcome.posts == [(f"invocation/request-{number}/response", value) for number, value in enumerate(values)]


@pytest.mark.parametrize(
    ("deadline", "weeks"), [(IN_2100, range(1_000, 6_000)), ("1", [0])], ids=["in 2100", "in the past"]
)
def test_the_context_has_the_headers_and_variables(tmp_path: Path, deadline: str, weeks: Any) -> None:
    headers = {
        "Lambda-Runtime-Deadline-Ms": deadline,
        "Lambda-Runtime-Trace-Id": "Root=1-a;Sampled=0",
        "Lambda-Runtime-Aws-Tenant-Id": "tenant",
        "Lambda-Runtime-Cognito-Identity": json.dumps({"cognitoIdentityId": "i", "cognitoIdentityPoolId": "p"}),
        "Lambda-Runtime-Client-Context": json.dumps({"custom": {"a": 1}, "client": {"app_title": "t"}}),
    }
    [(_, seen), *_] = compared(tmp_path, "context", headers=headers).posts
    assert seen["aws_request_id"] == "request-0"
    assert (seen["function_name"], seen["memory_limit_in_mb"], seen["tenant_id"]) == ("f", "512", "tenant")
    assert seen["trace"] == "Root=1-a;Sampled=0"
    assert (seen["identity"], seen["client"]) == (["i", "p"], [{"a": 1}, None, "t"])
    assert seen["weeks left"] in weeks
    assert seen["folders"] == [str(tmp_path), str(tmp_path)]
    assert seen["modules"] == [False, False]


def test_a_context_without_optional_headers_has_none_of_their_values(tmp_path: Path) -> None:
    [(_, seen), *_] = compared(tmp_path, "context").posts
    assert (seen["trace"], seen["identity"], seen["client"]) == (None, [None, None], None)


def test_an_invalid_header_is_an_error_of_its_event(tmp_path: Path) -> None:
    outcome = run(OWN_CLIENT, tmp_path, "context", {"echo": 1}, headers={"Lambda-Runtime-Client-Context": "{"})
    assert [path.rpartition("/")[2] for path, _ in outcome.posts] == ["error", "error"]


def test_errors_of_the_handler_are_reported_and_logged_and_the_next_event_follows(tmp_path: Path) -> None:
    outcome = compared(tmp_path, {"raise": "no “such” thing"}, {"chain": "x"}, {"echo": 1})
    (path, error), (_, silent), (_, response) = outcome.posts
    assert path == "invocation/request-0/error"
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "no “such” thing")
    assert [line.splitlines()[0] for line in error["stackTrace"]] == [
        f'  File "{tmp_path}/app.py", line 16, in handler'
    ]
    assert (silent["errorType"], silent["errorMessage"]) == ("Silent", "")
    assert response == 1
    assert outcome.log.startswith(
        "[ERROR] ValueError: no “such” thing\rTraceback (most recent call last):\r\u00a0\u00a0File"
    )


@pytest.mark.parametrize(
    ("event", "error_type"),
    [
        ({"return": "object()"}, "Runtime.MarshalError"),
        ({"return": "{1}"}, "Runtime.MarshalError"),
        ({"return": "circle"}, "Runtime.MarshalError"),
        (b"x", "Runtime.UnmarshalError"),
        (b"\xff", "Runtime.UnmarshalError"),
    ],
)
def test_a_value_that_is_not_json_is_reported(tmp_path: Path, event: Any, error_type: str) -> None:
    outcome = compared(tmp_path, event, {"echo": 1})
    assert [body if body == 1 else body["errorType"] for _, body in outcome.posts] == [error_type, 1]


def test_a_lone_surrogate_is_reported(tmp_path: Path) -> None:
    # awslambdaric's process ends.
    outcome = run(OWN_CLIENT, tmp_path, {"echo": "\ud800"}, {"raise": "\ud800"}, {"echo": 1}, ENDED)
    assert [body if body == 1 else body["errorType"] for _, body in outcome.posts] == [
        "Runtime.MarshalError",
        "ValueError",
        1,
    ]


def test_log_lines_have_the_level_the_time_and_the_request(tmp_path: Path) -> None:
    assert compared(tmp_path, {"echo": 1}, {"log": "é"}).log == (
        "[INFO]\tTIME\trequest-1\té\n[WARNING]\tTIME\trequest-1\té\né\n"
    )


@pytest.mark.parametrize(
    ("code", "error_type", "message"),
    [
        ("import nothing_like_it", "Runtime.ImportModuleError", "Unable to import module 'app': No module named"),
        ("def handler(", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app': "),
        ("def other(): pass", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        ("raise ValueError('at import')", "ValueError", "at import"),
    ],
)
def test_a_handler_that_cannot_be_loaded_is_reported_once(
    tmp_path: Path, code: str, error_type: str, message: str
) -> None:
    ours, theirs = (run(client, tmp_path, {"echo": 1}, code=code) for client in (OWN_CLIENT, AWSLAMBDARIC))
    [(path, error)] = ours.posts
    assert (path, error["errorType"]) == ("init/error", error_type)
    assert error["errorMessage"].startswith(message)
    assert {**theirs.posts[0].body, "stackTrace": 0} == {**error, "stackTrace": 0}
    assert ours.code == theirs.code == 1


@pytest.mark.parametrize(("event", "code"), [({"exit": 3}, 3), ({"exit": "a word"}, 1)])
def test_an_exit_of_the_handler_ends_the_process_without_a_response(tmp_path: Path, event: Any, code: int) -> None:
    for client in (OWN_CLIENT, AWSLAMBDARIC):
        outcome = run(client, tmp_path, event, {"echo": 1})
        assert (outcome.posts, outcome.code) == ([], code)


def test_an_exit_at_import_ends_the_process(tmp_path: Path) -> None:
    for client in (OWN_CLIENT, AWSLAMBDARIC):
        assert run(client, tmp_path, code="import sys; sys.exit(5)") == ([], "", 5)


def test_the_process_ends_if_the_runtime_api_rejects_a_request_or_refuses_connections(tmp_path: Path) -> None:
    assert run(OWN_CLIENT, tmp_path) == ([], "The Runtime API responded with 410 to /invocation/next.\n", 1)
    outcome = run(OWN_CLIENT, tmp_path, {"echo": 1}, {"echo": 2}, status=413)
    assert ([body for _, body in outcome.posts], outcome.code) == ([1], 1)
    assert "responded with 413 to /invocation/request-0/response" in outcome.log
    spec = FunctionSpec("f", "app.handler", tmp_path, environment={"RUNTIME_CLIENT": OWN_CLIENT})
    closed = spec.sandbox_environment("127.0.0.1:1")
    process = subprocess.run(
        client_command(spec.environment, spec.handler),
        cwd=tmp_path,
        env=closed,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 1
    assert process.stderr.startswith("The Runtime API failed at /invocation/next: ConnectionRefusedError")
