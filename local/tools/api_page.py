"""Generator of docs/openapi.json and the tables of docs/api.md.

usage: python -m local.tools.api_page
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from api.app import create_app
from api.candlesticks.request import CANDLESTICK_PARAMETERS
from api.errors import SQLSTATES, ErrorCode
from api.events.markets import STRIKE_PARAMETERS
from api.events.resource import RESOURCE as EVENTS
from api.lake.request import LAKE_PARAMETERS
from api.listing.filters import OPERATORS
from api.listing.resource import ListedResource
from api.markets.facet_query import FACET_PARAMETERS
from api.markets.sql import RESOURCE as MARKETS
from api.orderbooks.request import ORDERBOOK_PARAMETERS
from api.query_string import Parameter
from api.resources import Resources
from api.series.resource import RESOURCE as SERIES
from api.trades.request import TRADE_PARAMETERS
from kalshi_markets.columns import Column, Kind
from local import ROOT
from local.tools.markdown import replace_tables

DOCS: Final = ROOT / "docs"
PAGE: Final = DOCS / "api.md"
OPENAPI: Final = DOCS / "openapi.json"


def render(text: str) -> str:
    """Return the page with its generated parts replaced."""
    tables = {
        "settings": _settings(MARKETS.grammar.parameters),
        "facets": _settings(FACET_PARAMETERS),
        "events": _settings(_own_parameters(EVENTS)),
        "event columns": _columns(EVENTS.entity.columns),
        "strike": _settings(STRIKE_PARAMETERS),
        "series": _settings(_own_parameters(SERIES)),
        "series columns": _columns(SERIES.entity.columns),
        "candlesticks": _settings(CANDLESTICK_PARAMETERS),
        "trades": _settings(TRADE_PARAMETERS),
        "orderbook": _settings(ORDERBOOK_PARAMETERS),
        "lake": _settings(LAKE_PARAMETERS),
        "filters": _filters(),
        "columns": _columns(MARKETS.entity.columns),
        "errors": _errors(),
        "sqlstates": _sqlstates(),
    }
    return replace_tables(text, tables)


def _settings(settings: Mapping[str, Parameter]) -> Iterator[tuple[str, ...]]:
    yield "parameter", "default", "meaning"
    for setting in settings.values():
        values = f" One of {', '.join(map(str, setting.schema['enum']))}." if "enum" in setting.schema else ""
        yield f"`{setting.name}`", str(setting.schema.get("default", "–")), setting.description + values


def _own_parameters(resource: ListedResource[Any]) -> Mapping[str, Parameter]:
    """Return the parameters that differ from those of GET /markets."""
    names = ("order_by", "order_direction", "search")
    return {name: parameter for name, parameter in resource.grammar.parameters.items() if name in names}


def _filters() -> Iterator[tuple[str, ...]]:
    yield "parameter", "on columns that are", "keeps markets whose value"
    for operator in OPERATORS:
        kinds = [kind.value for kind in Kind if kind in operator.kinds]
        yield f"`column{operator.suffix}=`", ", ".join(kinds), operator.description


def _columns(columns: Iterable[Column]) -> Iterator[tuple[str, ...]]:
    yield "column", "kind", "by default", "meaning"
    for column in columns:
        values = (
            f" One of {', '.join(f'`{word}`' if word else 'empty' for word in column.allowed_values)}."
            if column.allowed_values
            else ""
        )
        yield (
            f"`{column.name}`",
            column.kind.value,
            "yes" if column.in_default_response else "",
            column.description + values,
        )


def _errors() -> Iterator[tuple[str, ...]]:
    yield "code", "status", "means"
    for code in ErrorCode:
        yield f"`{code.code}`", str(code.status), code.description


def _sqlstates() -> Iterator[tuple[str, ...]]:
    yield "SQLSTATE", "code", "status"
    for prefix, code in SQLSTATES:
        yield f"`{prefix}{'…' if len(prefix) < 5 else ''}`", f"`{code.code}`", str(code.status)
    yield "any other", f"`{ErrorCode.INTERNAL_ERROR.code}`", str(ErrorCode.INTERNAL_ERROR.status)


def openapi() -> str:
    """Return the OpenAPI document as JSON, one line for each item, so that a diff is easy to read."""
    return json.dumps(create_app(Resources()).openapi(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    OPENAPI.write_text(openapi(), encoding="utf-8")
    PAGE.write_text(render(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
