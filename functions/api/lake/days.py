"""Closed days of the lake, read from their manifests."""

import json
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, NamedTuple

from kalshi_markets.lake.objects import MANIFESTS_PREFIX
from kalshi_markets.lake.storage import LakeStorage


class Day(NamedTuple):
    """Closed day of the lake.

    objects: keys of its objects, in the order of their changes.
    lines: number of versions and gap records.
    size: bytes of the objects, compressed.
    after, last: the day has the changes after one number, up to another one.
    """

    day: date
    objects: Sequence[str]
    lines: int
    size: int
    after: int
    last: int


def read_days(storage: LakeStorage, before: date | None) -> Iterator[Day]:
    """Yield the closed days before a day, the newest first. Each day is read when it is needed. Raises LakeError."""
    manifests: dict[date, list[str]] = {}
    for item in storage.list(MANIFESTS_PREFIX):
        _, name, _ = item.key.split("/")
        manifests.setdefault(date.fromisoformat(name.removeprefix("day=")), []).append(item.key)
    for day in sorted(manifests, reverse=True):
        if before is None or day < before:
            yield _read_day(storage, day, manifests[day])


def _read_day(storage: LakeStorage, day: date, keys: Sequence[str]) -> Day:
    members: list[dict[str, Any]] = []
    for key in keys:
        members += json.loads(storage.get(key) or b'{"objects": []}')["objects"]
    return Day(
        day,
        [member["key"] for member in members],
        sum(member["lines"] for member in members),
        sum(member["size"] for member in members),
        min(member["after"] for member in members),
        max(member["last"] for member in members),
    )
