"""Reads of changes while rows change."""

import itertools
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.properties import tables
from tests.properties.answers import Members, items, walk
from tests.properties.model import matching, names, written
from tests.properties.queries import RenderedQuery, random_query
from tests.properties.scale import examples
from tests.properties.tables import Table

pytestmark = pytest.mark.timeout(1800)
FIELDS = names("all")


@examples(8, 40)
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_a_row_that_does_not_change_is_seen_once_and_in_its_place(table: Table, data: st.DataObject, seed: int) -> None:
    query, rng = data.draw(random_query(table.first_rows, paged=False)), random.Random(seed)
    moving = {str(row["ticker"]) for row in rng.sample(table.rows, 60)}
    expected = [row for row in matching(table.rows, query.question) if row["ticker"] not in moving]
    fields = ["ticker", *query.question.fields]
    query = RenderedQuery(
        replace(query.question, fields=names(",".join(fields))), query.parameters | {"fields": ",".join(fields)}
    )
    seen: list[Members] = []
    for page in walk(table.api, query, itertools.cycle([rng.randrange(5, 60)]), itertools.cycle(["json"])):
        seen += page
        table.write(*(tables.market(rng, ticker) for ticker in rng.sample(sorted(moving), 3)))
    table.refresh()
    still = [item for item in seen if item[0][1] not in moving]
    assert still == [written(row, query.question.fields) for row in expected]


@examples(3, 20)
@given(seed=st.integers(0, 2**32))
def test_following_the_changes_from_zero_rebuilds_the_table(table: Table, seed: int) -> None:
    rng, since = random.Random(seed), 0
    copy: dict[str, dict[str, Any]] = {}
    for _ in range(8):
        for _ in range(rng.randrange(3)):
            changed = rng.sample(sorted(table.markets), rng.randrange(1, 20))
            new = [f"NEW-{rng.randrange(10**12)}" for _ in range(rng.randrange(3))]
            table.write(*(tables.market(rng, ticker) for ticker in [*changed, *new]))
        since = follow(table, copy, since, rng)
    while (at := follow(table, copy, since, rng)) != since:
        since = at
    table.refresh()
    assert copy == {row["ticker"]: dict(written(row, FIELDS)) for row in table.rows}


def follow(table: Table, copy: dict[str, dict[str, Any]], since: int, rng: random.Random) -> int:
    """Copy a few pages of changes, by cursor or by change number. Return the next change number."""
    format_, more = rng.choice(("json", "ndjson", "csv")), ""
    for _ in range(rng.randrange(1, 6)):
        url = f"/markets?fields=all&changed_since={since}&format={format_}"
        answer = table.api.get(f"{url}&limit={rng.choice((1, 7, 50, 1000))}{more}")
        assert answer.status == 200, answer.text
        page = [dict(item) for item in items(answer, format_, FIELDS)]
        numbers = [int(item["change_number"].text) for item in page]
        assert numbers == sorted({*numbers})
        assert all(number > since for number in numbers)
        copy |= {item["ticker"]: item for item in page}
        reached = int(answer.headers["x-change-number"])
        if "x-next-cursor" in answer.headers and rng.random() < 0.5:
            more = f"&cursor={answer.headers['x-next-cursor']}"
        else:
            since, more = reached, ""
    return reached
