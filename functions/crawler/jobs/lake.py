"""Jobs of the lake: export of the outbox, the backlog, and daily snapshots of events and series.

Storage is the arbiter: an object is written only if its key is free, so no version is written twice, whatever ends in
between.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from crawler.job_table import JobState
from crawler.jobs.base import LOWEST_PRIORITY, Job, JobContext, PageUpdate, finished, started
from crawler.outbox import LakeProgress, Outbox, OutboxPage
from kalshi_markets import job_names
from kalshi_markets.event_columns import EVENTS, SERIES
from kalshi_markets.lake.objects import (
    MARKER_KEY,
    ChangesObject,
    backlog_key,
    changes_key,
    compress,
    manifest_key,
    manifest_of,
    snapshot_key,
)
from kalshi_markets.lake.storage import LakeError, LakeStorage

EXPORT_INTERVAL: Final = timedelta(seconds=305)
"""Interval of the export. Its 284 objects, a manifest and two snapshots are at most 288 writes a day."""


class ExportJob(Job):
    """Job that writes the outbox to the lake, and a manifest of each day that has ended."""

    name = job_names.LAKE_EXPORT
    interval = EXPORT_INTERVAL

    def __init__(self, storage: LakeStorage) -> None:
        self._storage = storage

    async def run(self, context: JobContext, state: JobState) -> AsyncGenerator[PageUpdate, None]:
        """Yield an update for each object that is written. Raises LakeError."""
        state = started(state, {})
        await asyncio.to_thread(check_marker, self._storage, (await context.store.lake(Outbox.state)).lake_id)
        while page := await context.store.lake(Outbox.next_page):
            written = await asyncio.to_thread(write_changes, self._storage, page)
            yield PageUpdate(state, lake=LakeProgress(exported=written))
        while objects := await context.store.lake(Outbox.closed_day):
            await asyncio.to_thread(write_manifest, self._storage, objects)
            yield PageUpdate(state, lake=LakeProgress(closed_day=objects[0].day))
        yield PageUpdate(finished(state))


class BacklogExportJob(Job):
    """Job that writes the markets that were there before the lake, once."""

    name = job_names.LAKE_BACKLOG
    priority = LOWEST_PRIORITY / 4

    def __init__(self, storage: LakeStorage) -> None:
        self._storage = storage

    async def run(self, context: JobContext, state: JobState) -> AsyncGenerator[PageUpdate, None]:
        """Yield an update for each object that is written. Raises LakeError."""
        lake = await context.store.lake(Outbox.state)
        before = lake.backlog_before
        if state.position is None or state.position["before"] != before:
            state = started(state, {"before": before, "pages": 0, "ticker": ""})
        if lake.backlog_complete:
            yield PageUpdate(finished(state))
            return
        await asyncio.to_thread(check_marker, self._storage, lake.lake_id)
        while rows := await context.store.lake(Outbox.backlog_page, before, _ticker(state)):
            page = _pages(state)
            body = compress("".join(line for _, line in rows))
            await asyncio.to_thread(self._storage.put, backlog_key(before, page), body)
            state = replace(state, position={"before": before, "pages": page + 1, "ticker": rows[-1][0]})
            yield PageUpdate(state)
        yield PageUpdate(finished(state), lake=LakeProgress(backlog_before=before))


class SnapshotsJob(Job):
    """Job that writes all events and all series, once a day of UTC."""

    name = job_names.LAKE_SNAPSHOTS
    priority = LOWEST_PRIORITY / 8

    def __init__(self, storage: LakeStorage) -> None:
        self._storage = storage

    def is_due(self, state: JobState, states: Mapping[str, JobState], now: datetime) -> bool:
        """Return whether the live jobs have completed a pass, and today has no snapshot."""
        lived = all(name in states and states[name].confirmed_at for name in job_names.LIVE.values())
        return lived and (state.finished_at is None or state.finished_at.date() < now.date())

    async def run(self, context: JobContext, state: JobState) -> AsyncGenerator[PageUpdate, None]:
        """Yield one update at the end. Raises LakeError."""
        state, day = started(state, {}), datetime.now(UTC).date()
        for entity in (EVENTS, SERIES):
            lines: list[str] = []
            key = ""
            while rows := await context.store.lake(Outbox.snapshot_page, entity, key):
                key = rows[-1][0]
                lines += (line for _, line in rows)
            body = compress("".join(lines))
            await asyncio.to_thread(self._storage.put, snapshot_key(entity.name, day), body)
        yield PageUpdate(finished(state))


def check_marker(storage: LakeStorage, lake_id: str) -> None:
    """Write the marker of a new lake, or check that an existing lake belongs to this database. Raises LakeError."""
    marker = storage.get(MARKER_KEY)  # a write would cost twelve times as much as a read, with each export
    if marker is None:
        if storage.put(MARKER_KEY, json.dumps({"lake_id": lake_id}).encode()):
            return
        marker = storage.get(MARKER_KEY)
    if marker is None or json.loads(marker)["lake_id"] != lake_id:
        raise LakeError("the lake belongs to another database: set LAKE_URL to an empty place, or remove it.")


def write_changes(storage: LakeStorage, page: OutboxPage) -> ChangesObject:
    """Write lines as one object, and return what is stored under its key. Raises LakeError.

    If there is an object already, it is the truth: an earlier attempt, or another exporter, has written it.
    """
    body = compress(page.body)
    if storage.put(changes_key(page.day, page.after), body):
        return ChangesObject.of(page.after, page.day, body)
    stored = storage.get(changes_key(page.day, page.after))
    if stored is None:
        raise LakeError(
            f"{changes_key(page.day, page.after)} exists but cannot be read: check the rights of the crawler."
        )
    return ChangesObject.of(page.after, page.day, stored)


def write_manifest(storage: LakeStorage, objects: list[ChangesObject]) -> None:
    """Write the manifest of a day. Raises LakeError if there is another one."""
    first, manifest = objects[0], manifest_of(objects)
    key = manifest_key(first.day, first.after)
    if not storage.put(key, manifest) and storage.get(key) != manifest:
        raise LakeError(f"{key} exists and differs: run the check of the lake.")


def _ticker(state: JobState) -> str:
    return str((state.position or {})["ticker"])


def _pages(state: JobState) -> int:
    return int((state.position or {})["pages"])
