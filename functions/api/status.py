"""GET /status: how far the crawler is."""

from datetime import UTC, datetime
from typing import Any

from kalshi_markets.database import Database

_MEMBERS = ("begun_at", "ended_at", "committed_at", "markets", "added", "changed", "refused", "last_error", "failed_at")


def report(database: Database) -> dict[str, Any]:
    """The table's size, and each walk's line in the crawler's books. Raises DatabaseError."""
    rows = database.read(
        f"SELECT job, position IS NOT NULL, {', '.join(_MEMBERS)} FROM {database.settings.table}_jobs ORDER BY job"
    )
    jobs = [
        {"job": job, "under_way": under_way, **dict(zip(_MEMBERS, map(_plain, values), strict=True))}
        for job, under_way, *values in rows
    ]
    return {
        "markets": sum(job["added"] for job in jobs),
        "jobs": [job for job in jobs if job["job"] != "adopted"],
    }


def _plain(value: Any) -> Any:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
