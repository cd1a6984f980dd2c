import json
import re
from decimal import Decimal
from typing import Any

import jsonschema
import pytest

from api.errors import ApiError
from api.events.resource import RESOURCE as EVENTS
from api.listing.filters import OPERATORS
from api.markets.query import GRAMMAR
from api.mcp.api_calls import query_pairs
from api.mcp.get_candlesticks import CHOSEN_PERIODS, MAX_CANDLES, PARAMETERS
from api.mcp.get_candlesticks import _choose_range as choose_range
from api.mcp.get_market import EVENT_FIELDS, MARKET_FIELDS, OUTCOME_FIELDS
from api.mcp.schemas import COMMON_FILTERS
from api.mcp.search_markets import FIELDS
from api.mcp.tools import TOOLS
from kalshi_markets.columns import COLUMNS, COLUMNS_BY_NAME

MAX_LIST_BYTES = 12_000
SEARCH: Any = TOOLS["search_markets"].schema


def test_the_list_of_tools_is_small_and_each_schema_is_valid() -> None:
    text = json.dumps([tool.definition() for tool in TOOLS.values()], separators=(",", ":"), ensure_ascii=False)
    assert len(text.encode()) < MAX_LIST_BYTES
    for name, tool in TOOLS.items():
        jsonschema.Draft202012Validator.check_schema(dict(tool.schema))
        assert re.fullmatch(r"[a-z_]{1,64}", name)
        assert set(tool.schema.get("required", ())) <= set(tool.schema["properties"])


def test_the_search_has_every_parameter_of_the_listing_but_those_it_replaces() -> None:
    own = {"filters", "fields", "limit"}
    missing = {*GRAMMAR.parameters} - {*SEARCH["properties"]}
    assert missing == {"offset", "changed_since", "format"}
    assert {*SEARCH["properties"]} - {*GRAMMAR.parameters} - own == {*COMMON_FILTERS}
    for name in COMMON_FILTERS:
        assert SEARCH["properties"][name]["description"] == GRAMMAR.filters[name].description


def test_the_explanation_of_the_filters_has_every_column_under_its_kind_and_every_operator() -> None:
    text = SEARCH["properties"]["filters"]["description"]
    for column in COLUMNS:
        [names] = re.findall(rf"\b{column.kind}: ([a-z0-9_, ]+)\.", text)
        assert (column.name in names.split(", ")) == column.filterable
    for operator in OPERATORS:
        assert f"{operator.suffix or 'no suffix'} (" in text


def test_every_column_of_an_answer_exists() -> None:
    assert {*FIELDS, *OUTCOME_FIELDS, *MARKET_FIELDS} - {*COLUMNS_BY_NAME} == {"default"}
    assert {*EVENT_FIELDS} <= {*EVENTS.entity.by_name}


@pytest.mark.parametrize(
    ("arguments", "pairs"),
    [
        ({"a": True, "b": 1, "c": Decimal("0.10"), "d": "é"}, [("a", "true"), ("b", "1"), ("c", "0.10"), ("d", "é")]),
        ({"fields": ["ticker", "title"]}, [("fields", "ticker,title")]),
        ({"ticker__in": ["a,b", 'c"', 1]}, [("ticker__in", '"a,b","c""",1')]),
    ],
)
def test_arguments_become_the_parameters_of_a_query_string(arguments: Any, pairs: Any) -> None:
    assert query_pairs(arguments) == pairs


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"status": None}, "status must be a string, a number or a boolean"),
        ({"status": {"a": 1}}, "status must be a string, a number or a boolean"),
        ({"ticker__in": []}, "ticker__in must be a list of at least one string or number"),
        ({"ticker__in": [[1]]}, "ticker__in must be a list of at least one string or number"),
    ],
)
def test_other_values_are_invalid(arguments: Any, message: str) -> None:
    with pytest.raises(ApiError) as caught:
        query_pairs(arguments)
    assert not isinstance(caught.value.detail, str)
    assert [problem["msg"] for problem in caught.value.detail] == [message]


def test_a_chosen_period_always_fits() -> None:
    seconds_of_all = (MAX_CANDLES - 2) * CHOSEN_PERIODS[-1] * 60
    for seconds in [*range(0, 90_000, 7), *range(0, seconds_of_all, 9973)]:
        range_ = choose_range({"start_ts": 10**9, "end_ts": 10**9 + seconds}, None, 2 * 10**9)
        assert seconds // (range_.period * 60) + 1 <= MAX_CANDLES
        shorter = [period for period in CHOSEN_PERIODS if period < range_.period]
        assert all(seconds // (period * 60) + 2 > MAX_CANDLES for period in shorter)


@pytest.mark.parametrize("name", ["start_ts", "end_ts"])
@pytest.mark.parametrize(
    ("text", "second"),
    [("1795435200", 1_795_435_200), ("2026-11-23T12:00:00Z", 1_795_435_200), ("2026-11-23T13:00+01:00", 1_795_435_200)],
)
def test_a_bound_is_iso_8601_or_unix_seconds(name: str, text: str, second: int) -> None:
    assert PARAMETERS[name].parse(text) == second
