"""Parsing of trades and order books from the exchange's responses."""

import json
from typing import Any

import httpx
import pytest

from kalshi_markets.exchange import FilterIgnored, InvalidResponse
from kalshi_markets.exchange.orderbooks import Level, OrderBook, parse_orderbook, parse_orderbooks
from kalshi_markets.exchange.trades import TradePage, TradeQuery, parse_trades

TRADE = {
    "trade_id": "5b7c",
    "ticker": "KXA-1",
    "count_fp": "136.00",
    "yes_price_dollars": "0.3600",
    "no_price_dollars": "0.6400",
    "taker_outcome_side": "yes",
    "taker_book_side": "bid",
    "created_time": "2026-11-24T12:00:00.000001Z",
    "is_block_trade": False,
}
BOOK = {
    "yes_dollars": [["0.0100", "5.00"], ["0.4200", "1.50"]],
    "no_dollars": [["0.5600", "7.00"], ["0.123456", "2.00"]],
}


def response(body: Any) -> httpx.Response:
    return httpx.Response(200, text=body if isinstance(body, str) else json.dumps(body))


def trades(body: Any) -> TradePage:
    return parse_trades(response(body), "KXA-1")


def test_a_trade_is_the_exchanges_object_with_its_time_in_microseconds() -> None:
    page = trades({"trades": [TRADE], "cursor": "next"})
    assert page.cursor == "next"
    [trade] = page.trades
    assert (trade.created, trade.trade_id) == (1_795_521_600_000_001, "5b7c")
    assert json.loads(trade.text) == TRADE
    assert "\n" not in trade.text


def test_numbers_keep_their_digits() -> None:
    [trade] = trades(
        json.dumps({"trades": [TRADE], "cursor": ""}).replace('"0.3600"', "0.360000000000000000001")
    ).trades
    assert json.loads(trade.text)["yes_price_dollars"] == "0.360000000000000000001"


@pytest.mark.parametrize("body", [{"trades": [], "cursor": ""}, {"trades": None, "cursor": None}, {"trades": []}])
def test_the_last_page_may_have_no_trades_and_no_cursor(body: Any) -> None:
    assert trades(body) == TradePage([], None)


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"cursor": ""},
        {"trades": {}, "cursor": 1},
        {"trades": [1]},
        {"trades": [{**TRADE, "trade_id": ""}]},
        {"trades": [{**TRADE, "trade_id": None}]},
        {"trades": [{**TRADE, "created_time": "soon"}]},
        {"trades": [{name: value for name, value in TRADE.items() if name != "created_time"}]},
        {"trades": [{name: value for name, value in TRADE.items() if name != "ticker"}]},
        "{",
    ],
)
def test_another_shape_is_invalid(body: Any) -> None:
    with pytest.raises(InvalidResponse):
        trades(body)


def test_trades_of_another_market_show_that_the_filter_was_ignored() -> None:
    with pytest.raises(FilterIgnored):
        trades({"trades": [TRADE, {**TRADE, "ticker": "KXA-2"}], "cursor": ""})


def test_the_bounds_of_a_query_cover_the_instants_whether_they_are_inclusive_or_not() -> None:
    query = TradeQuery("KXA-1", 5_000_000, 7_999_999)
    assert query.parameters(None) == {"ticker": "KXA-1", "min_ts": 4, "max_ts": 8, "limit": 1000}
    assert query.parameters("next")["cursor"] == "next"
    assert TradeQuery("KXA-1", 0, 0).parameters(None)["min_ts"] == 0


def test_a_book_has_its_bids_best_first_and_the_asks_that_they_imply() -> None:
    book = parse_orderbook(response({"orderbook_fp": BOOK}))
    assert book.yes_bids == [Level("0.4200", "1.50"), Level("0.0100", "5.00")]
    assert book.no_bids == [Level("0.5600", "7.00"), Level("0.123456", "2.00")]
    assert book.yes_asks == [Level("0.4400", "7.00"), Level("0.876544", "2.00")]
    assert book.no_asks == [Level("0.5800", "1.50"), Level("0.9900", "5.00")]
    assert book.top(1) == OrderBook([Level("0.4200", "1.50")], [Level("0.5600", "7.00")])
    assert book.top(0) == book


def test_orderbooks_are_found_by_their_ticker() -> None:
    empty: dict[str, Any] = {"yes_dollars": None, "no_dollars": []}
    rows = [{"ticker": "KXA-1", "orderbook_fp": BOOK}, {"ticker": "KXA-2", "orderbook_fp": empty}]
    orderbooks = parse_orderbooks(response({"orderbooks": rows}))
    assert list(orderbooks) == ["KXA-1", "KXA-2"]
    assert orderbooks["KXA-2"] == OrderBook([], [])
    assert parse_orderbooks(response({"orderbooks": None})) == {}


@pytest.mark.parametrize(
    "book",
    [None, {}, {"yes_dollars": []}, {**BOOK, "no_dollars": [["0.5"]]}, {**BOOK, "no_dollars": [["x", "1.00"]]}],
)
def test_a_book_of_another_shape_is_invalid(book: Any) -> None:
    with pytest.raises(InvalidResponse):
        parse_orderbook(response({"orderbook_fp": book}))
    with pytest.raises(InvalidResponse):
        parse_orderbooks(response({"orderbooks": [{"ticker": "KXA-1", "orderbook_fp": book}]}))
