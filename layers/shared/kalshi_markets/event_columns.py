"""Tables of all columns of events and series, as columns.py has those of markets."""

from functools import partial
from typing import Final

from kalshi_markets.columns import Column, Entity, Kind, Origin, Table

_event = partial(Column, origin=Origin.EVENT, table=Table.EVENTS, in_default_response=True)
_series = partial(Column, origin=Origin.SERIES, table=Table.SERIES, in_default_response=True)


def _service_columns(table: Table, row: str) -> tuple[Column, ...]:
    """Return the columns of this service. row: the singular of what a row is."""
    column = partial(Column, origin=Origin.SERVICE, table=table)
    return (
        column("first_seen_at", f"When this service first saw the {row}.", Kind.TIME),
        column("changed_at", f"When a stored value of the {row} last changed.", Kind.TIME),
        column("change_number", "Number of the last change; unique.", Kind.NUMBER, sql_type="bigint"),
    )


EVENTS: Final = Entity(
    "events",
    "event_ticker",
    (
        _event("event_ticker", "Kalshi's unique name of the event.", Kind.STRING, orderable=True, text_indexed=True),
        _event("series_ticker", "The series of the event.", Kind.STRING),
        _event("title", "The title, as the exchange words it.", Kind.STRING, text_indexed=True),
        _event("sub_title", "The short title, such as the date.", Kind.STRING),
        _event("category", "The primary category of the event's series.", Kind.STRING, origin=Origin.SERIES),
        _event("categories", "All categories of the event's series.", Kind.JSON, origin=Origin.SERIES),
        _event("mutually_exclusive", "Whether at most one market of the event can resolve to yes.", Kind.BOOLEAN),
        _event("strike_date", "The date of the event, if its strike is a date.", Kind.TIME, orderable=True),
        _event("strike_period", "The period of the event, such as `week`, if its strike is a period.", Kind.STRING),
        _event(
            "collateral_return_type",
            "`MECNET`, `DIRECNET`, or empty: how collateral is netted within the event.",
            Kind.STRING,
        ),
        _event("fee_type_override", "Fee structure that replaces that of the series.", Kind.STRING),
        _event("fee_multiplier_override", "Fee multiplier that replaces that of the series.", Kind.NUMBER),
        _event("last_updated_ts", "When the exchange last edited the event.", Kind.TIME, orderable=True),
        _event(
            "settlement_sources",
            "The sources that determine the outcome: name and URL of each.",
            Kind.JSON,
            in_default_response=False,
        ),
        _event(
            "product_metadata", "Further data of the exchange; no fixed members.", Kind.JSON, in_default_response=False
        ),
        *_service_columns(Table.EVENTS, "event"),
    ),
    "last_updated_ts",
    ("event_ticker", "title", "sub_title"),
)

SERIES: Final = Entity(
    "series",
    "series_ticker",
    (
        _series(
            "series_ticker", "Kalshi's unique name of the series.", Kind.STRING, source_field="ticker", orderable=True
        ),
        _series("title", "The title, as the exchange words it.", Kind.STRING),
        _series("category", "The primary category.", Kind.STRING),
        _series("categories", "All categories.", Kind.JSON),
        _series("tags", "Subjects of the series.", Kind.JSON),
        _series("frequency", "How often there is an event, such as `daily` or `one_off`.", Kind.STRING),
        _series("fee_type", "Fee structure, such as `quadratic`.", Kind.STRING),
        _series("fee_multiplier", "Multiplier of the fees.", Kind.NUMBER),
        _series("settlement_sources", "The sources that determine the outcomes: name and URL of each.", Kind.JSON),
        _series("contract_url", "URL of the contract's original filing.", Kind.STRING),
        _series("contract_terms_url", "URL of the contract's current terms.", Kind.STRING),
        _series("exchange_index", "The exchange's shard.", Kind.NUMBER, sql_type="integer"),
        _series("last_updated_ts", "When the exchange last edited the series.", Kind.TIME, orderable=True),
        *_service_columns(Table.SERIES, "series"),
        Column(
            "market_counts",
            "Numbers of the series' markets, in all and by status, and their volume of 24 hours; null before the "
            "first count.",
            Kind.JSON,
            origin=Origin.SERVICE,
            table=Table.SERIES_COUNTS,
            filterable=False,
        ),
    ),
    "last_updated_ts",
)

EVENT_COLUMNS: Final = tuple(column for column in EVENTS.columns if column.origin is Origin.EVENT)
"""Columns of events from the Event object."""
SERIES_COLUMNS: Final = tuple(column for column in SERIES.columns if column.origin is Origin.SERIES)
"""Columns of series from the Series object."""
