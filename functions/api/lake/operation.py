"""OpenAPI schema of a page of GET /lake."""

from typing import Any, Final

_COUNT: Final = {"type": "integer", "minimum": 0}
_NULLABLE: Final = {"type": ["string", "null"]}
_DAY: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "day": {"type": "string", "format": "date"},
        **dict.fromkeys(("objects", "lines", "bytes", "after", "last"), _COUNT),
        "urls": {"type": "array", "items": {"type": "string", "format": "uri"}},
    },
    "required": ["day", "objects", "lines", "bytes", "after", "last"],
}
PAGE: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "items": {"type": "array", "items": _DAY},
        "count": _COUNT,
        "next_cursor": _NULLABLE,
        "next_url": _NULLABLE,
        "truncated": {"const": True},
        "urls_expire_at": {"type": "string", "format": "date-time"},
    },
    "required": ["items", "count", "next_cursor", "next_url"],
}
