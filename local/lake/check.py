"""Check of a lake from its objects alone: the chain of changes, the manifests, the digests and the backlog.

Each object of changes continues the one before it: its `after` is the `last` of the other. So a missing object shows,
without the database that wrote the lake.
"""

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, NamedTuple

from kalshi_markets.lake.objects import (
    BACKLOG_PREFIX,
    CHANGES_PREFIX,
    MANIFESTS_PREFIX,
    MARKER_KEY,
    ChangesObject,
    parse_backlog_key,
    parse_changes_key,
)
from kalshi_markets.lake.storage import LakeError, LakeStorage

Progress = Callable[[str], None]
PROGRESS_OBJECTS: Final = 100


class Range(NamedTuple):
    """Range of changes: those after a number, up to another one. why: reason, or empty."""

    after: int
    last: int
    why: str = ""


@dataclass
class Report:
    """Result of a check.

    lake_id: identifier of the database that writes the lake.
    days: number of days with changes.
    objects: number of objects of changes, of which `expired` are known by their manifest only.
    lines: number of versions.
    first, last: changes that the lake covers: those after `first`, up to `last`. None: there are no changes.
    gaps: ranges that the crawler recorded as missing, with the reason.
    missing: ranges that nothing explains.
    damaged: keys of objects whose content is not what their manifest says, or cannot be read.
    backlog_pages: number of objects of the backlog.
    """

    lake_id: str
    days: int = 0
    objects: int = 0
    expired: int = 0
    lines: int = 0
    first: int | None = None
    last: int | None = None
    gaps: list[Range] = field(default_factory=list)
    missing: list[Range] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    backlog_pages: int = 0

    @property
    def is_complete(self) -> bool:
        """Return whether every change is in the lake, from the first one on."""
        return not (self.gaps or self.missing or self.damaged)


def check(storage: LakeStorage, progress: Progress) -> Report:
    """Check a lake and return the report. Raises LakeError if there is no lake.

    progress: called with a line of text once in a while.
    """
    marker = storage.get(MARKER_KEY)
    if marker is None:
        raise LakeError(f"there is no lake here: {MARKER_KEY} is missing. Name the folder or the URL that LAKE named.")
    report = Report(json.loads(marker)["lake_id"])
    listed = {parse_changes_key(item.key): item.key for item in storage.list(CHANGES_PREFIX)}
    described = {(item.day, item.after): item for item in _manifested(storage)}
    members = []
    for number, (day, after) in enumerate(sorted({*listed, *described}, key=lambda key: key[1])):
        if number % PROGRESS_OBJECTS == 0:
            progress(f"{number:,} of {len({*listed, *described}):,} objects")
        members.append(_member(storage, report, day, after, described.get((day, after)), (day, after) in listed))
    report.days = len({day for day, _ in {*listed, *described}})
    _check_chain(report, [member for member in members if member])
    _check_backlog(storage, report)
    return report


def _manifested(storage: LakeStorage) -> Iterator[ChangesObject]:
    for item in storage.list(MANIFESTS_PREFIX):
        for member in json.loads(storage.get(item.key) or b"{}")["objects"]:
            names = ("after", "last", "day", "lines", "size", "sha256")
            values = {name: member[name] for name in names}
            yield ChangesObject(**{**values, "day": date.fromisoformat(values["day"])})


def _member(
    storage: LakeStorage, report: Report, day: date, after: int, described: ChangesObject | None, is_listed: bool
) -> ChangesObject | None:
    """Return the description of an object after its check; None: it is damaged and no manifest describes it."""
    report.objects += 1
    if not is_listed:
        report.expired += 1
        return described
    key = ChangesObject(after, 0, day, 0, 0, "").key
    try:
        body = storage.get(key) or b""
        stored = ChangesObject.of(after, day, body)
        report.gaps += _gaps(body)
    except (OSError, EOFError, ValueError, KeyError):
        report.damaged.append(key)
        return described
    if described and stored != described:
        report.damaged.append(key)
    return stored


def _gaps(body: bytes) -> list[Range]:
    gaps: list[Any] = [json.loads(line) for line in gzip.decompress(body).splitlines() if line.startswith(b'{"gap"')]
    return [Range(gap["after"], gap["change_number"], gap["gap"]) for gap in gaps]


def _check_chain(report: Report, members: list[ChangesObject]) -> None:
    """Find the ranges that no object covers."""
    for member in members:
        if report.last is None or report.first is None:
            report.first = report.last = member.after
        if member.after > report.last:
            report.missing.append(Range(report.last, member.after))
        report.last = max(report.last, member.last)
        report.lines += member.lines


def _check_backlog(storage: LakeStorage, report: Report) -> None:
    pages: dict[int, list[int]] = {}
    for item in storage.list(BACKLOG_PREFIX):
        before, page = parse_backlog_key(item.key)
        pages.setdefault(before, []).append(page)
        report.backlog_pages += 1
    for before, numbers in pages.items():
        absent = set(range(max(numbers) + 1)) - {*numbers}
        report.missing += [Range(0, before, f"page {page} of the backlog") for page in sorted(absent)]
