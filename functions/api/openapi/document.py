"""OpenAPI document: FastAPI's skeleton, completed from the tables of parameters, filters, columns and errors."""

import json
from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.candlesticks.request import CANDLESTICK_PARAMETERS, CandlesticksRequest
from api.errors import RETRIED, ErrorCode
from api.events.markets import RESOURCE as EVENT_MARKETS
from api.events.resource import RESOURCE as EVENTS
from api.formats import FORMATS, JSON
from api.lake import operation as lake_operation
from api.lake.request import LAKE_PARAMETERS
from api.listing.json_body import EXAMPLE_BODY, takes_list
from api.listing.query import Grammar
from api.listing.resource import ListedResource
from api.markets.facet_query import FACET_GRAMMAR
from api.markets.sql import RESOURCE as MARKETS
from api.mcp import operation as mcp_operation
from api.openapi.schemas import TEXT, JsonObject, schema_of, schemas
from api.orderbooks.request import ORDERBOOK_PARAMETERS, OrderbooksRequest
from api.query_string import Parameter
from api.series.resource import RESOURCE as SERIES
from api.trades.request import TRADE_PARAMETERS

_SHARED: Final = "#/components/parameters/market."
"""Reference to a parameter of the markets, without its name."""
_HEADERS: Final = {
    "ETag": "Version of the data and of the service; send it as If-None-Match.",
    "X-Change-Number": "Latest change number that the response covers; use it as the next changed_since.",
    "X-Crawled-At": "Time of the crawler's last confirmation.",
}
_RETRIED: Final = " and ".join(code.code for code in RETRIED)
_PAGE_HEADERS: Final = {
    "Link": 'rel="next": URL of the next page, if there is one.',
    "X-Next-Cursor": "Cursor of the next page.",
    "X-Total-Count": "Total number of matching rows, if count_total is set.",
    "X-Truncated": "true if the page was truncated to the response size limit.",
}


def document(app: FastAPI) -> JsonObject:
    """Return the OpenAPI document of the application's routes."""
    base = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    paths = base["paths"]
    for path, resource in (("/markets", MARKETS), ("/events", EVENTS), ("/series", SERIES)):
        _document_listing(paths[path]["get"], resource)
        _document_row(paths[f"{path}/{{{resource.entity.key}}}"]["get"], resource)
    _document_listing(paths["/events/{event_ticker}/markets"]["get"], EVENT_MARKETS)
    paths["/events/{event_ticker}/markets"]["get"]["parameters"].insert(0, _path_parameter("event_ticker"))
    _document_body(paths["/markets"]["post"], MARKETS.grammar, paths["/markets"]["get"])
    _document_facets(paths["/markets/facets"]["get"])
    _document_history(paths["/markets/{ticker}/history"]["get"])
    paths["/status"]["get"]["responses"] = {"200": _response("Status", _json({"$ref": "#/components/schemas/Status"}))}
    lake_responses = {"200": _response("Closed days of the lake", _json(lake_operation.PAGE))}
    paths["/lake"]["get"] |= {"parameters": _parameters(LAKE_PARAMETERS), "responses": lake_responses}
    candlesticks = paths["/markets/candlesticks"]["post"]
    candlesticks["requestBody"] = {"required": True, "content": _json(CandlesticksRequest.model_json_schema())}
    candlesticks["responses"] = {"200": _response("Results", _json({"$ref": "#/components/schemas/Candlesticks"}))}
    _document_candlesticks(paths["/markets/{ticker}/candlesticks"]["get"])
    _document_trades(paths["/markets/{ticker}/trades"]["get"])
    _document_orderbook(paths["/markets/{ticker}/orderbook"]["get"])
    orderbooks = paths["/markets/orderbooks"]["post"]
    orderbooks["requestBody"] = {"required": True, "content": _json(OrderbooksRequest.model_json_schema())}
    orderbooks["responses"] = {"200": _response("Results", _json({"$ref": "#/components/schemas/Orderbooks"}))}
    paths["/llms.txt"]["get"]["responses"] = {
        "200": _response("Guide", {"text/plain": {"schema": TEXT}}),
        "304": _not_modified(),
    }
    for path in paths.values():
        for operation in path.values():
            _errors(operation)
    mcp = paths["/mcp"]["post"]
    mcp |= {"description": mcp_operation.DESCRIPTION, "requestBody": mcp_operation.REQUEST_BODY}
    mcp["responses"] |= mcp_operation.RESPONSES
    return base | {"components": {"schemas": schemas(), "parameters": _market_parameters()}}


def _document_listing(operation: JsonObject, resource: ListedResource[Any]) -> None:
    operation["parameters"] = _grammar_parameters(resource.grammar)
    page = _text_content() | _json(schema_of(resource, "Page"))
    operation["responses"] = {
        "200": _response(f"One page of {resource.entity.name}", page, _HEADERS | _PAGE_HEADERS),
        "304": _not_modified(),
    }


def _document_row(operation: JsonObject, resource: ListedResource[Any]) -> None:
    fields = resource.grammar.parameters["fields"]
    operation["parameters"] = [_path_parameter(resource.entity.key), _described(fields)]
    operation["responses"] = {
        "200": _response(f"The {resource.row}", _json(schema_of(resource)), _HEADERS),
        "304": _not_modified(),
    }


def _document_body(operation: JsonObject, grammar: Grammar, listing: JsonObject) -> None:
    """Document the POST of a listing: the parameters of its GET are the members of its body."""
    members = {name: _member(name) for name in (*grammar.parameters, *grammar.filters)}
    schema = {"type": "object", "properties": members, "additionalProperties": False}
    content = {JSON.media_type: {"schema": schema, "example": json.loads(EXAMPLE_BODY)}}
    operation["requestBody"] = {"required": True, "content": content}
    operation["responses"] = {"200": listing["responses"]["200"]}


def _member(name: str) -> JsonObject:
    schema: JsonObject = {"$ref": f"{_SHARED}{name}/schema"}
    if not takes_list(name):
        return schema
    return {"oneOf": [schema, {"type": "array", "items": {"type": ["string", "number"]}, "minItems": 1}]}


def _document_facets(operation: JsonObject) -> None:
    operation["parameters"] = _grammar_parameters(FACET_GRAMMAR)
    operation["responses"] = {
        "200": _response("Numbers of markets", _json({"$ref": "#/components/schemas/Facets"}), _HEADERS),
        "304": _not_modified(),
    }


def _grammar_parameters(grammar: Grammar) -> list[JsonObject]:
    """Return the parameters of a grammar. Those that are equal for all routes of markets are references."""
    shared = _market_parameters()
    return [
        {"$ref": f"{_SHARED}{parameter['name']}"}
        if parameter == shared.get(f"market.{parameter['name']}")
        else parameter
        for parameter in _inline_parameters(grammar)
    ]


def _market_parameters() -> dict[str, JsonObject]:
    return {f"market.{parameter['name']}": parameter for parameter in _inline_parameters(MARKETS.grammar)}


def _inline_parameters(grammar: Grammar) -> list[JsonObject]:
    filters = (
        _parameter(name, filter_.description, filter_.schema, filter_.example)
        for name, filter_ in grammar.filters.items()
    )
    return [*(_described(parameter) for parameter in grammar.parameters.values()), *filters]


def _document_history(operation: JsonObject) -> None:
    operation["parameters"] = [_path_parameter("ticker")]
    states = _json({"$ref": "#/components/schemas/History"})
    operation["responses"] = {
        "200": _response("States of the market, oldest first", states, _HEADERS),
        "304": _not_modified(),
    }


def _document_candlesticks(operation: JsonObject) -> None:
    operation["parameters"] = [_path_parameter("ticker"), *_parameters(CANDLESTICK_PARAMETERS)]
    content = _text_content() | _json({"$ref": "#/components/schemas/MarketCandlesticks"})
    operation["responses"] = {"200": _response("Candlesticks of the market, oldest first", content)}


def _document_trades(operation: JsonObject) -> None:
    operation["parameters"] = [_path_parameter("ticker"), *_parameters(TRADE_PARAMETERS)]
    content = _text_content() | _json({"$ref": "#/components/schemas/TradePage"})
    headers = {name: about for name, about in _PAGE_HEADERS.items() if name != "X-Total-Count"}
    operation["responses"] = {"200": _response("One page of trades", content, headers)}


def _document_orderbook(operation: JsonObject) -> None:
    operation["parameters"] = [_path_parameter("ticker"), *_parameters(ORDERBOOK_PARAMETERS)]
    content = _json({"$ref": "#/components/schemas/MarketOrderbook"})
    operation["responses"] = {"200": _response("Order book of the market", content)}


def _text_content() -> JsonObject:
    return {format_.media_type.partition(";")[0]: {"schema": {"type": "string"}} for format_ in FORMATS.values()}


def _not_modified() -> JsonObject:
    return {"description": "Not modified: If-None-Match matches the ETag."}


def _parameters(parameters: Mapping[str, Parameter]) -> list[JsonObject]:
    return [_described(parameter) for parameter in parameters.values()]


def _path_parameter(name: str) -> JsonObject:
    return {"name": name, "in": "path", "required": True, "schema": TEXT}


def _described(parameter: Parameter) -> JsonObject:
    return _parameter(parameter.name, parameter.description, parameter.schema, parameter.example)


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


def _response(about: str, content: JsonObject, headers: JsonObject | None = None) -> JsonObject:
    described = {name: {"description": text, "schema": {"type": "string"}} for name, text in (headers or {}).items()}
    return {"description": about, "content": content} | ({"headers": described} if described else {})


def _errors(operation: JsonObject) -> None:
    """Add a response for every error status, with the error codes of that status."""
    for status in sorted({code.status for code in ErrorCode}):
        words = [code.code for code in ErrorCode if code.status == status]
        content = _json({"$ref": "#/components/schemas/Error"})
        headers = {"Retry-After": f"Seconds; {_RETRIED} have it."} if status == 503 else None
        operation["responses"][str(status)] = _response(f"`code`: {', '.join(words)}", content, headers)
