"""How current an answer is: its headers, and whether the client has it already."""

import hashlib
import json
from dataclasses import dataclass
from typing import Final, Self

from starlette.requests import Request
from starlette.responses import Response

from api.markets import sql
from kalshi_markets.database import Database

MAX_AGE_SECONDS: Final = 15
"""The exchange's own answers are cached for so long, so nothing is fresher (observed on production, 2026-08)."""


@dataclass(frozen=True)
class TableVersion:
    """change_number: of the last change in the table; crawled_at: when the crawler last confirmed anything."""

    change_number: int
    crawled_at: str | None

    @classmethod
    def from_json(cls, text: str) -> Self:
        """From the JSON of sql.state."""
        return cls(*json.loads(text))

    def headers(self, etag: str) -> dict[str, str]:
        """They are no part of the body, so that bodies stay comparable."""
        headers = {
            "etag": etag,
            "cache-control": f"max-age={MAX_AGE_SECONDS}",
            "x-change-number": str(self.change_number),
        }
        return headers | ({"x-crawled-at": self.crawled_at.replace("+00:00", "Z")} if self.crawled_at else {})


class ETag:
    """The ETag of a question's answers; weak, for it is the same whatever the encoding.

    The same question to the same code with nothing changed since has the same answer.
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
        """Whether the client has an answer already, to this question or another."""
        return self._if_none_match != {""}

    def value(self, state: TableVersion) -> str:
        """The tag of the present answer."""
        return f'W/"{self._request_hash}-{state.change_number}"'

    def matches(self, state: TableVersion) -> bool:
        """Whether the client has the present answer."""
        return bool(self._if_none_match & {"*", self.value(state).removeprefix("W/")})


def not_modified(database: Database, tag: ETag) -> Response | None:
    """A 304, where the client has the present answer. Raises DatabaseError."""
    if not tag.has_if_none_match:
        return None
    statement, _ = sql.version_query(database.settings.table)
    state = TableVersion.from_json(database.query(statement)[0][0])
    return Response(status_code=304, headers=state.headers(tag.value(state))) if tag.matches(state) else None
