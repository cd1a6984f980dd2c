"""ETags, cache headers and 304 responses. All of them depend on the version of the table."""

import hashlib
import json
from typing import Final, NamedTuple, Self

from starlette.requests import Request
from starlette.responses import Response

from kalshi_markets.database import Database

MAX_AGE_SECONDS: Final = 15
"""Cache-Control max-age. The exchange caches its own responses for 15 s (observed on production, 2026-08)."""


class TableVersion(NamedTuple):
    """Version of the table's contents.

    change_number: the number of the last change.
    crawled_at: the time of the crawler's last commit; None before the first one.
    """

    change_number: int
    crawled_at: str | None

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
        return headers | ({"x-crawled-at": self.crawled_at.replace("+00:00", "Z")} if self.crawled_at else {})


def version_sql(table: str) -> str:
    """Return a SELECT of JSON [number of the last change, time of the crawler's last commit]."""
    return f"SELECT json_build_array(coalesce(max(change_number), 0), max(committed_at))::text FROM {table}_jobs"


class ETag:
    """Weak ETag of a request's response. It is weak because it is equal for all content encodings.

    It combines a hash of the request and the deployed source with the table's change number. Equal ETags therefore
    mean equal responses.
    """

    def __init__(self, request: Request, format_name: str, source_fingerprint: str) -> None:
        path, query = request.scope["path"], request.scope["query_string"]
        question = json.dumps([source_fingerprint, format_name, path, query.decode("latin-1")])
        self._request_hash = hashlib.blake2b(question.encode(), digest_size=12).hexdigest()
        self._if_none_match = {
            tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")
        }

    @property
    def has_if_none_match(self) -> bool:
        """Return whether the request has an If-None-Match header with a value."""
        return self._if_none_match != {""}

    def value(self, version: TableVersion) -> str:
        """Return the ETag of the response for this table version."""
        return f'W/"{self._request_hash}-{version.change_number}"'

    def matches(self, version: TableVersion) -> bool:
        """Return whether If-None-Match contains the ETag for this table version, or *."""
        return bool(self._if_none_match & {"*", self.value(version).removeprefix("W/")})


def not_modified(database: Database, tag: ETag) -> Response | None:
    """Return a 304 response if the client has the current response, else None. Raises DatabaseError."""
    if not tag.has_if_none_match:
        return None
    [[text]] = database.query(version_sql(database.settings.table))
    version = TableVersion.from_json(text)
    return Response(status_code=304, headers=version.headers(tag.value(version))) if tag.matches(version) else None
