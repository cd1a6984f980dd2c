"""Tool that describes one market with its event and the outcomes of the event."""

import csv
import io
import json
from decimal import Decimal
from typing import Any, Final

from api.errors import ApiError, ErrorCode, validation_error
from api.events import markets as event_markets
from api.events.resource import RESOURCE as EVENTS
from api.formats import CSV
from api.listing.endpoints import one_row
from api.listing.parameters import MAX_LIMIT
from api.markets.sql import RESOURCE as MARKETS
from api.mcp.api_calls import api_url, dump, get_request, path_of, query_pairs, query_string, records_of, text_of
from api.mcp.schemas import object_schema, parameter_schemas
from api.mcp.tool import Answer, Arguments, Tool, ToolContext
from api.query_string import Parameter, enum_schema, invalid_parameter, one_of, parse_parameters
from api.value_parsers import parse_text

ALL_COLUMNS: Final = "fields=all"
MAX_OUTCOMES: Final = 50
MAX_SORTED_OUTCOMES: Final = 1_000
"""Outcomes that are read to sort them by probability: those with the highest volume. Events have a few hundred."""
MARKET_FIELDS: Final = (
    "default",
    *("status", "series_ticker", "category", "yes_bid_dollars", "yes_ask_dollars", "last_price_dollars"),
    *("price_change_24h_dollars", "volume_24h", "floor_strike", "cap_strike", "expected_expiration_time"),
    *("settlement_ts", "rules_secondary", "can_close_early", "early_close_condition", "changed_at", "removed_at"),
)
EVENT_FIELDS: Final = (
    *("event_ticker", "series_ticker", "title", "sub_title", "category", "mutually_exclusive"),
    *("strike_date", "strike_period", "settlement_sources"),
)
OUTCOME_FIELDS: Final = (
    *("ticker", "subtitle", "status", "result", "yes_bid_dollars", "yes_ask_dollars", "last_price_dollars", "volume"),
)
TICKER: Final = Parameter(
    "ticker", parse_text, "Ticker of the market, from search_markets.", "KXBTCD-26NOV2417-T91249.99", {"type": "string"}
)
ORDERS: Final = ("strike", "probability")
OUTCOMES_ORDER: Final = Parameter(
    "outcomes_order",
    one_of(ORDERS),
    "Order of the event's outcomes: `strike` ascending, or `probability`, the last price, descending.",
    "probability",
    enum_schema(ORDERS, ORDERS[0]),
)
PARAMETERS: Final = {parameter.name: parameter for parameter in (TICKER, OUTCOMES_ORDER)}


async def run(arguments: Arguments, context: ToolContext) -> Answer:
    """Return a market. Raises ApiError and DatabaseError."""
    values = parse_parameters(query_string(query_pairs(arguments)).encode(), PARAMETERS)
    path = path_of("markets", require_ticker(values))
    request = get_request(context.request, path, f"fields={','.join(MARKET_FIELDS)}")
    response = one_row(request, values["ticker"], context.resources, MARKETS)
    text = text_of(response)
    facts = {"crawled_at": response.headers.get("x-crawled-at"), "api_url": api_url(context.request, path, ALL_COLUMNS)}
    event_ticker = json.loads(text)["event_ticker"]
    event, outcomes, table = "null", dict[str, Any](), ""
    if event_ticker:
        event = _event(event_ticker, context)
        outcomes, table = _outcomes(event_ticker, values.get("outcomes_order", ORDERS[0]), context)
    # The rows are the database's own JSON: no number passes through a floating-point number.
    return Answer(f'{{"market":{text},"event":{event},{dump(facts | {"outcomes": outcomes})[1:]}', table)


def require_ticker(values: dict[str, Any]) -> str:
    """Return the ticker of a call. Raises ApiError if it is missing."""
    if not values.get("ticker"):
        raise validation_error([invalid_parameter("ticker", "is missing", "Find it with search_markets.")])
    ticker: str = values["ticker"]
    return ticker


def _event(event_ticker: str, context: ToolContext) -> str:
    """Return the JSON text of an event; null if it is not stored yet."""
    request = get_request(context.request, path_of("events", event_ticker), f"fields={','.join(EVENT_FIELDS)}")
    try:
        return text_of(one_row(request, event_ticker, context.resources, EVENTS))
    except ApiError as error:
        if error.code is not ErrorCode.EVENT_NOT_FOUND:
            raise
        return "null"


def _outcomes(event_ticker: str, order: str, context: ToolContext) -> tuple[dict[str, Any], str]:
    """Return the facts of an event's outcomes, and their table."""
    path = path_of("events", event_ticker, "markets")
    page = {"order_by": "strike", "limit": str(MAX_OUTCOMES)}
    if order == "probability":
        page = {"order_by": "volume", "order_direction": "desc", "limit": str(MAX_SORTED_OUTCOMES)}
    query = query_string([*page.items(), ("fields", ",".join(OUTCOME_FIELDS))])
    request = get_request(context.request, path, f"{query}&count_total=exact&format={CSV.name}")
    response = event_markets.respond(request, event_ticker, context.resources)
    table = text_of(response)
    if order == "probability":
        table = _by_probability(table)
    facts = {"count": len(records_of(table)) - 1, "total": int(response.headers["x-total-count"]), "order": order}
    return facts | {"api_url": api_url(context.request, path, f"{ALL_COLUMNS}&limit={MAX_LIMIT}")}, table


def _by_probability(table: str) -> str:
    """Return the header line and the rows with the highest last prices, the highest first."""
    header, *records = records_of(table)
    return "".join([header, *sorted(records, key=_last_price, reverse=True)[:MAX_OUTCOMES]])


def _last_price(record: str) -> Decimal:
    [cells] = csv.reader(io.StringIO(record, newline=""))
    return Decimal(cells[OUTCOME_FIELDS.index("last_price_dollars")] or 0)


TOOL: Final = Tool(
    "get_market",
    "One market",
    "One market with its rules and prices, its event, and the outcomes of the event (its markets) as CSV, at most"
    f" {MAX_OUTCOMES}. crawled_at is the time of the data. api_url has all columns of the market; outcomes.api_url has"
    " all outcomes with all columns.",
    object_schema(parameter_schemas(PARAMETERS.values()), ["ticker"]),
    run,
)
