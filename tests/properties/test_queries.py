import itertools
from dataclasses import replace
from unittest import mock

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from api.markets.parameters import SORT_ORDERS
from tests.properties.answers import assert_page, walk
from tests.properties.model import Condition, Question, matching, page, written
from tests.properties.queries import UNSETTLED, RenderedQuery, random_query
from tests.properties.scale import examples
from tests.properties.tables import Table

pytestmark = pytest.mark.timeout(1800)
FORMATS = st.sampled_from(("json", "ndjson", "csv"))


@examples(200, 2000)
@given(data=st.data())
def test_any_query_finds_what_the_contract_says_digit_for_digit(table: Table, data: st.DataObject) -> None:
    query = data.draw(random_query(table.first_rows))
    format_ = data.draw(FORMATS)
    note(f"table of seed {table.seed}")
    expected = page(table.rows, query.question)
    assert_page(table.api, query, format_, expected)


@examples(100, 1000)
@given(data=st.data())
def test_any_query_within_one_event_or_small_series_finds_what_the_contract_says(
    table: Table, data: st.DataObject
) -> None:
    query = data.draw(random_query(table.first_rows))
    column = data.draw(st.sampled_from(("event_ticker", "series_ticker")))
    value = data.draw(st.sampled_from(table.first_rows))[column] or ""
    conditions = [item for item in query.question.conditions if (item.column, item.operator) != (column, "")]
    question = replace(query.question, conditions=[*conditions, Condition(column, "", value)])
    query = RenderedQuery(question, query.parameters | {column: value})
    with mock.patch("api.markets.sql.Markets.refine", lambda _, query, __: setattr(query, "series_is_small", True)):
        assert_page(table.api, query, data.draw(FORMATS), page(table.rows, question))


@examples(40, 200)
@given(data=st.data())
def test_the_exact_total_is_the_number_of_all_that_match(table: Table, data: st.DataObject) -> None:
    query = data.draw(random_query(table.first_rows))
    answer = assert_page(table.api, query, "json", page(table.rows, query.question), count_total="exact")
    assert answer.json["total"] == len(matching(table.rows, query.question))


@examples(25, 150)
@given(data=st.data())
def test_a_walk_with_any_limits_and_formats_is_the_whole_listing(table: Table, data: st.DataObject) -> None:
    query = data.draw(random_query(table.first_rows, paged=False))
    some = data.draw(st.lists(st.integers(1, 120), min_size=1, max_size=4).filter(lambda limits: max(limits) > 20))
    pages = walk(table.api, query, itertools.cycle(some), itertools.cycle(data.draw(st.lists(FORMATS, min_size=1))))
    rows = list(itertools.chain.from_iterable(pages))
    assert rows == [written(row, query.question.fields) for row in matching(table.rows, query.question)]


@pytest.mark.parametrize("descending", [True, False], ids=["desc", "asc"])
@pytest.mark.parametrize("order", SORT_ORDERS)
def test_a_walk_goes_row_by_row_past_the_values_at_either_end(table: Table, order: str, descending: bool) -> None:
    parameters = {"order_by": order, "order_direction": "desc" if descending else "asc", "fields": "ticker"}
    conditions = []
    if SORT_ORDERS[order].only_unsettled:
        conditions.append(Condition("status", "__in", UNSETTLED))
        parameters["status__in"] = ",".join(UNSETTLED)
    question = Question(conditions=conditions, order_by=order, descending=descending, fields=["ticker"])
    query = RenderedQuery(question, parameters)
    pages = walk(table.api, query, itertools.repeat(1), itertools.repeat("json"))
    tickers = [page[0][0][1] for page in itertools.islice(pages, 12)]
    assert tickers == [row["ticker"] for row in matching(table.rows, question)[:12]]
