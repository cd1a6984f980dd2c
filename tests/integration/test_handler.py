"""Handler of the API function in a process of its own: events that are no requests, and invalid settings."""

import json
from pathlib import Path
from typing import Any

import pytest

from local.lambda_runtime.events import HttpRequest, http_event, scheduled_event
from tests.support.emulator import run_script

PROBE = """
import importlib, json, sys
from types import SimpleNamespace

handler = importlib.import_module("api.handler").handler
context = SimpleNamespace(aws_request_id="1", get_remaining_time_in_millis=lambda: 29_000)
print(json.dumps([handler(event, context) for event in json.load(sys.stdin)]))
"""
MARKETS = http_event(HttpRequest("GET", "/markets", "limit=1", [("host", "localhost")]), "request-id")


def answers(packages: Path, environment: dict[str, str], *events: object) -> list[dict[str, Any]]:
    responses: list[dict[str, Any]] = run_script(PROBE, "api", environment, packages, events)
    return responses


def test_events_that_are_no_requests_are_answered_without_an_error_and_requests_go_on(
    packages: Path, environment: dict[str, str]
) -> None:
    others: list[Any] = [
        {"key1": "value1", "key2": "value2", "key3": "value3"},  # the console's test event
        {"source": "serverless-plugin-warmup"},
        {"warmer": True, "concurrency": 3},
        scheduled_event(),
        {"Records": [{"eventSource": "aws:sqs", "body": "{}"}]},
        {"requestContext": {}},
        {"requestContext": "none"},
        *({}, [], None, "warm", 1),
    ]
    *messages, page = answers(packages, environment | {"DB_SSLMODE": "disable"}, *others, MARKETS)
    assert messages == [{"message": "This function answers HTTP requests; the event is none."}] * len(others)
    assert page["statusCode"] == 200


@pytest.mark.parametrize(
    "variables",
    [
        {"LOG_LEVEL": "trace"},
        {"LOG_LEVEL": "10"},
        {"LOG_LEVEL": "10", "AWS_LAMBDA_LOG_LEVEL": "INFO"},
        {"POWERTOOLS_LOG_LEVEL": "verbose", "LOG_LEVEL": "INFO"},
    ],
)
def test_a_wrong_log_level_is_a_503_that_names_it(
    packages: Path, environment: dict[str, str], variables: dict[str, str]
) -> None:
    [answer] = answers(packages, environment | {"DB_SSLMODE": "disable"} | variables, MARKETS)
    body = json.loads(answer["body"])
    assert (answer["statusCode"], body["code"]) == (503, "not_configured")
    assert f"{next(iter(variables))} must be one of DEBUG, INFO" in body["detail"]


@pytest.mark.parametrize(
    "variables", [{"LOG_LEVEL": "debug", "AWS_LAMBDA_LOG_LEVEL": "INFO"}, {"AWS_LAMBDA_LOG_LEVEL": "unheard of"}]
)
def test_levels_in_any_case_go_with_lambdas_own(
    packages: Path, environment: dict[str, str], variables: dict[str, str]
) -> None:
    [answer] = answers(packages, environment | {"DB_SSLMODE": "disable"} | variables, MARKETS)
    assert answer["statusCode"] == 200
