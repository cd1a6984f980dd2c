"""Tool that reports the freshness and the completeness of the data, an extract of GET /status."""

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any, Final

from api import status
from api.mcp.api_calls import api_url, dump, get_request, query_pairs, query_string, text_of
from api.mcp.schemas import object_schema
from api.mcp.tool import Answer, Arguments, Tool, ToolContext
from api.query_string import parse_parameters
from api.responses import time_text

PATH: Final = "/status"
_COPIED: Final = ("markets", "removed", "live", "archive", "statuses")
_JOB_FIELDS: Final = ("job", "lag_seconds", "running", "last_error")


async def run(arguments: Arguments, context: ToolContext) -> Answer:
    """Return the state of the data and of the crawler's jobs. Raises ApiError and DatabaseError."""
    parse_parameters(query_string(query_pairs(arguments)).encode(), {})
    report = json.loads(text_of(status.respond(get_request(context.request, PATH, ""), context.resources.database)))
    committed = [job["committed_at"] for job in report["jobs"] if job["committed_at"]]
    facts = {
        "now": time_text(datetime.now(UTC).replace(microsecond=0)),
        "crawled_at": max(committed, default=None),
        **{name: report[name] for name in _COPIED},
        "rejects": report["rejects"]["count"],
        "api_url": api_url(context.request, PATH),
    }
    return Answer(dump(facts), _table(report["jobs"]))


def _table(jobs: list[dict[str, Any]]) -> str:
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow(_JOB_FIELDS)
    writer.writerows([_cell(job[name]) for name in _JOB_FIELDS] for job in jobs)
    return table.getvalue()


def _cell(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


TOOL: Final = Tool(
    "get_freshness",
    "Freshness of the data",
    "How fresh and complete the data is. live.complete: every unsettled market was confirmed since live.started_at."
    " archive.complete: every archived market is stored. statuses: markets by status, and since when all of them are"
    " confirmed. Then the crawler's jobs as CSV; lag_seconds is the age of a job's data. api_url has all details.",
    object_schema({}),
    run,
)
