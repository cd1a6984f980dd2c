"""Audit trail of the quotes: a trigger copies each committed version, for comparison with the lake."""

import gzip
import json
from typing import Any

from kalshi_markets.database import Database
from kalshi_markets.lake.objects import CHANGES_PREFIX
from kalshi_markets.lake.storage import LakeStorage
from local.lake.check import check

COMPARED = ("ticker", "yes_bid_dollars", "volume", "status", "removed_at", "changed_at")
"""Columns whose values are compared, as texts."""

_TRIGGER = """
CREATE TABLE audit (change_number bigint PRIMARY KEY, version jsonb);
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' OR NEW.change_number <> OLD.change_number THEN
        INSERT INTO audit VALUES (NEW.change_number, (
            SELECT jsonb_object_agg(key, CASE
                WHEN jsonb_typeof(value) = 'null' THEN NULL
                WHEN key LIKE '%\\_time' OR key LIKE '%\\_at'
                    THEN to_char((value #>> '{}')::timestamptz, 'YYYY-MM-DD HH24:MI:SS.US')
                ELSE value #>> '{}' END)
            FROM jsonb_each(to_jsonb(NEW))));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER audit AFTER INSERT OR UPDATE ON kalshi_markets_quotes FOR EACH ROW EXECUTE FUNCTION audit();
"""


def install(database: Database) -> None:
    """Create the audit trail in a migrated database."""
    database.execute_script(_TRIGGER)


def clear(database: Database) -> None:
    """Empty the audit trail."""
    database.execute("TRUNCATE audit")


def problems(database: Database, storage: LakeStorage) -> list[str]:
    """Return sentences on how the lake differs from the audit trail. An empty list: every version is there once."""
    rows = database.query("SELECT change_number, version FROM audit")
    committed: dict[int, dict[str, Any]] = {int(number): version for number, version in rows}
    written = lines(storage)
    gaps = [(line["after"], line["change_number"]) for line in written if "gap" in line]
    versions = [line for line in written if "gap" not in line]
    numbers = [line["change_number"] for line in versions]
    differences = []
    if len({*numbers}) < len(numbers):
        differences.append(f"{len(numbers) - len({*numbers})} versions are there twice")
    if unknown := {*numbers} - committed.keys():
        differences.append(f"{len(unknown)} versions were never committed")
    absent = committed.keys() - {*numbers}
    if lost := [number for number in absent if not any(after < number <= last for after, last in gaps)]:
        differences.append(f"versions {sorted(lost)[:5]} are lost")
    for line in versions:
        stored = committed.get(line["change_number"], {})
        differences += [
            f"{name} of {line['change_number']} is {line[name]!r}, not {stored.get(name)!r}"
            for name in COMPARED
            if stored and line[name] != stored.get(name)
        ]
    differences += _differences_of_details(written, committed)
    if missing := check(storage, lambda text: None).missing:
        differences.append(f"the chain is broken: {missing}")
    return differences


def _differences_of_details(written: list[dict[str, Any]], committed: dict[int, dict[str, Any]]) -> list[str]:
    """Compare the close time of each version, which is in the details of it or of an earlier version, as a text.

    A gap may have taken the version with the details, so the close times before it are not compared after it.
    """
    differences: list[str] = []
    close_times: dict[str, str | None] = {}
    for line in sorted(written, key=lambda line: int(line["change_number"])):
        number = line["change_number"]
        if "gap" in line:
            close_times.clear()
            continue
        ticker, details = line["ticker"], line["details"]
        if details:
            close_times[ticker] = details["close_time"]
        stored = committed.get(number)
        if stored and ticker in close_times and close_times[ticker] != stored.get("close_time"):
            differences.append(f"close_time of {number} is {close_times[ticker]!r}, not {stored.get('close_time')!r}")
    return differences


def lines(storage: LakeStorage, prefix: str = CHANGES_PREFIX) -> list[dict[str, Any]]:
    """Return the lines of all objects below a prefix."""
    return [
        json.loads(line)
        for item in storage.list(prefix)
        for line in gzip.decompress(storage.get(item.key) or b"").splitlines()
    ]
