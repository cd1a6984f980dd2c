"""Schemas of the OpenAPI document, from the tables of columns."""

from collections.abc import Mapping
from typing import Any, Final

from api.events.resource import RESOURCE as EVENTS
from api.listing.resource import ListedResource
from api.markets.sql import RESOURCE as MARKETS
from api.series.resource import RESOURCE as SERIES
from api.trades.request import TRADE_COLUMNS
from kalshi_markets.columns import COLUMNS_BY_NAME, FACETS, Column, Kind

JsonObject = dict[str, Any]

_TYPES: Final[Mapping[Kind, JsonObject]] = {
    Kind.STRING: {"type": ["string", "null"]},
    Kind.NUMBER: {"type": ["number", "null"]},
    Kind.TIME: {"type": ["string", "null"], "format": "date-time"},
    Kind.BOOLEAN: {"type": ["boolean", "null"]},
    Kind.JSON: {},
}
TEXT: Final[JsonObject] = {"type": "string"}
_TIME: Final[JsonObject] = {"type": "string", "format": "date-time"}
_COUNT: Final[JsonObject] = {"type": "integer", "minimum": 0}


def schema_of(resource: ListedResource[Any], suffix: str = "") -> JsonObject:
    """Return a reference to the schema of a row. suffix: `Page` for a page of rows."""
    return {"$ref": f"#/components/schemas/{resource.row.capitalize()}{suffix}"}


def schemas() -> JsonObject:
    """Return the schemas of all responses, by name."""
    text, nullable, count = TEXT, _TYPES[Kind.STRING], _COUNT
    candles = _list({"type": "object"})
    result = {"ticker": text, "candlesticks": candles, "error": nullable, "code": nullable}
    one_market = {"ticker": text, "candlesticks": candles, "count": count}
    candlesticks = {
        "results": _list(_object(result, [*result])),
        "unanswered": _list(text),
    }
    error = {"detail": {"type": ["string", "array"]}, "code": text, "hint": text, "request_id": text}
    return {
        **_row_schemas(MARKETS),
        **_row_schemas(EVENTS),
        **_row_schemas(SERIES),
        "Facets": _facets(),
        "History": _history(),
        "MarketCandlesticks": _object(one_market, [*one_market]),
        "Candlesticks": _object(candlesticks, [*candlesticks]),
        "TradePage": _trades(),
        **_orderbooks(),
        "Status": _status(),
        "Error": _object(error, [*error]),
    }


def _row_schemas(resource: ListedResource[Any]) -> JsonObject:
    """Return the schemas of a row and of a page of rows."""
    page = {
        "items": _list(schema_of(resource)),
        "count": _COUNT,
        "next_cursor": _TYPES[Kind.STRING],
        "next_url": _TYPES[Kind.STRING],
        "total": _COUNT,
        "change_number": _COUNT,
        "truncated": {"const": True},
        "next_offset": _COUNT,
    }
    name = resource.row.capitalize()
    return {
        name: _object({column.name: _column(column) for column in resource.entity.columns}, []),
        f"{name}Page": _object(page, ["items", "count", "next_cursor", "next_url"]),
    }


def _facets() -> JsonObject:
    number = _COUNT | {"type": ["integer", "null"]}
    value = {"value": _TYPES[Kind.STRING], "count": number}
    facet = {
        "values": _list(_object(value, [*value])) | {"type": ["array", "null"]},
        "estimated": {"type": "boolean"},
        "truncated": {"type": "boolean"},
    }
    members = {
        "facets": _object(dict.fromkeys(FACETS, _object(facet, [*facet])), []),
        "count": number,
        "counted_at": _TYPES[Kind.TIME],
    }
    return _object(members, [*members])


def _history() -> JsonObject:
    state = {
        "from": _TIME,
        "until": _TYPES[Kind.TIME],
        **{name: _column(COLUMNS_BY_NAME[name]) for name in ("status", "result", "close_time")},
        "change_number": {"type": ["integer", "null"], "description": "Number of the change that ended this state."},
    }
    states = {"ticker": TEXT, "items": _list(_object(state, [*state])), "count": _COUNT}
    return _object(states | {"truncated": {"const": True}}, [*states])


def _trades() -> JsonObject:
    nullable = _TYPES[Kind.STRING]
    trade = dict.fromkeys(TRADE_COLUMNS, TEXT) | {"created_time": _TIME, "is_block_trade": {"type": "boolean"}}
    page = {
        "items": _list(_object(trade, [])),
        "count": _COUNT,
        "next_cursor": nullable,
        "next_url": nullable,
    }
    return _object(page | {"truncated": {"const": True}}, [*page])


def _orderbooks() -> JsonObject:
    nullable = _TYPES[Kind.STRING]
    level = {"type": "array", "items": TEXT, "minItems": 2, "maxItems": 2}
    sides = dict.fromkeys(("yes_bids", "yes_asks", "no_bids", "no_asks"), _list(level))
    orderbook = _object(sides, [*sides])
    market = {"ticker": TEXT, "orderbook": orderbook}
    result = {
        "ticker": TEXT,
        "orderbook": orderbook | {"type": ["object", "null"]},
        "error": nullable,
        "code": nullable,
    }
    results = {"results": _list(_object(result, [*result])), "unanswered": _list(TEXT)}
    return {"MarketOrderbook": _object(market, [*market]), "Orderbooks": _object(results, [*results])}


def _status() -> JsonObject:
    nullable, time = _TYPES[Kind.STRING], _TYPES[Kind.TIME]
    live = {"complete": {"type": "boolean"}, "started_at": time, "finished_at": time}
    archive = {"complete": {"type": "boolean"}, "completed_by": {"enum": ["listing", "series", None]}}
    archive |= {"confirmed_at": time}
    status = {"status": nullable, "count": _COUNT, "confirmed_at": time}
    position = dict.fromkeys(("since", "from", "to", "until"), _TIME) | {"pages": _COUNT, "series": TEXT}
    job = {
        "job": TEXT,
        "running": {"type": "boolean"},
        "position": _object(position, []) | {"type": ["object", "null"]},
        "lag_seconds": {"type": ["integer", "null"], "minimum": 0},
        **dict.fromkeys(("started_at", "finished_at", "confirmed_at", "watermark", "committed_at"), time),
        **dict.fromkeys(("markets", "changed", "rejected"), _COUNT),
        "added": {"type": "integer"},
        "last_error": nullable,
        "failed_at": time,
        "retry_at": time,
    }
    reject = {"ticker": TEXT, "reason": TEXT, "last_at": _TIME}
    rejects = {"count": _COUNT, "newest": _list(_object(reject, [*reject]))}
    changes = {"enum": ["added", "removed", "type_changed", "new_value"]}
    lake = {"exported": _COUNT, "backlog_complete": {"type": "boolean"}, "pending_bytes": _COUNT}
    drift = {"member": TEXT, "change": changes, "markets": _COUNT, "example": nullable}
    drift |= {"first_at": _TIME, "last_at": _TIME}
    members = {
        "markets": _COUNT,
        "removed": _COUNT,
        "live": _object(live, [*live]),
        "archive": _object(archive, [*archive]),
        "statuses": _list(_object(status, [*status])),
        "jobs": _list(_object(job, [*job])),
        "rejects": _object(rejects, [*rejects]),
        "drift": _list(_object(drift, [*drift])),
        "lake": _object(lake, [*lake]) | {"type": ["object", "null"]},
    }
    return _object(members, [*members])


def _column(column: Column) -> JsonObject:
    return _TYPES[column.kind] | {"description": column.description}


def _object(properties: JsonObject, required: list[str]) -> JsonObject:
    return {"type": "object", "properties": properties, "required": required}


def _list(items: JsonObject) -> JsonObject:
    return {"type": "array", "items": items}
