"""GET /status: state of the crawler's jobs, freshness of the table, rejected markets and schema drift."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from api.query_string import reject_parameters
from api.responses import json_response, time_text
from kalshi_markets import job_names
from kalshi_markets.columns import STATUSES
from kalshi_markets.database import Database

JsonObject = dict[str, Any]

_JOB_FIELDS: Final = (
    *("started_at", "finished_at", "confirmed_at", "watermark", "committed_at"),
    *("markets", "added", "changed", "rejected", "last_error", "failed_at", "retry_at"),
)
_MARKER_ROWS: Final = (job_names.ADOPTED, job_names.ARCHIVE_GAP)
"""Rows of the jobs table that are not jobs."""
_JOB_BY_STATUS: Final = {
    "initialized": job_names.LIVE["unopened"],
    "active": job_names.LIVE["open"],
    "inactive": job_names.LIVE["paused"],
    **dict.fromkeys(("closed", "determined", "disputed", "amended"), job_names.LIVE["closed"]),
}
"""Live job that reads the markets of each status. Finalized markets are read once, by the settled job."""
_LIVE: Final = frozenset(_JOB_BY_STATUS.values())
_NEVER: Final = datetime.min.replace(tzinfo=UTC)

MAX_REJECTS: Final = 10
MAX_DRIFT: Final = 50
_REJECT_FIELDS: Final = ("ticker", "reason", "last_at")
_DRIFT_FIELDS: Final = ("member", "change", "markets", "example", "first_at", "last_at")


def respond(request: Request, database: Database) -> Response:
    """Return the response of GET /status. Raises ApiError and DatabaseError."""
    reject_parameters(request.scope["query_string"])
    return json_response(request, json.dumps(report(database), ensure_ascii=False, default=_json_default))


def report(database: Database) -> dict[str, Any]:
    """Return the body of GET /status, with times as datetimes. Raises DatabaseError."""
    table, rows = database.settings.table, _job_rows(database)
    jobs = _jobs(rows)
    counts = {status: count for status, count in database.query(status_counts_sql(table)) if count > 0}
    [[removed]] = database.query(removed_count_sql(table))
    [[rejects]] = database.query(f"SELECT count(*) FROM {table}_rejects")
    newest = f"{table}_rejects ORDER BY last_at DESC, ticker LIMIT {MAX_REJECTS}"
    drift = f"{table}_drift ORDER BY last_at DESC, first_at DESC, member, change LIMIT {MAX_DRIFT}"
    return {
        "markets": sum(counts.values()),
        "removed": removed,
        "live": _live(jobs),
        "archive": _archive({row["job"]: row for row in rows}),
        "statuses": _statuses(counts, {job["job"]: job for job in jobs}),
        "jobs": jobs,
        "rejects": {"count": rejects, "newest": _rows(database, _REJECT_FIELDS, newest)},
        "drift": _rows(database, _DRIFT_FIELDS, drift),
        "lake": _lake(database),
    }


def _job_rows(database: Database) -> list[JsonObject]:
    columns = ("job", "position", "added", "completed_by", *(name for name in _JOB_FIELDS if name != "added"))
    return _rows(database, columns, f"{database.settings.table}_jobs ORDER BY job")


def _jobs(rows: Sequence[JsonObject]) -> list[JsonObject]:
    now = datetime.now(UTC)
    return [_job(row, now) for row in rows if row["job"] not in _MARKER_ROWS]


def status_counts_sql(table: str) -> str:
    """Return SQL that counts the markets of each status.

    Only markets that are not finalized are counted, with indexes. The number of finalized markets is the total, from
    the jobs table, minus these.
    """
    return f"""
        WITH others AS (
            SELECT status, count(*) FROM {table}_quotes WHERE status <> 'finalized' GROUP BY status
            UNION ALL SELECT NULL, count(*) FROM {table}_details WHERE status IS NULL)
        SELECT status, count FROM others
        UNION ALL SELECT 'finalized', (
            (SELECT coalesce(sum(added), 0) FROM {table}_jobs) - (SELECT sum(count) FROM others))::bigint"""


def removed_count_sql(table: str) -> str:
    """Return SQL that counts the markets that the exchange has removed, in every status."""
    return f"SELECT count(*) FROM {table}_quotes WHERE removed_at IS NOT NULL"


def _job(row: JsonObject, now: datetime) -> JsonObject:
    position, confirmed_at = row["position"], row["confirmed_at"]
    return {
        "job": row["job"],
        "running": position is not None,
        "position": None if position is None else _public_position(position),
        "lag_seconds": None if confirmed_at is None else max(0, round((now - confirmed_at).total_seconds())),
        **{name: row[name] for name in _JOB_FIELDS},
    }


def _public_position(position: Mapping[str, Any]) -> dict[str, Any]:
    """Return the public part of a job's position, without the exchange's cursors."""
    times = [name for name in ("since", "from", "to", "until") if name in position]
    fields = {name: position[name] for name in ("pages", "series") if name in position}
    return {name: datetime.fromtimestamp(position[name], UTC) for name in times} | fields


def _live(jobs: Sequence[JsonObject]) -> dict[str, Any]:
    confirmed = [job for job in jobs if job["job"] in _LIVE and job["confirmed_at"] is not None]
    if len(confirmed) < len(_LIVE):
        return {"complete": False, "started_at": None, "finished_at": None}
    return {
        "complete": all((job["failed_at"] or _NEVER) <= (job["finished_at"] or _NEVER) for job in confirmed),
        "started_at": min(job["confirmed_at"] for job in confirmed),
        "finished_at": max((job["finished_at"] for job in confirmed if job["finished_at"]), default=None),
    }


def _lake(database: Database) -> JsonObject | None:
    """Return the position of the lake's export, or None if the lake was never on."""
    table = database.settings.table
    pending = f"(SELECT coalesce(sum(bytes), 0) AS pending_bytes FROM {table}_outbox) AS outbox"
    names = ("exported", "backlog_complete", "pending_bytes")
    [lake] = _rows(database, names, f"{table}_lake, {pending}")
    return None if lake["exported"] is None else lake | {"pending_bytes": int(lake["pending_bytes"])}


def _archive(rows: Mapping[str, JsonObject]) -> dict[str, Any]:
    """Return whether a complete pass over the archive was confirmed after markets last moved there unread, and how."""
    archive, moved = rows.get(job_names.ARCHIVE), rows.get(job_names.ARCHIVE_GAP)
    confirmed_at = archive["confirmed_at"] if archive else None
    moved_at = moved["watermark"] if moved else None
    return {
        "complete": confirmed_at is not None and (moved_at is None or moved_at <= confirmed_at),
        "completed_by": archive["completed_by"] if archive else None,
        "confirmed_at": confirmed_at,
    }


def _statuses(counts: Mapping[str | None, int], jobs: Mapping[str, JsonObject]) -> list[JsonObject]:
    """Return the count of each status: known ones in their order, then unknown ones, then markets without a status."""
    confirmed: dict[str | None, Any] = {
        status: jobs.get(name, {}).get("confirmed_at") for status, name in _JOB_BY_STATUS.items()
    }
    confirmed["finalized"] = jobs.get(job_names.SETTLED, {}).get("watermark")
    known = {status: index for index, status in enumerate(STATUSES)}
    ordered = sorted(counts, key=lambda status: (status is None, known.get(status or "", len(known)), status or ""))
    return [{"status": s, "count": counts[s], "confirmed_at": confirmed.get(s)} for s in ordered]


def _rows(database: Database, columns: Sequence[str], source: str) -> list[JsonObject]:
    rows = database.query(f"SELECT {', '.join(columns)} FROM {source}")
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _json_default(value: object) -> str:
    if isinstance(value, datetime):
        return time_text(value)
    raise TypeError(f"{type(value).__name__} has no JSON")
