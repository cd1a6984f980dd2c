"""Response of GET /lake: a page of closed days, the newest first, with signed URLs where the operator allows them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from api.errors import RETRY_HINT, ApiError, ErrorCode
from api.lake.days import Day, read_days
from api.lake.request import LakeRequest, parse_request
from api.listing.paging import next_url
from api.resources import Resources
from api.responses import fraction_of_limit, json_response, time_text
from kalshi_markets.lake.storage import LakeError, LakeStorage

URL_SECONDS: Final = 3600
"""Seconds until a signed URL expires."""
MAX_FILL: Final = 0.8
"""Maximum of the days' part of the response size limit. The metadata of the page needs little."""


def respond(request: Request, resources: Resources) -> Response:
    """Return the response of GET /lake. Raises ApiError and SettingsError."""
    lake_request = parse_request(request.scope["query_string"])
    storage = resources.lake
    if storage is None:
        hint = "The operator of this service can turn the lake on with the setting LAKE_URL (docs/lake.md)."
        raise ApiError(ErrorCode.LAKE_NOT_FOUND, "This service has no lake.", hint)
    try:
        page = _page(request, lake_request, storage, with_urls=resources.settings.lake_signed_urls)
    except LakeError:
        raise ApiError(ErrorCode.LAKE_UNAVAILABLE, "The storage of the lake is unavailable.", RETRY_HINT) from None
    return json_response(request, page)


def _page(request: Request, lake_request: LakeRequest, storage: LakeStorage, *, with_urls: bool) -> dict[str, Any]:
    expires_at = datetime.now(UTC) + timedelta(seconds=URL_SECONDS)
    items: list[dict[str, Any]] = []
    filled, cursor, truncated = 0.0, None, False
    for day in read_days(storage, lake_request.before):
        item = _item(day, storage, with_urls=with_urls)
        filled += fraction_of_limit(json.dumps(item))
        truncated = bool(items) and filled > MAX_FILL
        if truncated or len(items) == lake_request.limit:
            cursor = items[-1]["day"]
            break
        items.append(item)
    page = {"items": items, "count": len(items), "next_cursor": cursor, "next_url": next_url(request, cursor)}
    if truncated:
        page["truncated"] = True
    if any("urls" in item for item in items):
        page["urls_expire_at"] = time_text(expires_at.replace(microsecond=0))
    return page


def _item(day: Day, storage: LakeStorage, *, with_urls: bool) -> dict[str, Any]:
    item = {
        "day": day.day.isoformat(),
        "objects": len(day.objects),
        "lines": day.lines,
        "bytes": day.size,
        "after": day.after,
        "last": day.last,
    }
    urls = [storage.signed_url(key, URL_SECONDS) for key in day.objects] if with_urls else []
    return item | ({"urls": urls} if any(urls) else {})
