"""Listings of events and series, and the markets of one event, by the model of GET /markets."""

import itertools
from dataclasses import replace
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.events.markets import SORT_ORDERS as EVENT_ORDERS
from api.events.resource import RESOURCE as EVENTS
from api.listing.sorting import SortOrder
from api.series.resource import RESOURCE as SERIES
from tests.properties.answers import assert_page, walk
from tests.properties.model import Condition, Question, Row, matching, page, written
from tests.properties.queries import RenderedQuery, random_query
from tests.properties.scale import examples
from tests.properties.tables import EntityTable, Rows, Table

pytestmark = pytest.mark.timeout(1800)
FORMATS = st.sampled_from(("json", "ndjson", "csv"))
ORDERS = {resource.entity.name: resource.grammar.sort_orders for resource in (EVENTS, SERIES)}
LIMITS = st.lists(st.integers(1, 80), min_size=1, max_size=4).filter(lambda limits: max(limits) > 15)


def sort_orders(table: EntityTable) -> dict[str, SortOrder]:
    return dict(ORDERS[table.entity.name])


@examples(80, 2000)
@given(data=st.data())
def test_any_query_of_events_or_series_finds_what_the_contract_says(
    entity_table: EntityTable, data: st.DataObject
) -> None:
    query = random_query(entity_table.rows, entity=entity_table.entity, sort_orders=sort_orders(entity_table))
    drawn = data.draw(query)
    assert_page(entity_table.api, drawn, data.draw(FORMATS), page(entity_table.rows, drawn.question))


@examples(20, 150)
@given(data=st.data())
def test_a_walk_through_events_or_series_is_the_whole_listing(entity_table: EntityTable, data: st.DataObject) -> None:
    orders = sort_orders(entity_table)
    query = data.draw(random_query(entity_table.rows, paged=False, entity=entity_table.entity, sort_orders=orders))
    formats = data.draw(st.lists(FORMATS, min_size=1))
    pages = walk(entity_table.api, query, itertools.cycle(data.draw(LIMITS)), itertools.cycle(formats))
    fields, entity = query.question.fields, query.question.entity
    expected = [written(row, fields, entity) for row in matching(entity_table.rows, query.question)]
    assert list(itertools.chain.from_iterable(pages)) == expected


def test_each_row_of_events_and_series_is_found_by_its_key(entity_table: EntityTable) -> None:
    entity = entity_table.entity
    for row in entity_table.rows:
        if "/" not in row[entity.key] and row[entity.key] != "columns":
            answer = entity_table.api.get(f"/{entity.name}/{quote(row[entity.key], safe='')}?fields={entity.key}")
            assert answer.json == {entity.key: row[entity.key]}


@examples(30, 1000)
@given(data=st.data())
def test_the_markets_of_an_event_are_those_of_a_filter_in_the_order_of_strikes(
    table: Table, data: st.DataObject
) -> None:
    event = data.draw(st.sampled_from(event_tickers(table.first_rows)))
    query = data.draw(random_query(table.first_rows, sort_orders=EVENT_ORDERS))
    if "event_ticker" in query.parameters:
        return
    conditions = [*query.question.conditions, Condition("event_ticker", "", event)]
    query = replace(
        query, question=replace(query.question, conditions=conditions), path=f"/events/{quote(event, safe='')}/markets"
    )
    assert_page(table.api, query, data.draw(FORMATS), page(table.rows, query.question))


@examples(10, 100)
@given(data=st.data())
def test_a_walk_in_the_order_of_strikes_is_the_whole_event(table: Table, data: st.DataObject) -> None:
    event, descending = data.draw(st.sampled_from(event_tickers(table.first_rows))), data.draw(st.booleans())
    parameters = {"fields": "ticker", "order_direction": "desc" if descending else "asc"}
    question = Question(
        conditions=[Condition("event_ticker", "", event)], order_by="strike", descending=descending, fields=["ticker"]
    )
    query = RenderedQuery(question, parameters, f"/events/{quote(event, safe='')}/markets")
    pages = walk(
        table.api, query, itertools.cycle(data.draw(st.lists(st.integers(1, 5), min_size=1))), itertools.cycle(["json"])
    )
    expected = [written(row, ["ticker"]) for row in matching(table.rows, question)]
    assert list(itertools.chain.from_iterable(pages)) == expected


def event_tickers(rows: Rows) -> list[str]:
    """Return the tickers of events that can be part of a path, the largest first."""
    counts: dict[str, list[Row]] = {}
    for row in rows:
        counts.setdefault(row["event_ticker"] or "/", []).append(row)
    return sorted((ticker for ticker in counts if "/" not in ticker), key=lambda ticker: -len(counts[ticker]))[:5]
