"""Counts of all markets by the values of a few columns, for facets and for the series."""

from kalshi_markets.columns import FACETS
from kalshi_markets.database import Database


class MarketCounter:
    """Counter of the markets. Methods raise DatabaseError."""

    def __init__(self, database: Database) -> None:
        self._database = database
        table = database.settings.table
        self._statements = (_counts_sql(table), _facets_sql(table))

    def count(self) -> None:
        """Count the markets and store the counts within a transaction. Only counts that changed are written."""
        for statement in self._statements:
            self._database.execute(statement)


def _counts_sql(table: str) -> str:
    """Return the SQL that counts by the combinations of all columns.

    An index of the details has these columns in this order, and only few markets were traded within a day.
    """
    keys = "series_ticker, category, status, strike_type, result"
    return f"""
        WITH counted AS (
            SELECT {keys}, count(*) AS markets, 0 AS volume_24h FROM {table}_details GROUP BY {keys}
            UNION ALL
            SELECT {_qualified("details", keys)}, 0, quotes.volume_24h
            FROM {table}_quotes AS quotes JOIN {table}_details AS details ON details.ticker = quotes.ticker
            WHERE quotes.status <> 'finalized' AND quotes.volume_24h > 0),
        summed AS (
            SELECT {keys}, sum(markets)::bigint AS markets, trim_scale(sum(volume_24h)) AS volume_24h
            FROM counted GROUP BY {keys}),
        incoming AS MATERIALIZED (
            SELECT summed.series_ticker, summed.category, series.categories, summed.status, summed.strike_type,
                   summed.result, summed.markets, summed.volume_24h
            FROM summed LEFT JOIN {table}_series AS series ON series.series_ticker = summed.series_ticker),
        {_replace_sql(f"{table}_counts")}"""


def _facets_sql(table: str) -> str:
    """Return the SQL that counts by each column alone. It sums the stored counts."""
    facets = " UNION ALL ".join(
        f"SELECT '{name}', {name}, sum(markets)::bigint FROM {table}_counts GROUP BY {name}" for name in FACETS
    )
    return f"""
        WITH incoming (facet, value, markets) AS MATERIALIZED ({facets}),
        {_replace_sql(f"{table}_facets")}"""


def _replace_sql(counts: str) -> str:
    """Return the CTE and the statement that replace the rows that differ from the CTE `incoming`.

    Rows are compared as texts, because a value may be NULL.
    """
    return f"""
        stale AS (
            DELETE FROM {counts} AS stored
            WHERE NOT EXISTS (SELECT FROM incoming WHERE incoming::text = stored::text))
        INSERT INTO {counts} SELECT * FROM incoming
        WHERE NOT EXISTS (SELECT FROM {counts} AS stored WHERE stored::text = incoming::text)"""


def _qualified(alias: str, names: str) -> str:
    return ", ".join(f"{alias}.{name}" for name in names.split(", "))
