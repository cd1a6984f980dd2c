"""ETags, cache headers and 304 responses. All of them depend on the version of the table."""

import hashlib
import json
from datetime import datetime
from typing import Final, NamedTuple, Self

from starlette.requests import Request
from starlette.responses import Response

from api.responses import if_none_match, time_text
from kalshi_markets.database import Database
from kalshi_markets.job_names import COUNTS

MAX_AGE_SECONDS: Final = 15
"""Cache-Control max-age. The exchange caches its own responses for 15 s (observed on production, 2026-08)."""


class TableVersion(NamedTuple):
    """Version of the contents of a table.

    change_number: the number of the last change.
    crawled_at: the time of the crawler's last commit; None before the first one.
    counted_at: the time of the last count of markets; None if the response contains no counts.
    """

    change_number: int
    crawled_at: str | None
    counted_at: str | None = None

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Parse the JSON that version_sql selects."""
        return cls(*json.loads(text))

    def headers(self, etag: str) -> dict[str, str]:
        """Return the version headers. The version is not part of the body, so that equal pages have equal bodies."""
        headers = {
            "etag": etag,
            "cache-control": f"max-age={MAX_AGE_SECONDS}",
            "x-change-number": str(self.change_number),
        }
        if self.crawled_at:
            headers["x-crawled-at"] = time_text(datetime.fromisoformat(self.crawled_at))
        return headers


def version_sql(table: str, changed_table: str | None = None, *, counts: bool = False) -> str:
    """Return a SELECT of the JSON of a TableVersion.

    changed_table: the table that has the change numbers; None: the jobs, which have the last one of the markets.
    counts: the response contains counts of markets.
    """
    change = f"(SELECT max(change_number) FROM {changed_table})" if changed_table else "max(change_number)"
    counted = f", max(confirmed_at) FILTER (WHERE job = '{COUNTS}')" if counts else ""
    return f"SELECT json_build_array(coalesce({change}, 0), max(committed_at){counted})::text FROM {table}_jobs"


class ETag:
    """Weak ETag of a request's response. It is weak because it is equal for all content encodings.

    It combines a hash of the request and the deployed source with the table's change number. Equal ETags therefore
    mean equal responses.
    """

    def __init__(self, request: Request, format_name: str, source_fingerprint: str) -> None:
        path, query = request.scope["path"], request.scope["query_string"]
        question = json.dumps([source_fingerprint, format_name, path, query.decode("latin-1")])
        self._request_hash = hashlib.blake2b(question.encode(), digest_size=12).hexdigest()
        self._if_none_match = if_none_match(request)

    @property
    def has_if_none_match(self) -> bool:
        """Return whether the request has an If-None-Match header with a value."""
        return self._if_none_match != {""}

    def value(self, version: TableVersion) -> str:
        """Return the ETag of the response for this table version."""
        counted = f"-{version.counted_at}" if version.counted_at else ""
        return f'W/"{self._request_hash}-{version.change_number}{counted}"'

    def matches(self, version: TableVersion) -> bool:
        """Return whether If-None-Match contains the ETag for this table version, or *."""
        return bool(self._if_none_match & {"*", self.value(version).removeprefix("W/")})


def not_modified(database: Database, tag: ETag, version_sql: str) -> Response | None:
    """Return a 304 response if the client has the current response, else None. Raises DatabaseError.

    version_sql: the SELECT of the current version.
    """
    if not tag.has_if_none_match:
        return None
    [[text]] = database.query(version_sql)
    version = TableVersion.from_json(text)
    return Response(status_code=304, headers=version.headers(tag.value(version))) if tag.matches(version) else None
