"""Handlers in processes of their own, as `sam local` runs them, with only the layer's packages."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from local.exchange.clock import Clock
from local.exchange.generated import generate
from local.exchange.http.server import ExchangeServer
from local.lambda_runtime.events import HttpRequest, http_event, scheduled_event
from local.lambda_runtime.lambda_errors import FunctionError, FunctionTimeout
from local.lambda_runtime.sandbox import FunctionSpec
from tests.support.emulator import Emulator, emulated, packaged

FUNCTIONS = ("migrator", "crawler", "api")
PROBE = """
import importlib.util, sys, time

def handler(event, context):
    if "sleep" in event:
        time.sleep(event["sleep"])
    if "raise" in event:
        raise ValueError(event["raise"])
    return {
        "memory": context.memory_limit_in_mb,
        "path": sys.path,
        "found": [name for name in event["look for"] if importlib.util.find_spec(name)],
    }
"""

Start = Callable[[FunctionSpec], Emulator]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda spec: stack.enter_context(emulated(spec, tmp_path / f"{spec.name}.log"))


@pytest.fixture
def probe(start: Start, packages: Path, tmp_path: Path) -> Emulator:
    (tmp_path / "app.py").write_text(PROBE)
    return start(FunctionSpec("probe", "app.handler", tmp_path, (str(packages),), timeout=5, memory=192))


def answer_of(api: Emulator, path: str, query: str = "") -> tuple[int, Any]:
    """Return status and body of a GET."""
    response = api.invoke(http_event(HttpRequest("GET", path, query, [("host", "localhost")]), "request-id"))
    return response["statusCode"], json.loads(response["body"])


def test_the_migrator_migrates_the_crawler_fills_and_the_api_answers(
    start: Start, packages: Path, empty_database: dict[str, str]
) -> None:
    with ExchangeServer(generate(7, 300, Clock(speed=0))) as exchange:
        environment = empty_database | {"EXCHANGE_URL": exchange.url, "EXCHANGE_RATE": "1000", "DB_SSLMODE": "disable"}
        migrator, crawler, api = (start(packaged(name, environment, packages)) for name in FUNCTIONS)
        status, body = answer_of(api, "/markets")
        assert (status, body["code"]) == (503, "table_missing")
        assert "0001_markets.sql" in migrator.invoke({})["applied"]
        assert migrator.invoke({})["applied"] == []
        assert answer_of(api, "/markets")[1]["items"] == []
        summary = crawler.invoke(scheduled_event())
    assert (summary["outcome"], summary["rejected"], summary["errors"]) == ("idle", 0, {})
    status, body = answer_of(api, "/markets", "limit=10000")
    assert (status, body["count"]) == (200, summary["table_size"])
    assert summary["added"] == summary["table_size"] > 0
    assert "run ended" in crawler.log


def test_a_function_sees_its_memory_and_the_packages_of_the_layer_and_no_others(
    probe: Emulator, packages: Path, tmp_path: Path
) -> None:
    seen = probe.invoke({"look for": ["fastapi", "boto3", "awslambdaric", "pytest", "uvicorn", "samcli"]})
    assert seen["memory"] == "192"
    assert seen["found"] == ["fastapi", "boto3", "awslambdaric"]
    assert seen["path"].index(str(tmp_path)) < seen["path"].index(str(packages))


def test_a_timeout_and_an_error_of_the_handler_are_distinguished_and_both_survived(probe: Emulator) -> None:
    with pytest.raises(FunctionError, match="ValueError: on purpose"):
        probe.invoke({"raise": "on purpose"})
    with pytest.raises(FunctionTimeout, match=r"Task timed out after 5\.00 seconds"):
        probe.invoke({"sleep": 600})
    assert probe.invoke({"look for": []})["found"] == []


def test_a_handler_that_cannot_be_imported_is_an_error(start: Start, packages: Path, tmp_path: Path) -> None:
    nowhere = start(FunctionSpec("nowhere", "no_module.handler", tmp_path, (str(packages),), timeout=60))
    with pytest.raises(FunctionError, match=r"Runtime\.ImportModuleError"):
        nowhere.invoke({})
