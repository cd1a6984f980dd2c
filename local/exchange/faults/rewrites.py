"""Faults that change the JSON of a response or the objects in it."""

import json
from collections.abc import Mapping
from random import Random
from typing import Any

from starlette.types import Scope

from local.exchange.catalogue import Exchange, JsonObject, to_json
from local.exchange.faults.bodies import lists_of, rewriting
from local.exchange.faults.effects import Handler, Values

NESTING = 10_000  # deeper than the stack of any parser or database
# Content -> the field that receives it, and its JSON text.
UNSTORABLE = {
    "nul": ("title", r'"Will \u0000 end it?"'),
    "surrogate": ("title", r'"Will \ud800 pair up?"'),
    "number": ("floor_strike", "1e999999"),
    "nesting": ("custom_strike", "[" * NESTING + "]" * NESTING),
    "year": ("close_time", '"99999-12-31T00:00:00Z"'),
}
MARKET, CANDLE = "market_type", "end_period_ts"  # a field that only such objects have
# Content -> a field that identifies the objects to change, and their new values.
UNUSUAL: Mapping[str, tuple[str, JsonObject]] = {
    "status": (MARKET, {"status": "settling"}),
    "result": (MARKET, {"result": "void"}),
    "market_type": (MARKET, {"market_type": "categorical"}),
    "strike_type": (MARKET, {"strike_type": "ranked"}),
    "floor": (MARKET, {"settlement_bounds_type": "floor", "settlement_floor_dollars": "0.0500"}),
    "year_one": (MARKET, {"created_time": "0001-01-01T00:00:00Z"}),
    "empty_subtitle": (MARKET, {"subtitle": ""}),
    "null_price": (CANDLE, {"price": None}),
    "null_quotes": (CANDLE, {"yes_bid": None, "yes_ask": None}),
}


def truncated(values: Values, _: Exchange) -> Handler:
    return rewriting(lambda body, _: body[: min(values["bytes"], len(body) // 2)])


def malformed(_: Values, __: Exchange) -> Handler:
    return rewriting(lambda body, _: body[:-1] + b",}")


def field_drift(values: Values, _: Exchange) -> Handler:
    member, change = values["member"], values["change"]

    def drift(row: JsonObject) -> JsonObject:
        if change == "added":
            return {**row, f"{member}_v2": {"value": row.get(member), "unit": "new"}}
        if change == "type_changed" and member in row:
            return {**row, member: [row[member]]}
        return {name: value for name, value in row.items() if name != member or change == "type_changed"}

    def rewrite(body: bytes, _: Scope) -> bytes:
        answer = json.loads(body)
        for rows in lists_of(answer):
            rows[:] = map(drift, rows)
        return to_json({name: drift(value) if isinstance(value, dict) else value for name, value in answer.items()})

    return rewriting(rewrite)


def unstorable(values: Values, _: Exchange) -> Handler:
    member, content = UNSTORABLE[values["content"]]
    placeholder = "value of the fault"  # the JSON encoder writes none of the texts that replace it

    def rewrite(body: bytes, _: Scope) -> bytes:
        answer = json.loads(body)
        for rows in lists_of(answer):
            rows[: values["rows"]] = [{**row, member: placeholder} for row in rows[: values["rows"]]]
        return to_json(answer).replace(to_json(placeholder), content.encode())

    return rewriting(rewrite)


def unusual(values: Values, _: Exchange) -> Handler:
    """Return a handler that changes a share of the markets or candles at any depth; always the same ones."""
    marker, members = UNUSUAL[values["content"]]

    def is_drawn(known: JsonObject) -> bool:
        name = known.get("ticker", known[marker])
        share: float = values["share"]
        return Random(f"{name}").random() < share

    def change(value: Any) -> Any:
        if isinstance(value, list):
            return [change(item) for item in value]
        if not isinstance(value, dict):
            return value
        changed = {name: change(member) for name, member in value.items()}
        return changed | members if marker in value and is_drawn(value) else changed

    return rewriting(lambda body, _: to_json(change(json.loads(body))))
