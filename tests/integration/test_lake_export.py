"""The lake's outbox and its export to a folder: every version once, in an unbroken chain."""

import gzip
import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from crawler.job_table import JobState
from crawler.jobs.lake import check_marker, write_changes, write_manifest
from crawler.outbox import LakeProgress
from crawler.store import Batch, Store
from kalshi_markets.database import Database
from kalshi_markets.exchange import parse_market
from kalshi_markets.lake.objects import changes_key
from kalshi_markets.lake.storage import FolderStorage, LakeError
from local.exchange.clock import Clock
from local.exchange.generated import generate
from local.exchange.http.server import ExchangeServer
from tests.support.api_client import crawl
from tests.support.database import truncate_all
from tests.support.waiting import wait_for_one_day

MARKET: Mapping[str, Any] = {
    "ticker": "E-1",
    "event_ticker": "E",
    "title": "Will it rain?",
    "status": "active",
    "yes_bid_dollars": "0.4100",
    "volume_fp": "24740.12",
    "close_time": "2026-12-01T00:00:00.5Z",
}


@pytest.fixture
def store(environment: dict[str, str], database: Database) -> Store:
    truncate_all(database)
    store = Store(database, outbox_mb=64)
    assert store.lease.acquire()
    store.begin()
    return store


@pytest.fixture
def storage(tmp_path: Path) -> FolderStorage:
    return FolderStorage(tmp_path / "lake")


def commit(store: Store, *markets: Mapping[str, Any]) -> None:
    store.commit(Batch(JobState("j"), [parse_market(dict(market)) for market in markets]))


def export(store: Store, storage: FolderStorage) -> list[dict[str, Any]]:
    """Export the outbox, and return the lines of the objects that were written."""
    lines = []
    while page := store.outbox.next_page():
        written = write_changes(storage, page)
        store.commit(Batch(JobState("lake/export"), lake=LakeProgress(exported=written)))
        body = storage.get(written.key)
        assert body is not None
        lines += [json.loads(line) for line in gzip.decompress(body).splitlines()]
    return lines


def test_each_commit_leaves_its_versions_with_exact_values(store: Store, storage: FolderStorage) -> None:
    commit(store, MARKET)
    commit(store, {**MARKET, "yes_bid_dollars": "0.4200"}, {**MARKET, "ticker": "E-2"})
    first, second, third = export(store, storage)
    assert (first["ticker"], first["yes_bid_dollars"], first["volume"]) == ("E-1", "0.41", "24740.12")
    assert first["details"]["close_time"] == "2026-12-01 00:00:00.500000"
    assert first["details"]["title"] == "Will it rain?"
    assert (second["yes_bid_dollars"], second["details"]) == ("0.42", None)
    assert third["ticker"] == "E-2"
    assert first["change_number"] < second["change_number"] < third["change_number"]


def test_changed_details_are_part_of_the_version(store: Store, storage: FolderStorage) -> None:
    commit(store, MARKET)
    export(store, storage)
    commit(store, {**MARKET, "title": "Will it snow?"})
    [line] = export(store, storage)
    assert line["details"]["title"] == "Will it snow?"


def test_a_removed_market_is_a_version_and_a_deletion_is_none(
    store: Store, storage: FolderStorage, database: Database
) -> None:
    commit(store, {**MARKET, "settlement_ts": "2026-01-01T00:00:00Z"})
    export(store, storage)
    store.commit(Batch(JobState("missing"), removed=["E-1"]))
    [line] = export(store, storage)
    assert line["removed_at"] is not None
    [[tomorrow]] = database.query("SELECT now()")
    store.commit(Batch(JobState("retention"), delete_settled_before=tomorrow))
    assert export(store, storage) == []


def test_an_export_that_ended_between_write_and_commit_is_adopted(store: Store, storage: FolderStorage) -> None:
    commit(store, MARKET)
    page = store.outbox.next_page()
    assert page is not None
    lost = write_changes(storage, page)  # the run ends here
    commit(store, {**MARKET, "yes_bid_dollars": "0.4200"})
    second_page = store.outbox.next_page()
    assert second_page is not None
    assert second_page.last > lost.last
    adopted = write_changes(storage, second_page)
    assert adopted == lost
    store.commit(Batch(JobState("lake/export"), lake=LakeProgress(exported=adopted)))
    [line] = export(store, storage)
    assert line["yes_bid_dollars"] == "0.42"


def test_changes_while_the_lake_was_off_are_a_gap(store: Store, storage: FolderStorage, database: Database) -> None:
    commit(store, MARKET)
    export(store, storage)
    off = Store(database)
    off.lease = store.lease
    commit(off, {**MARKET, "yes_bid_dollars": "0.4200"})
    store.begin()
    store.begin()
    commit(store, {**MARKET, "yes_bid_dollars": "0.4300"})
    gap, line = export(store, storage)
    assert gap["gap"] == "not recorded"
    assert (gap["after"], gap["change_number"] + 1) == (line["change_number"] - 2, line["change_number"])
    assert not store.outbox.state().backlog_complete


def test_a_full_outbox_gives_way_to_a_gap(store: Store, storage: FolderStorage) -> None:
    for cents in range(10, 30):
        commit(store, {**MARKET, "yes_bid_dollars": f"0.{cents}"})
    exported = store.outbox.state().exported
    store.outbox.begin(4_000)
    gap, *lines = export(store, storage)
    assert (gap["gap"], gap["after"]) == ("outbox full", exported)
    assert lines[0]["change_number"] == gap["change_number"] + 1
    assert lines[-1]["yes_bid_dollars"] == "0.29"


def test_the_lake_of_another_database_is_an_error(store: Store, storage: FolderStorage) -> None:
    check_marker(storage, "a")
    check_marker(storage, "a")
    with pytest.raises(LakeError, match="belongs to another database"):
        check_marker(storage, "b")


def test_a_day_that_has_ended_has_a_manifest(store: Store, storage: FolderStorage, database: Database) -> None:
    wait_for_one_day()
    commit(store, MARKET)
    commit(store, {**MARKET, "yes_bid_dollars": "0.4200"})
    export(store, storage)
    assert store.outbox.closed_day() == []
    database.execute("UPDATE kalshi_markets_lake_objects SET day = day - 1")
    objects = store.outbox.closed_day()
    write_manifest(storage, objects)
    write_manifest(storage, objects)
    [stored] = storage.list("manifests/")
    manifest = json.loads(storage.get(stored.key) or b"")
    assert (manifest["lines"], manifest["objects"][0]["sha256"]) == (2, objects[0].sha256)
    store.commit(Batch(JobState("lake/export"), lake=LakeProgress(closed_day=objects[0].day)))
    assert store.outbox.closed_day() == []


def test_a_folder_keeps_the_first_object_of_a_key(storage: FolderStorage) -> None:
    key = changes_key(date(2026, 11, 28), 7)
    assert storage.put(key, b"first")
    assert not storage.put(key, b"second")
    assert storage.get(key) == b"first"
    assert [item.key for item in storage.list("changes/")] == [key]
    assert storage.get("changes/none") is None


def test_a_crawl_fills_the_lake(environment: dict[str, str], database: Database, tmp_path: Path) -> None:
    truncate_all(database)
    settings = environment | {"EXCHANGE_RATE": "1000", "LAKE_URL": (tmp_path / "lake").as_uri()}
    with ExchangeServer(generate(3, 300, Clock())) as exchange:
        summary = crawl(settings | {"EXCHANGE_URL": exchange.url})
        assert summary["outcome"] == "idle", summary
        database.execute("UPDATE kalshi_markets_jobs SET started_at = started_at - interval '2 days'")
        summary = crawl(settings | {"EXCHANGE_URL": exchange.url})
    storage = FolderStorage(tmp_path / "lake")
    lines = [
        json.loads(line)
        for item in storage.list("changes/")
        for line in gzip.decompress(storage.get(item.key) or b"").splitlines()
    ]
    stored = dict(database.query("SELECT ticker, change_number FROM kalshi_markets_quotes"))
    newest = {line["ticker"]: line["change_number"] for line in lines}
    assert newest == stored
    assert len({line["change_number"] for line in lines}) == len(lines)
    assert {item.key.split("/")[1] for item in storage.list("snapshots/")} == {"events", "series"}
