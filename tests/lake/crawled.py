"""Lake in a folder that a crawl has written, and the rows that the database has after it."""

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kalshi_markets.database import Database
from kalshi_markets.lake.objects import CHANGES_PREFIX, ChangesObject, manifest_key, manifest_of, parse_changes_key
from kalshi_markets.lake.storage import FolderStorage
from tests.support.api_client import crawl


def crawl_into(folder: Path, environment: Mapping[str, str], database: Database, exchange_url: str) -> dict[str, Any]:
    """Crawl an exchange twice, so that the second run exports what the first one stored. Return the first summary."""
    settings = {"EXCHANGE_URL": exchange_url, "EXCHANGE_RATE": "1000", "LAKE_URL": folder.as_uri()}
    summary = crawl({**environment, **settings})
    database.execute("UPDATE kalshi_markets_jobs SET started_at = started_at - interval '2 days'")
    crawl({**environment, **settings})
    return summary


def close_days(storage: FolderStorage) -> None:
    """Write the manifests of all days, as if each of them had ended."""
    days: dict[Any, list[ChangesObject]] = {}
    for item in storage.list(CHANGES_PREFIX):
        day, after = parse_changes_key(item.key)
        days.setdefault(day, []).append(ChangesObject.of(after, day, storage.get(item.key) or b""))
    for day, objects in days.items():
        storage.put(manifest_key(day, objects[0].after), manifest_of(objects))


def versions(storage: FolderStorage) -> list[dict[str, Any]]:
    """Return the versions of all objects of changes."""
    lines = [
        json.loads(line)
        for item in storage.list(CHANGES_PREFIX)
        for line in gzip.decompress(storage.get(item.key) or b"").splitlines()
    ]
    return [line for line in lines if "gap" not in line]


def last_day(storage: FolderStorage) -> str:
    """Return the last day with changes, as in keys. The present day may be a later one."""
    return f"day={max(parse_changes_key(item.key)[0] for item in storage.list(CHANGES_PREFIX))}"
