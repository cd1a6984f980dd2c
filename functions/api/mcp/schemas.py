"""JSON Schemas of the tools' arguments, from the tables of parameters, filters and columns.

A filter or a parameter that the API gets appears here by itself. Hundreds of filters would cost a model more tokens
than all answers, so the common ones are properties, and the object `filters` explains how the others are named.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from api.listing.filters import OPERATORS, Operator
from api.markets.query import GRAMMAR
from api.query_string import Parameter
from kalshi_markets.columns import COLUMNS, Column, Kind

JsonObject = Mapping[str, Any]

COMMON_FILTERS: Final = (
    *("status", "category", "series_ticker", "event_ticker", "result"),
    *("title__icontains", "close_time__gte", "close_time__lte", "volume__gte"),
)
"""Filters that are properties of their own."""
_REPLACED: Final = frozenset({"limit", "offset", "fields", "changed_since", "format"})
"""Parameters of the listing that the tool replaces or does not have: it is no way to copy the table."""


def object_schema(properties: JsonObject, required: Sequence[str] = ()) -> JsonObject:
    """Return the schema of an object with these members and no others."""
    schema: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema | ({"required": [*required]} if required else {})


def parameter_schemas(parameters: Iterable[Parameter]) -> dict[str, JsonObject]:
    """Return the schema of each parameter, by name."""
    return {parameter.name: parameter.schema | {"description": parameter.description} for parameter in parameters}


def listing_schema(limit: Parameter, fields: Sequence[str]) -> JsonObject:
    """Return the schema of a search for markets. limit: the tool's own limit. fields: the default of `fields`."""
    names = "Columns to return, default or all; the names are those of `filters`. Default: " + ", ".join(fields)
    return object_schema(
        {name: _filter_schema(name) for name in COMMON_FILTERS}
        | {"filters": {"type": "object", "description": _describe_filters()}}
        | parameter_schemas(parameter for name, parameter in GRAMMAR.parameters.items() if name not in _REPLACED)
        | {"fields": {"type": "array", "items": {"type": "string"}, "description": names}}
        | parameter_schemas([limit])
    )


def _filter_schema(name: str) -> JsonObject:
    filter_ = GRAMMAR.filters[name]
    return filter_.schema | {"description": filter_.description}


def _describe_filters() -> str:
    """Return the explanation of all filters: columns by kind, and operators with the kinds that they are for."""
    kinds = ((kind, [column.name for column in COLUMNS if _is_filterable(column, kind)]) for kind in Kind)
    columns = " ".join(f"{kind}: {', '.join(names)}." for kind, names in kinds)
    operators = "; ".join(map(_described, OPERATORS))
    return (
        "Further filters; all must hold. A name is a column and an operator, such as volume_24h__gte; a value is a"
        f" string, number or boolean, for __in a list. Operators: {operators}. Times are ISO 8601 or Unix seconds."
        f" Columns: {columns}"
    )


def _is_filterable(column: Column, kind: Kind) -> bool:
    return column.filterable and column.kind is kind


def _described(operator: Operator) -> str:
    kinds = "all" if len(operator.kinds) == len(Kind) else ", ".join(kind for kind in Kind if kind in operator.kinds)
    return f"{operator.suffix or 'no suffix'} ({kinds}) {operator.description}"
