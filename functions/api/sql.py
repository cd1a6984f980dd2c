"""A typed query -> one SQL statement and its parameters. Identifiers come from columns.py; values are parameters."""

from collections.abc import Sequence
from typing import Final

from api.filters import CASTS
from api.query import Query
from kalshi_markets.columns import DEFAULT, Column, Kind

Statement = tuple[str, list[object]]

SEPARATOR: Final = ",\n"
"""Between the items of a page. PostgreSQL's JSON of a row has no newline of its own."""

_CHECKS: Final = {Kind.STRING: "SELECT '' ~* $1::text", Kind.JSON: "SELECT $1::jsonb"}
_ORDERS: Final = {"recent": "coalesce(close_time, open_time)"}


def page(query: Query, table: str) -> Statement:
    """One row: the page's items as JSON, parted by SEPARATOR, and how many they are."""
    values: list[object] = []

    def parameter(value: object, cast: str) -> str:
        values.append(value)
        return f"${len(values)}::{cast}"

    conditions = [
        condition.filter.operator.sql.format(
            column=condition.filter.column.name,
            value=parameter(condition.value, CASTS[condition.filter.column.kind]),
        )
        for condition in query.conditions
    ]
    for comparison, minutes in ((">=", query.min_duration_minutes), ("<=", query.max_duration_minutes)):
        if minutes is not None:
            bound = parameter(minutes, "numeric")
            conditions.append(f"extract(epoch FROM close_time - open_time) {comparison} 60 * {bound}")
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    limit, offset = parameter(query.limit, "bigint"), parameter(query.offset, "bigint")
    rows = (
        f"SELECT {_outputs(DEFAULT)} FROM {table} {where}"
        f" ORDER BY {_order(query.order_by, query.order_direction)} LIMIT {limit} OFFSET {offset}"
    )
    return f"SELECT coalesce(string_agg(row_to_json(m)::text, '{SEPARATOR}'), ''), count(*) FROM ({rows}) AS m", values


def market(ticker: str, table: str) -> Statement:
    """One row with one market's JSON, or none."""
    return (
        f"SELECT row_to_json(m)::text FROM (SELECT {_outputs(DEFAULT)} FROM {table} WHERE ticker = $1::text) AS m",
        [ticker],
    )


def checks(query: Query) -> list[tuple[str, Statement]]:
    """For each value that PostgreSQL parses itself, by parameter name: a statement that fails where it cannot."""
    return [
        (condition.filter.name, (_CHECKS[condition.filter.column.kind], [condition.value]))
        for condition in query.conditions
        if condition.filter.is_pattern or condition.filter.column.kind is Kind.JSON
    ]


def _outputs(columns: Sequence[Column]) -> str:
    return ", ".join(_output(column) for column in columns)


def _output(column: Column) -> str:
    if column.kind is not Kind.TIME:
        return column.name
    # In a UTC session `2026-07-02 21:31:13.7931+00`: RFC 3339 but for its T and its Z.
    return f"replace(replace({column.name}::text, ' ', 'T'), '+00', 'Z') AS {column.name}"


def _order(order_by: str, direction: str) -> str:
    if order_by == "ticker":
        return f"ticker {direction}"
    return f"{_ORDERS.get(order_by, order_by)} {direction} NULLS LAST, ticker {direction}"
