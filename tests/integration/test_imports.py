"""Modules that each function imports.

Each addition costs time in every cold start; python -X importtime measures it.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.lambda_runtime.events import HttpRequest, http_event
from tests.support.aws import Account
from tests.support.emulator import run_script

PROBE = """
import gc, importlib, json, sys
from types import SimpleNamespace

handler = importlib.import_module(sys.argv[1] + ".handler").handler
imported, collected = sorted(sys.modules), [generation["collections"] for generation in gc.get_stats()]
context = SimpleNamespace(aws_request_id="1", get_remaining_time_in_millis=lambda: 29_000)
answers = [handler(event, context) for event in json.load(sys.stdin)]
print(json.dumps([answers, imported, sorted(sys.modules), sum(collected), gc.get_freeze_count(), gc.isenabled()]))
"""
PAGE = http_event(HttpRequest("GET", "/markets", "limit=100", [("host", "localhost")]), "request-id")

BOTH = {
    *("kalshi_markets", "pg8000", "asn1crypto", "dateutil", "scramp", "six"),
    *("aws_lambda_powertools", "jmespath", "typing_extensions"),
    "botocore",  # only its __init__.py, by Powertools
}
FUNCTIONS = {
    "api": BOTH
    | {"api", "mangum", "fastapi", "starlette", "anyio", "opentelemetry", "annotated_doc"}
    | {"pydantic", "pydantic_core", "annotated_types", "typing_inspection"},
    "authorizer": {"authorizer", "kalshi_markets"},
    "crawler": BOTH | {"crawler", "httpx", "idna", "cryptography", "_cffi_backend", "_openssl"},
    "migrator": {"migrator"},  # it imports the rest when it runs, so that an import error is reported to CloudFormation
}
NOWHERE = {"botocore.session", "pydantic.v1"}
"""Modules of those packages that must not be imported: 200 ms and 40 ms."""


@dataclass(frozen=True)
class Loaded:
    """Modules after the import and after the events, with the state of the garbage collector.

    collections: number of garbage collections until the end of the import.
    frozen: number of objects that are exempt from collection.
    collects: True if collection is enabled after the events.
    """

    imported: set[str]
    afterwards: set[str]
    collections: int
    frozen: int
    collects: bool


def loaded_by(name: str, packages: Path, environment: dict[str, str], *events: object) -> Loaded:
    answers, imported, afterwards, *garbage = run_script(PROBE, name, environment, packages, events)
    assert [answer["statusCode"] for answer in answers] == [200] * len(events)
    return Loaded(set(imported), set(afterwards), *garbage)


def packages_of(modules: set[str]) -> set[str]:
    """Return the top-level packages that are not in the standard library."""
    tops = {module.partition(".")[0] for module in modules if not module.startswith("_sysconfigdata")}
    return tops - sys.stdlib_module_names - {"__main__", "__mp_main__"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_imports_what_it_needs_and_nothing_else(name: str, packages: Path) -> None:
    imported = loaded_by(name, packages, {}).imported
    assert packages_of(imported) == FUNCTIONS[name]
    assert imported.isdisjoint(NOWHERE)


def test_the_first_page_of_the_api_loads_nothing_more(packages: Path, environment: dict[str, str]) -> None:
    loaded = loaded_by("api", packages, environment | {"DB_SSLMODE": "disable"}, PAGE)
    assert loaded.afterwards == loaded.imported


def test_modules_of_single_routes_are_imported_only_by_their_routes(packages: Path) -> None:
    imported = loaded_by("api", packages, {}).imported
    single = ("api.trades", "api.orderbooks", "api.mcp", "api.llms_text", "kalshi_markets.exchange")
    assert not [name for name in imported if name.startswith(single)]


def test_the_guide_and_the_tools_do_not_import_the_exchange_client(packages: Path, environment: dict[str, str]) -> None:
    guide = http_event(HttpRequest("GET", "/llms.txt", "", [("host", "localhost")]), "request-id")
    message = b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
    headers = [("host", "localhost"), ("content-type", "application/json")]
    tools = http_event(HttpRequest("POST", "/mcp", "", headers, message), "request-id")
    loaded = loaded_by("api", packages, {}, guide, tools)
    assert packages_of(loaded.afterwards) == FUNCTIONS["api"]


def test_the_pages_are_imported_only_by_their_routes(packages: Path, environment: dict[str, str]) -> None:
    health = http_event(HttpRequest("GET", "/health", "", [("host", "localhost")]), "request-id")
    loaded = loaded_by("api", packages, environment | {"DB_SSLMODE": "disable"}, health)
    assert not [name for name in loaded.afterwards if name.startswith("api.explorer")]


def test_a_secret_costs_botocore_and_not_boto3(packages: Path, environment: dict[str, str], aws: Account) -> None:
    arn = aws.create_secret({"username": environment["DB_USER"], "password": environment["DB_PASSWORD"]})
    secret = environment | aws.environment | {"DB_SECRET_ARN": arn, "DB_SSLMODE": "disable"}
    loaded = loaded_by("api", packages, secret, PAGE)
    assert packages_of(loaded.afterwards - loaded.imported) == {"botocore", "urllib3", "certifi"}


def test_the_authorizer_reads_its_keys_while_it_starts(packages: Path, aws: Account) -> None:
    secret = aws.environment | {"API_KEYS_SECRET_ARN": aws.create_secret({"first": "key"})}
    imported = packages_of(loaded_by("authorizer", packages, secret).imported)
    of_botocore = {"botocore", "certifi", "dateutil", "jmespath", "six", "urllib3"}
    assert imported == FUNCTIONS["authorizer"] | of_botocore


def test_the_api_looks_for_garbage_once_it_is_imported_and_only_in_what_is_new(packages: Path) -> None:
    api = loaded_by("api", packages, {})
    assert api.collects
    assert api.collections < loaded_by("crawler", packages, {}).collections / 2
    assert api.frozen > 10_000
