"""The OpenAPI document: FastAPI's skeleton, filled from the tables that the code itself goes by."""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.candlesticks_request import CandlesticksRequest
from api.errors import Code
from api.filters import FILTERS
from api.parameters import SETTINGS
from api.rows import FORMATS, JSON
from kalshi_markets.columns import COLUMNS, Column, Kind

JsonObject = dict[str, Any]

_MARKET: Final = {"$ref": "#/components/schemas/Market"}
_TYPES: Final[Mapping[Kind, JsonObject]] = {
    Kind.STRING: {"type": ["string", "null"]},
    Kind.NUMBER: {"type": ["number", "null"]},
    Kind.TIME: {"type": ["string", "null"], "format": "date-time"},
    Kind.BOOLEAN: {"type": ["boolean", "null"]},
    Kind.JSON: {},
}
_HEADERS: Final = {
    "ETag": "Changes with the table and with the code; send it back as If-None-Match.",
    "X-Change-Number": "Up to which change nothing is missing: what to ask from next with changed_since.",
    "X-Crawled-At": "When the crawler last confirmed anything.",
}
_PAGE_HEADERS: Final = {
    "Link": 'rel="next": the next page, if there is one.',
    "X-Next-Cursor": "Its cursor.",
    "X-Total-Count": "How many markets match in all, if count_total asked.",
    "X-Truncated": "true where the page was cut to fit into an answer.",
}


def document(app: FastAPI) -> JsonObject:
    """The document of the application's routes."""
    base = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    paths = base["paths"]
    _list_markets(paths["/markets"]["get"])
    _one_market(paths["/markets/{ticker}"]["get"])
    candlesticks = paths["/markets/candlesticks"]["post"]
    candlesticks["requestBody"] = {"required": True, "content": _json(CandlesticksRequest.model_json_schema())}
    candlesticks["responses"] = {"200": _answer("Results", _json({"$ref": "#/components/schemas/Candlesticks"}))}
    for path in paths.values():
        for operation in path.values():
            _errors(operation)
    return base | {"components": {"schemas": _schemas()}}


def _list_markets(operation: JsonObject) -> None:
    settings = [_parameter(name, one.about, one.schema, one.example) for name, one in SETTINGS.items()]
    filters = [_parameter(name, one.about, one.schema, one.example) for name, one in FILTERS.items()]
    operation["parameters"] = settings + filters
    text = {form.media_type.partition(";")[0]: {"schema": {"type": "string"}} for form in FORMATS.values()}
    page = text | _json({"$ref": "#/components/schemas/Page"})
    operation["responses"] = {"200": _answer("A page", page, _HEADERS | _PAGE_HEADERS), "304": _not_modified()}


def _one_market(operation: JsonObject) -> None:
    fields = SETTINGS["fields"]
    operation["parameters"].append(_parameter("fields", fields.about, fields.schema, fields.example))
    operation["responses"] = {"200": _answer("The market", _json(_MARKET), _HEADERS), "304": _not_modified()}


def _not_modified() -> JsonObject:
    return {"description": "The client has this answer: If-None-Match named its ETag."}


def _parameter(name: str, about: str, schema: JsonObject, example: str) -> JsonObject:
    parameter = {"name": name, "in": "query", "required": False, "description": about, "schema": schema}
    return parameter if name == "cursor" else parameter | {"example": _typed(schema, example)}


def _typed(schema: JsonObject, example: str) -> Any:
    match schema["type"]:
        case "integer" | "number":
            return int(example)
        case "boolean":
            return example == "true"
    return example


def _json(schema: JsonObject) -> JsonObject:
    return {JSON.media_type: {"schema": schema}}


def _answer(about: str, content: JsonObject, headers: JsonObject | None = None) -> JsonObject:
    described = {name: {"description": text, "schema": {"type": "string"}} for name, text in (headers or {}).items()}
    return {"description": about, "content": content} | ({"headers": described} if described else {})


def _errors(operation: JsonObject) -> None:
    """Every status that an error of ours has, with the words that come under it."""
    for status in sorted({code.status for code in Code}):
        words = [code.word for code in Code if code.status == status]
        content = _json({"$ref": "#/components/schemas/Error"})
        operation["responses"][str(status)] = _answer(f"`code`: {', '.join(words)}", content)


def _schemas() -> JsonObject:
    text, nullable, count = {"type": "string"}, {"type": ["string", "null"]}, {"type": "integer", "minimum": 0}
    page = {
        "items": {"type": "array", "items": _MARKET},
        "count": count,
        "next_cursor": nullable,
        "next_url": nullable,
        "total": count,
        "change_number": count,
        "truncated": {"const": True},
        "next_offset": count,
    }
    result = {"ticker": text, "candlesticks": {"type": "array", "items": {"type": "object"}}, "error": nullable}
    candlesticks = {
        "results": {"type": "array", "items": _object(result, [*result])},
        "unanswered": {"type": "array", "items": text},
    }
    error = {"detail": {"type": ["string", "array"]}, "code": text, "hint": text, "request_id": text}
    return {
        "Market": _object({column.name: _column(column) for column in COLUMNS}, []),
        "Page": _object(page, ["items", "count", "next_cursor", "next_url"]),
        "Candlesticks": _object(candlesticks, [*candlesticks]),
        "Error": _object(error, [*error]),
    }


def _column(column: Column) -> JsonObject:
    return _TYPES[column.kind] | {"description": column.about}


def _object(properties: JsonObject, required: list[str]) -> JsonObject:
    return {"type": "object", "properties": properties, "required": required}
