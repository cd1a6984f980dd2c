"""Named queries of the lake in Athena: questions that a reader adapts. Days and times are in UTC."""

from typing import Final, NamedTuple


class NamedQuery(NamedTuple):
    """Query with a name and a sentence on its result."""

    name: str
    description: str
    sql: str


MARKETS_NOW: Final = NamedQuery(
    "Markets now",
    "Newest version of each active market, as of the last closed day.",
    """\
SELECT ticker,
    max_by(yes_bid_dollars, change_number) AS yes_bid_dollars,
    max_by(yes_ask_dollars, change_number) AS yes_ask_dollars,
    max_by(last_price_dollars, change_number) AS last_price_dollars,
    max_by(volume, change_number) AS volume,
    max_by(open_interest, change_number) AS open_interest,
    max(changed_at) AS changed_at
FROM quotes
GROUP BY ticker
HAVING max_by(status, change_number) = 'active' AND max_by(removed_at, change_number) IS NULL""",
)
SETTLEMENTS: Final = NamedQuery(
    "Settlements",
    "Newest outcome of each market that was settled in a range of time.",
    """\
SELECT ticker,
    max_by(series_ticker, change_number) AS series_ticker,
    max_by(result, change_number) AS result,
    max_by(settlement_value, change_number) AS settlement_value,
    max_by(settlement_ts, change_number) AS settlement_ts
FROM details
WHERE settlement_ts >= TIMESTAMP '2026-11-01 00:00:00' AND settlement_ts < TIMESTAMP '2026-12-01 00:00:00'
    AND day >= DATE '2026-11-01'
GROUP BY ticker""",
)
HOURLY_MIDS: Final = NamedQuery(
    "Hourly mids",
    "Middle of the best prices of each market of a series at the end of each hour. An hour without a change keeps the former value.",
    """\
WITH change AS (
    SELECT q.ticker, date_trunc('hour', q.changed_at) AS hour,
        max_by((q.yes_bid_dollars + q.yes_ask_dollars) / 2, q.change_number) AS mid
    FROM quotes q JOIN (SELECT DISTINCT ticker FROM details WHERE series_ticker = 'KXBTCD') s ON s.ticker = q.ticker
    WHERE q.day BETWEEN DATE '2026-11-01' AND DATE '2026-11-30'
        AND NOT (q.yes_bid_dollars = 0 AND q.yes_ask_dollars = 1)
    GROUP BY 1, 2),
market AS (SELECT ticker, min(hour) AS first_hour FROM change GROUP BY 1),
clock AS (
    SELECT hour FROM UNNEST(sequence(
        TIMESTAMP '2026-11-01 00:00:00', TIMESTAMP '2026-11-30 23:00:00', INTERVAL '1' HOUR)) AS t (hour))
SELECT m.ticker, k.hour,
    last_value(c.mid) IGNORE NULLS OVER (PARTITION BY m.ticker ORDER BY k.hour) AS mid
FROM market m JOIN clock k ON k.hour >= m.first_hour
    LEFT JOIN change c ON c.ticker = m.ticker AND c.hour = k.hour
ORDER BY 1, 2""",
)
AS_OF_A_MOMENT: Final = NamedQuery(
    "As of a moment",
    "Version of each market at a moment. Removed markets are included, with the time of their removal.",
    """\
SELECT ticker,
    max_by(status, change_number) AS status,
    max_by(yes_bid_dollars, change_number) AS yes_bid_dollars,
    max_by(yes_ask_dollars, change_number) AS yes_ask_dollars,
    max_by(last_price_dollars, change_number) AS last_price_dollars,
    max_by(volume, change_number) AS volume,
    max_by(removed_at, change_number) AS removed_at
FROM quotes
WHERE changed_at <= TIMESTAMP '2026-11-28 12:00:00' AND day <= DATE '2026-11-28'
GROUP BY ticker""",
)
COMPLETENESS: Final = NamedQuery(
    "Completeness",
    "Versions of each closed day that are not in the table quotes, and recorded gaps. Complete days have zeros. "
    "make lake-check verifies the objects themselves.",
    """\
SELECT r.day,
    count_if(r.gap IS NULL) AS versions,
    count_if(r.gap IS NULL AND q.known IS NULL) AS not_in_quotes,
    count_if(r.gap IS NOT NULL) AS gaps
FROM changes_raw r LEFT JOIN (SELECT change_number AS known FROM quotes) q ON q.known = r.change_number
WHERE r.day < CAST(current_date AS varchar)
GROUP BY r.day
ORDER BY r.day""",
)
NAMED_QUERIES: Final = (MARKETS_NOW, SETTLEMENTS, HOURLY_MIDS, AS_OF_A_MOMENT, COMPLETENESS)
