"""Market objects with difficult values: ties, missing fields, and texts and numbers at the limits of the table."""

import json
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Any, Final

from kalshi_markets.columns import COLUMNS_BY_NAME, MARKET_COLUMNS, Column, Entity, Kind, Origin
from kalshi_markets.database import Database
from tests.properties.model import Json, Row, plain
from tests.support.api_client import ApiClient
from tests.support.database import store_markets

ALPHABET: Final = "aAbBzZ09éÉßẞſΣσςжЖñΩ%_\\'\"`\n\r\t,;:{}[]()|*+?.^$-/#&= <>\x01\x7f\x85\u2028\ufeff\u0301😀𝔸ﬀ"
"""Characters of texts, without the Kelvin sign and the dotted İ, whose lower cases are ASCII letters."""
TEXTS: Final = (
    "",
    " ",
    "a",
    "A",
    "ab",
    "%",
    "_",
    "\\",
    "a%b",
    "a_b",
    "a\\b",
    "''",
    '""',
    "null",
    "NULL",
    "é",
    "É",
    "e\u0301",
)
NUMBERS: Final = ("0", "0.00", "1", "1.0", "1.10", "-1", "0.1", "0.0001", "1000", "999999999999.99", "-0.0")
EXTREME: Final = ("9" * 30 + "." + "9" * 30, "-" + "9" * 30 + "." + "9" * 30, "0." + "0" * 29 + "1", "1" + "0" * 29)
INSTANTS: Final = (
    *("0001-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z", "1970-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
    *(
        "2026-01-01T00:00:00.000001Z",
        "2026-01-01T00:00:00.1Z",
        "2026-01-01T02:00:00+02:00",
        "2025-12-31T18:30:00-05:30",
    ),
    *("2026-01-01T00:01:00Z", "2099-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z", "2024-02-29T12:00:00.12Z"),
)
JSONS: Final[tuple[Any, ...]] = (
    *(
        {},
        [],
        "",
        "a",
        0,
        1,
        Decimal("1.0"),
        Decimal("1.10"),
        Decimal("-0.0"),
        True,
        False,
        [1, [2, {}]],
        [None],
        "null",
    ),
    *({"a": 1}, {"a": Decimal("1.00")}, {"a": "1"}, {"é\n": "ñ'\"\\"}, {"b": 1, "a": [2, 1]}, {"a": None}, {"": ""}),
    *([{"start": "0", "end": "1", "step": "0.01"}], {"n": Decimal("0.00000000000000000000000001")}, 10**25),
)
_BOOK: Final = ("yes_bid_dollars", "yes_ask_dollars", "yes_bid_size", "yes_ask_size")


def text(rng: random.Random) -> str:
    """Generate a short text, often a common one, so that texts are equal."""
    if rng.random() < 0.5:
        return rng.choice(TEXTS)
    return "".join(rng.choice(ALPHABET) for _ in range(rng.choice((1, 2, 3, 8, 40))))


def number(rng: random.Random, column: Column) -> str:
    """Generate a number in the exchange's format."""
    if column.sql_type != "numeric":
        return str(rng.choice((0, 1, -1, 2**31 - 1, -(2**31), rng.randrange(10_000))))
    chance = rng.random()
    if chance < 0.5:
        return rng.choice(NUMBERS)
    if chance < 0.6 and column.name not in _BOOK:
        return rng.choice(EXTREME)
    return f"{rng.randrange(-100, 10 ** rng.randrange(1, 7))}.{rng.randrange(10**4):04}"


def instant(rng: random.Random) -> str:
    """Generate an instant with a fraction of zero to six digits."""
    if rng.random() < 0.6:
        return rng.choice(INSTANTS)
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=rng.randrange(-90, 90), seconds=rng.randrange(3))
    fraction = "".join(rng.choice("059") for _ in range(rng.randrange(7)))
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + ("." + fraction if fraction else "") + "Z"


def value(rng: random.Random, column: Column) -> Any:
    """Generate a field of a Market object."""
    if column.allowed_values:
        return rng.choice(column.allowed_values)
    makers: dict[Kind, Callable[[], Any]] = {
        Kind.STRING: lambda: text(rng),
        Kind.NUMBER: lambda: number(rng, column),
        Kind.TIME: lambda: instant(rng),
        Kind.BOOLEAN: lambda: rng.random() < 0.5,
        Kind.JSON: lambda: rng.choice(JSONS),
    }
    return makers[column.kind]()


def market(rng: random.Random, ticker: str) -> dict[str, Any]:
    """Generate a Market object in which about a third of the fields is missing."""
    fields = {column.source_field: value(rng, column) for column in MARKET_COLUMNS if rng.random() > 0.3}
    return fields | {"ticker": ticker}


def tickers(rng: random.Random, count: int) -> list[str]:
    """Generate distinct tickers that differ in case, in length and beyond ASCII."""
    made = {
        rng.choice(("K", "k", "É", "é", "%", "_", "\\", "😀", "KX-A", "")) + text(rng)[:9] for _ in range(count // 3)
    }
    made |= {f"KX{rng.choice('aAbB')}-{n}" for n in range(count - len(made))}
    return sorted(made - {""})


def row(market: Mapping[str, Any]) -> dict[str, Any]:
    """Return the expected row of a Market object."""
    values = {column.name: _stored(column, market.get(column.source_field)) for column in MARKET_COLUMNS}
    if values["subtitle"] is None:
        values["subtitle"] = values["yes_sub_title"]
    book = [values[name] for name in _BOOK]
    values["liquidity"] = None if None in book else _cents(*book)
    return values


OPTIONAL: Final = {"subtitle", "functional_strike", "early_close_condition", "mve_collection_ticker"} | {
    "primary_participant_key"
}
"""Texts that are stored as NULL if they are empty."""


def _stored(column: Column, value: Any) -> Any:
    if value is None or (value == "" and column.name in OPTIONAL):
        return None
    match column.kind:
        case Kind.NUMBER:
            return Decimal(value)
        case Kind.TIME:
            return datetime.fromisoformat(value).astimezone(UTC)
        case Kind.JSON:
            return Json(value)
    return value


def _cents(bid: Decimal, ask: Decimal, bid_size: Decimal, ask_size: Decimal) -> Decimal:
    with localcontext(prec=200):
        return (100 * (bid * bid_size + (1 - ask) * ask_size)).quantize(Decimal(1), ROUND_HALF_EVEN)


class Rows(list[Row]):
    """List with a short repr, because Hypothesis prints the values of a strategy."""

    def __repr__(self) -> str:
        return f"<{len(self)} rows>"


class Table:
    """Table with the API over it and the expected rows. seed: the seed of its markets.

    It is not a dataclass: Hypothesis would print all of its fields with every failure.
    """

    def __init__(self, seed: int, api: ApiClient, database: Database, count: int = 300) -> None:
        self.seed, self.api, self.database = seed, api, database
        rng = random.Random(seed)
        self.markets = {ticker: market(rng, ticker) for ticker in tickers(rng, count)}
        self.rows = Rows()
        store_markets(database, *self.markets.values())
        for ticker in self.markets:
            _fill_the_rest(database, rng, ticker)
        self.refresh()
        self.first_rows = self.rows
        """Rows from which queries are generated. Later writes do not change them, so that failures are reproducible."""

    def write(self, *markets: dict[str, Any]) -> None:
        """Store Market objects as the crawler does. `rows` changes only with `refresh`."""
        store_markets(self.database, *markets)
        self.markets |= {market["ticker"]: market for market in markets}

    def refresh(self) -> None:
        """Update `rows` from the Market objects and from the columns that only the database has."""
        columns = ("ticker", *FROM_EVENTS, *OURS)
        stored = {
            values[0]: values for values in self.database.query(f"SELECT {', '.join(columns)} FROM kalshi_markets")
        }
        assert {*stored} == {*self.markets}
        rows = [
            row(market) | dict(zip(columns, stored[ticker], strict=True)) for ticker, market in self.markets.items()
        ]
        rows = [row_ | {"price_change_24h_dollars": _price_change(row_), **_categories(row_)} for row_ in rows]
        assert all({*row_} == {*COLUMNS_BY_NAME} for row_ in rows)
        self.rows = Rows(row_ | {"change_number": Decimal(row_["change_number"])} for row_ in rows)

    def __repr__(self) -> str:
        return f"<the table of seed {self.seed}>"


def _price_change(row: Row) -> Decimal | None:
    last, previous = row["last_price_dollars"], row["previous_price_dollars"]
    with localcontext(prec=200):
        return last - previous if last and previous else None


def _categories(row: Row) -> dict[str, Json | None]:
    return {"categories": None if row["categories"] is None else Json(row["categories"])}


FROM_EVENTS: Final = ("series_ticker", "category", "categories", "event_title")
OURS: Final = ("first_seen_at", "changed_at", "change_number", "removed_at")


def _fill_the_rest(database: Database, rng: random.Random, ticker: str) -> None:
    """Fill the columns that no Market object has."""
    series, category = rng.choice((None, text(rng))), rng.choice(CATEGORIES)
    categories = categories_of(rng, category)
    event_title = rng.choice((None, text(rng)))
    removed_at = rng.choice((None, None, None, instant(rng)))
    details = "series_ticker = $4::text, event_title = $5::text"
    for table, columns, values in (
        ("details", details, (series, event_title)),
        ("quotes", "removed_at = $4::text::timestamptz", (removed_at,)),
    ):
        database.execute(
            f"UPDATE kalshi_markets_{table} SET category = $2::text, categories = $3::jsonb, {columns} WHERE ticker = $1",
            ticker,
            category,
            None if categories is None else json.dumps(categories),
            *values,
        )


CATEGORIES: Final = (None, "", "Sports", "sports", "World", "a", "é")


def categories_of(rng: random.Random, category: str | None) -> list[str] | None:
    """Generate all categories: the primary one and up to two others; None if they are not known."""
    if category is None or rng.random() < 0.3:
        return None
    others = [name for name in CATEGORIES if name not in (None, category)]
    return [category, *rng.sample(others, rng.randrange(3))]


class EntityTable:
    """Table of events or series with the API over it and the expected rows. seed: the seed of its rows."""

    def __init__(self, entity: Entity, seed: int, api: ApiClient, database: Database, count: int = 200) -> None:
        self.entity, self.seed, self.api = entity, seed, api
        rng, table = random.Random(seed), f"kalshi_markets_{entity.name}"
        database.execute_script(f"TRUNCATE {table}")
        stored = [column for column in entity.columns if column.origin is not Origin.SERVICE]
        rows: dict[str, Row] = {}
        for ticker in tickers(rng, count):
            written = {column.name: value(rng, column) for column in stored if rng.random() > 0.3}
            category = rng.choice(CATEGORIES)
            written |= {entity.key: ticker, "category": category, "categories": categories_of(rng, category)}
            rows[ticker] = {column.name: _stored(column, written.get(column.name)) for column in stored}
            casts = ", ".join(f"${n}::text::{column.sql_type}" for n, column in enumerate(stored, start=1))
            database.execute(
                f"INSERT INTO {table} ({', '.join(column.name for column in stored)}) VALUES ({casts})",
                *(_parameter(column, written.get(column.name)) for column in stored),
            )
        ours = [column.name for column in entity.columns if column.origin is Origin.SERVICE and column.filterable]
        for ticker, *values in database.query(f"SELECT {entity.key}, {', '.join(ours)} FROM {table}"):
            more = dict(zip(ours, values, strict=True))
            rows[ticker] = {**rows[ticker], **more, "change_number": Decimal(more["change_number"])}
        unstored = {column.name: None for column in entity.columns if not column.filterable}
        self.rows = Rows({**row, **unstored} for row in rows.values())

    def __repr__(self) -> str:
        return f"<the {self.entity.name} of seed {self.seed}>"


def _parameter(column: Column, value: Any) -> str | None:
    """Return the text of a value for a statement. Numbers are stored without trailing zeros, as by the crawler."""
    if value is None:
        return None
    if column.kind is Kind.NUMBER:
        return plain(Decimal(value))
    return json_text(value) if column.kind in (Kind.JSON, Kind.BOOLEAN) else str(value)


def json_text(value: Any, *, spaced: bool = False) -> str:
    """Format a JSON value with the digits of its Decimals and its fields in reverse order."""
    gap = " " if spaced else ""
    if isinstance(value, dict):
        return (
            "{"
            + f",{gap}".join(f"{json.dumps(k)}:{gap}{json_text(v, spaced=spaced)}" for k, v in reversed(value.items()))
            + "}"
        )
    if isinstance(value, list):
        return "[" + f",{gap}".join(json_text(member, spaced=spaced) for member in value) + "]"
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return format(value, "f" if isinstance(value, Decimal) else "") + (
            ".0" if spaced and isinstance(value, int) else ""
        )
    return json.dumps(value, ensure_ascii=spaced)
