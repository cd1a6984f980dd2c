"""Facets of the markets: exact and maintained counts by the model, estimates by their error."""

from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from kalshi_markets.columns import COLUMNS_BY_NAME, FACETS
from tests.properties.model import Question, facet, matching
from tests.properties.queries import random_filters
from tests.properties.scale import examples
from tests.properties.tables import Table
from tests.support.api_client import ApiClient, escaped
from tests.support.database import connect

pytestmark = pytest.mark.timeout(1800)
CHOSEN = st.lists(st.sampled_from(FACETS), min_size=1, unique=True)
COUNTED_AT = "2026-11-28T08:00:00Z"
COUNTED = [COLUMNS_BY_NAME[name] for name in (*FACETS, "categories")]


def assert_facets(
    table: Table, question: Question, parameters: dict[str, str], names: list[str], limit: int, counted_at: str | None
) -> None:
    """Request facets and compare every number with the model's."""
    url = f"/markets/facets?{escaped(facet=','.join(names), limit=str(limit), **parameters)}"
    answer = table.api.get(url)
    assert answer.status == 200, (url, answer.text)
    expected: dict[str, Any] = {}
    for name in names:
        counts = facet(table.rows, question, name)
        values = [{"value": value, "count": count} for value, count in counts[:limit]]
        expected[name] = {"values": values, "estimated": False, "truncated": len(counts) > limit}
    count = len(matching(table.rows, question))
    assert answer.json == {"facets": expected, "count": count, "counted_at": counted_at}, url


@examples(60, 2000)
@given(data=st.data())
def test_facets_of_any_filters_are_exact(table: Table, data: st.DataObject) -> None:
    question, parameters = data.draw(random_filters(table.first_rows))
    assert_facets(table, question, parameters, data.draw(CHOSEN), data.draw(st.integers(1, 12)), None)


@pytest.fixture
def counted(table: Table) -> Iterator[Table]:
    """Yield the table with maintained counts of its rows."""
    keys = "series_ticker, category, categories, status, strike_type, result"
    by_value = " UNION ALL ".join(
        f"SELECT '{name}', {name}, count(*) FROM kalshi_markets_details GROUP BY {name}" for name in FACETS
    )
    table.database.execute(
        f"INSERT INTO kalshi_markets_counts ({keys}, markets, volume_24h)"
        f" SELECT {keys}, count(*), 0 FROM kalshi_markets_details GROUP BY {keys}"
    )
    table.database.execute(f"INSERT INTO kalshi_markets_facets {by_value}")
    table.database.execute(f"INSERT INTO kalshi_markets_jobs (job, confirmed_at) VALUES ('counts', '{COUNTED_AT}')")
    yield table
    table.database.execute_script("TRUNCATE kalshi_markets_counts, kalshi_markets_facets")
    table.database.execute("DELETE FROM kalshi_markets_jobs WHERE job = 'counts'")


@examples(40, 1500)
@given(data=st.data())
def test_facets_of_filters_on_counted_columns_come_from_the_counts(counted: Table, data: st.DataObject) -> None:
    question, parameters = data.draw(random_filters(counted.first_rows, columns=COUNTED))
    with mock.patch("api.markets.facet_counts.FacetCounter._search", side_effect=AssertionError):
        assert_facets(counted, question, parameters, data.draw(CHOSEN), data.draw(st.integers(1, 12)), COUNTED_AT)


def test_facets_of_other_filters_are_counted_even_if_there_are_counts(counted: Table) -> None:
    question = Question(search=["a"])
    assert_facets(counted, question, {"search": "a"}, [*FACETS], 10, None)


MARKETS = 40_000
COLUMNS = (*FACETS, "floor_strike", "volume")


@pytest.fixture(scope="module")
def large(environment: dict[str, str]) -> Iterator[tuple[ApiClient, list[dict[str, Any]]]]:
    """Yield the API over a table of many blocks, and its rows. Series and categories occur in clusters."""
    database = connect(environment)
    database.execute_script("TRUNCATE kalshi_markets_details, kalshi_markets_quotes, kalshi_markets_jobs")
    database.execute(
        f"""INSERT INTO kalshi_markets_details
            (ticker, series_ticker, category, status, strike_type, result, floor_strike, rules_primary)
        SELECT 'M-' || n, 'S-' || n / 900, 'C-' || round(sqrt(n / 400)),
               (ARRAY['active', 'finalized', 'closed', NULL])[1 + width_bucket(hashint4(n), -2147483648, 1500000000, 3) % 4],
               (ARRAY['greater', 'less', 'between'])[1 + abs(hashint4(n / 7)) % 3],
               (ARRAY['', 'yes', 'no', 'no'])[1 + abs(hashint4(n + 1)) % 4], abs(hashint4(n / 3)) % 1000, repeat('x', 700)
        FROM generate_series(1, {MARKETS}) AS n"""
    )
    database.execute(
        """INSERT INTO kalshi_markets_quotes (ticker, status, category, result, volume)
        SELECT ticker, status, category, result, abs(hashtext(ticker)) % 1000 FROM kalshi_markets_details"""
    )
    database.execute_script("ANALYZE kalshi_markets_details; ANALYZE kalshi_markets_quotes")
    selected = f"SELECT {', '.join(COLUMNS)} FROM kalshi_markets"
    rows = [dict(zip(COLUMNS, values, strict=True)) for values in database.query(selected)]
    database.close()
    api = ApiClient(environment)
    yield api, rows
    api.close()


@examples(30, 3000)
@given(
    st.sampled_from(("floor_strike", "volume")),
    st.integers(0, 700),
    st.integers(150, 999),
    st.floats(0.2, 0.99),
    st.sampled_from((None, *FACETS)),
    st.integers(0, 5),
)
def test_estimates_are_within_a_tenth_or_null(
    large: tuple[ApiClient, list[dict[str, Any]]],
    column: str,
    low: int,
    width: int,
    fraction: float,
    name: str | None,
    rank: int,
) -> None:
    api, rows = large
    matches = [row for row in rows if low <= row[column] <= low + width]
    parameters = {f"{column}__gte": str(low), f"{column}__lte": str(low + width)}
    if name:
        values = sorted({row[name] for row in matches if row[name] is not None})
        parameters[name] = values[rank % len(values)]
        matches = [row for row in matches if row[name] == parameters[name]]
    exact, sampled = len(matches) // 3, int(fraction * MARKETS)
    with mock.patch.multiple("api.markets.facet_counts", MAX_EXACT=exact, SAMPLED_ROWS=sampled):
        answer = api.get(f"/markets/facets?{escaped(**parameters, limit='1000')}").json
    assert answer["counted_at"] is None
    check("count", answer["count"], len(matches))
    for facet_name, counts in answer["facets"].items():
        assert counts["estimated"] is True
        for item in counts["values"]:
            true = sum(row[facet_name] == item["value"] for row in matches)
            check("value", item["count"], true)


def check(what: str, estimate: int | None, true: int) -> None:
    event(f"{what} {'null' if estimate is None else 'estimated'}")
    assert estimate is None or abs(estimate - true) <= true / 10, (what, estimate, true)


def test_a_large_sample_estimates_the_common_values(large: tuple[ApiClient, list[dict[str, Any]]]) -> None:
    api, _ = large
    with mock.patch.multiple("api.markets.facet_counts", MAX_EXACT=10, SAMPLED_ROWS=int(0.8 * MARKETS)):
        answer = api.get("/markets/facets?floor_strike__gte=100").json
    assert answer["count"] is not None
    for name in ("strike_type", "result"):
        assert all(item["count"] is not None for item in answer["facets"][name]["values"])
