"""Responses of the application checked against its OpenAPI document."""

import copy
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from api.app import create_app
from api.markets.facet_query import FACET_PARAMETERS
from api.markets.parameters import LISTING_PARAMETERS
from api.middleware import RequestContextMiddleware
from tests.properties.scale import SOAK, TABLE_SEEDS, examples
from tests.properties.tables import EntityTable, Table
from tests.support.api_client import variables

pytestmark = pytest.mark.timeout(1800)
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
MODES = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
NAMES = {*LISTING_PARAMETERS, *FACET_PARAMETERS}
PART = 12
"""Number of filters in a document: with all of them, one case takes seconds to generate."""


@pytest.fixture(scope="module")
def app(table: Table) -> Iterator[RequestContextMiddleware]:
    with variables(table.api.environment):
        yield RequestContextMiddleware(create_app(table.api.resources))


@pytest.fixture(scope="module")
def document(table: Table) -> dict[str, Any]:
    document: dict[str, Any] = table.api.get("/openapi.json").json
    return document


def parts(document: dict[str, Any], path: str = "/markets") -> Iterator[dict[str, Any]]:
    """Yield the document with a few filters of a listing at a time; each has all other parameters."""
    parameters = document["paths"][path]["get"]["parameters"]
    named = [parameter for parameter in parameters if name_of(parameter) in NAMES]
    filters = [parameter for parameter in parameters if name_of(parameter) not in NAMES]
    random.Random(TABLE_SEEDS[0]).shuffle(filters)
    for start in range(0, len(filters) if SOAK else 2 * PART, PART):
        part = copy.deepcopy(document)
        part["paths"][path]["get"]["parameters"] = named + filters[start:][:PART]
        yield part


def name_of(parameter: dict[str, Any]) -> str:
    """Return the name of a parameter or of a reference to one."""
    name: str = parameter.get("name") or parameter["$ref"].rpartition(".")[2]
    return name


def assert_conforms(
    document: dict[str, Any],
    app: RequestContextMiddleware,
    path: str,
    mode: GenerationMode,
    bounds: settings,
    path_parameters: dict[str, str] | None = None,
) -> set[int]:
    """Check generated requests. Return their statuses. path_parameters: values of the parameters in the path."""
    schema = schemathesis.openapi.from_dict(document)
    schema.app = app
    operation = schema[path]["GET"]
    statuses: set[int] = set()

    @bounds
    @given(st.data())
    def each(data: st.DataObject) -> None:
        case: Case[Any] = data.draw(operation.as_strategy(mode, path_parameters=path_parameters))
        statuses.add(case.call_and_validate(checks=CHECKS).status_code)

    each()
    return statuses


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
def test_markets_answer_as_the_document_says(
    table: Table, app: RequestContextMiddleware, document: dict[str, Any], mode: GenerationMode
) -> None:
    statuses = [assert_conforms(part, app, "/markets", mode, examples(15, 20)) for part in parts(document)]
    assert set().union(*statuses) >= ({200, 422} if mode is GenerationMode.POSITIVE else {422})


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
def test_one_market_answers_as_the_document_says(
    table: Table, app: RequestContextMiddleware, document: dict[str, Any], mode: GenerationMode
) -> None:
    assert_conforms(document, app, "/markets/{ticker}", mode, examples(15, 500))
    plain = [ticker for ticker in table.markets if re.fullmatch("KX[aAbB]-[0-9]+", ticker)]
    for ticker in plain[:3]:
        statuses = assert_conforms(document, app, "/markets/{ticker}", mode, examples(5, 100), {"ticker": ticker})
        assert 200 in statuses or mode is GenerationMode.NEGATIVE


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
@pytest.mark.parametrize("path", ["/events", "/series", "/markets/facets"])
def test_the_other_listings_answer_as_the_document_says(
    entity_table: EntityTable, app: RequestContextMiddleware, document: dict[str, Any], path: str, mode: GenerationMode
) -> None:
    statuses = [assert_conforms(part, app, path, mode, examples(8, 20)) for part in parts(document, path)]
    assert set().union(*statuses) >= ({200, 422} if mode is GenerationMode.POSITIVE else {422})


def test_a_history_answers_as_the_document_says(
    table: Table, app: RequestContextMiddleware, document: dict[str, Any]
) -> None:
    path, positive = "/markets/{ticker}/history", GenerationMode.POSITIVE
    assert 404 in assert_conforms(document, app, path, positive, examples(15, 500))
    ticker = next(ticker for ticker in table.markets if re.fullmatch("KX[aAbB]-[0-9]+", ticker))
    assert assert_conforms(document, app, path, positive, examples(5, 100), {"ticker": ticker}) == {200}


@pytest.mark.parametrize(
    "path", ["/markets/columns", "/events/columns", "/series/columns", "/status", "/health", "/", "/llms.txt"]
)
def test_the_other_paths_answer_as_the_document_says(
    app: RequestContextMiddleware, document: dict[str, Any], path: str
) -> None:
    assert assert_conforms(document, app, path, GenerationMode.POSITIVE, examples(5, 100)) == {200}
