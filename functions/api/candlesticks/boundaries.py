"""Boundaries of periods: the start of the first period, then the end of each period, in Unix seconds.

Periods shorter than a day are counted from midnight UTC, days from midnight in a zone. PostgreSQL computes the
midnights, because Lambda's runtime may have no time zone data.
"""

import json
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Final

from kalshi_markets.database import Database

DAY_SECONDS: Final = 86_400
_SLACK_DAYS: Final = 3
"""Days before and after a range within which a zone's midnight is found: offsets are up to 14 hours, and Samoa skipped
a day."""
_known_zones: Final[set[str]] = set()
"""Requested zones that PostgreSQL has. Its list takes 20 ms, because it reads the file of every zone."""


def minute_boundaries(start: int, end: int, minutes: int) -> Sequence[int]:
    """Return the boundaries of the periods that end from `start` to `end`, both included; empty if none ends there.

    minutes: length of a period. It divides a day.
    """
    length = minutes * 60
    first, last = -(-start // length) * length, end // length * length
    return range(first - length, last + 1, length) if first <= last else ()


def day_boundaries(database: Database, zone: str, start: int, end: int) -> Sequence[int] | None:
    """Return the boundaries of the zone's days that end from `start` to `end`, both included; empty if none ends there.

    The result is None if the zone is unknown. Raises DatabaseError.
    """
    # Where midnight occurs twice, PostgreSQL takes the second, and the day starts at the first: the instant after
    # 23:59:59.999999. Only names of its list are zones: AT TIME ZONE also accepts abbreviations and POSIX rules.
    [[midnights]] = database.query(
        """
        SELECT json_agg(DISTINCT extract(epoch FROM least(
                   day AT TIME ZONE $1,
                   (day - interval '1 microsecond') AT TIME ZONE $1 + interval '1 microsecond'))::bigint)::text
        FROM generate_series($2::int, $3::int) AS number,
            LATERAL (SELECT timestamp 'epoch' + number * interval '1 day' AS day) AS days
        WHERE $4::boolean OR EXISTS (SELECT FROM pg_timezone_names WHERE name = $1)""",
        zone,
        min(start, end) // DAY_SECONDS - _SLACK_DAYS,
        end // DAY_SECONDS + _SLACK_DAYS,
        zone in _known_zones,
    )
    if midnights is None:
        return None
    _known_zones.add(zone)
    instants = sorted(json.loads(midnights))
    first, behind = bisect_left(instants, start), bisect_right(instants, end)
    return instants[first - 1 : behind] if first < behind else ()
