"""Objects of the lake: their keys, and what their bodies say about themselves.

changes/day=D/AFTER.json.gz: versions of one day, as JSON lines. AFTER is the last change before them, so an object
continues the one whose last change it names.
manifests/day=D/AFTER.json: the objects of a closed day.
backlog/BEFORE/PAGE.json.gz: versions that were there before the lake.
snapshots/ENTITY/day=D.json.gz: all events or all series, once a day.
lake.json: the identifier of the database that the lake belongs to.
"""

import gzip
import hashlib
import json
from collections.abc import Sequence
from datetime import date
from typing import Final, NamedTuple

MARKER_KEY: Final = "lake.json"
CHANGES_PREFIX: Final = "changes/"
MANIFESTS_PREFIX: Final = "manifests/"
BACKLOG_PREFIX: Final = "backlog/"
SNAPSHOTS_PREFIX: Final = "snapshots/"
_DIGITS: Final = 20


class ChangesObject(NamedTuple):
    """Object of changes.

    after: last change before the object.
    last: last change of the object.
    day: day of the commits, in UTC.
    lines: number of lines.
    size: bytes of the object, compressed.
    sha256: digest of the object.
    """

    after: int
    last: int
    day: date
    lines: int
    size: int
    sha256: str

    @property
    def key(self) -> str:
        """Key of the object."""
        return changes_key(self.day, self.after)

    @classmethod
    def of(cls, after: int, day: date, body: bytes) -> "ChangesObject":
        """Return the description of a compressed body. Raises ValueError if it has no line."""
        lines = gzip.decompress(body).splitlines()
        if not lines:
            raise ValueError(f"{changes_key(day, after)} has no line.")
        last = json.loads(lines[-1])["change_number"]
        return cls(after, int(last), day, len(lines), len(body), hashlib.sha256(body).hexdigest())


def changes_key(day: date, after: int) -> str:
    """Return the key of the changes after a change number."""
    return f"{CHANGES_PREFIX}day={day.isoformat()}/{after:0{_DIGITS}d}.json.gz"


def manifest_key(day: date, after: int) -> str:
    """Return the key of the manifest of a day. after: that of the first object."""
    return f"{MANIFESTS_PREFIX}day={day.isoformat()}/{after:0{_DIGITS}d}.json"


def backlog_key(before: int, page: int) -> str:
    """Return the key of a page of the backlog. before: the backlog has the versions up to this change."""
    return f"{BACKLOG_PREFIX}{before:0{_DIGITS}d}/{page:08d}.json.gz"


def parse_changes_key(key: str) -> tuple[date, int]:
    """Return the day and the change number of a key of changes. Raises ValueError."""
    _, day, name = key.split("/")
    return date.fromisoformat(day.removeprefix("day=")), int(name.removesuffix(".json.gz"))


def parse_backlog_key(key: str) -> tuple[int, int]:
    """Return the change number and the page of a key of the backlog. Raises ValueError."""
    _, before, name = key.split("/")
    return int(before), int(name.removesuffix(".json.gz"))


def snapshot_key(entity: str, day: date) -> str:
    """Return the key of a snapshot. entity: `events` or `series`."""
    return f"{SNAPSHOTS_PREFIX}{entity}/day={day.isoformat()}.json.gz"


def manifest_of(objects: Sequence[ChangesObject]) -> bytes:
    """Return the manifest of a day: its objects in the order of their changes, and their totals."""
    members = [{"key": item.key, **item._asdict(), "day": item.day.isoformat()} for item in objects]
    manifest = {
        "day": objects[0].day.isoformat(),
        "after": objects[0].after,
        "last": objects[-1].last,
        "lines": sum(item.lines for item in objects),
        "objects": members,
    }
    return json.dumps(manifest, indent=1).encode()


def compress(lines: str) -> bytes:
    """Return lines as the body of an object. Equal lines give equal bodies."""
    return gzip.compress(lines.encode(), compresslevel=6, mtime=0)
