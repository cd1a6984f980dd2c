"""Names of the crawler's jobs, as in the table of jobs, in GET /status and in logs."""

from typing import Final

SERIES: Final = "series"
EVENTS: Final = "events"
EVENTS_CHANGED: Final = "events/changed"
COUNTS: Final = "counts"
LIMITS: Final = "limits"
LAKE_EXPORT: Final = "lake/export"
LAKE_BACKLOG: Final = "lake/backlog"
LAKE_SNAPSHOTS: Final = "lake/snapshots"
MISSING: Final = "missing"
REJECTS: Final = "rejects"
RETENTION: Final = "retention"
CREATED: Final = "changed/created"
UPDATED: Final = "changed/updated"
SETTLED: Final = "settled"
SETTLED_RECHECK: Final = "settled/recheck"
SETTLED_BACKLOG: Final = "settled/backlog"
ARCHIVE: Final = "archive"
LIVE: Final = {status: f"live/{status}" for status in ("unopened", "open", "paused", "closed")}
"""By the `status` filter of the exchange whose listing the job reads; together they list every unsettled market."""

ADOPTED: Final = "adopted"
"""Not a job: the row that counts the markets of an adopted table."""
ARCHIVE_GAP: Final = "archive/gap"
"""Not a job: the row whose watermark says, by our clock, when markets were last found to have moved to the archive
unseen. A pass over the archive is complete only if it began after that."""
