"""Check of a lake: every kind of damage is result, and a complete lake is called complete."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from kalshi_markets.lake.objects import (
    ChangesObject,
    backlog_key,
    changes_key,
    compress,
    manifest_key,
    manifest_of,
)
from kalshi_markets.lake.storage import FolderStorage, LakeError
from local.lake.__main__ import main
from local.lake.check import Range, Report, check

FIRST, SECOND = date(2026, 11, 27), date(2026, 11, 28)


def write(storage: FolderStorage, day: date, after: int, last: int, gap: str = "") -> ChangesObject:
    lines = [{"ticker": "A", "change_number": number} for number in range(after + 1, last + 1)]
    if gap:
        lines = [{"gap": gap, "after": after, "change_number": last}]
    body = compress("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))
    assert storage.put(changes_key(day, after), body)
    return ChangesObject.of(after, day, body)


@pytest.fixture
def lake(tmp_path: Path) -> FolderStorage:
    """Return a lake of two days: a closed one with its manifest, and the present one."""
    storage = FolderStorage(tmp_path)
    storage.put("lake.json", b'{"lake_id": "x"}')
    objects = [write(storage, FIRST, 100, 103), write(storage, FIRST, 103, 110)]
    storage.put(manifest_key(FIRST, 100), manifest_of(objects))
    write(storage, SECOND, 110, 112)
    for page in range(2):
        storage.put(backlog_key(100, page), compress("{}\n"))
    return storage


def report(storage: FolderStorage) -> Report:
    return check(storage, lambda text: None)


def test_a_complete_lake(lake: FolderStorage) -> None:
    result = report(lake)
    assert result.is_complete
    assert (result.first, result.last, result.lines, result.objects, result.days) == (100, 112, 12, 3, 2)
    assert (result.expired, result.backlog_pages) == (0, 2)


def missing_object(lake: FolderStorage) -> None:
    (lake.root / changes_key(SECOND, 110)).unlink()
    write(lake, SECOND, 112, 115)


def changed_byte(lake: FolderStorage) -> None:
    path = lake.root / changes_key(FIRST, 103)
    path.write_bytes(compress('{"ticker":"B","change_number":110}\n'))


def truncated(lake: FolderStorage) -> None:
    path = lake.root / changes_key(FIRST, 103)
    path.write_bytes(path.read_bytes()[:30])


def missing_backlog_page(lake: FolderStorage) -> None:
    (lake.root / backlog_key(100, 0)).unlink()


def recorded_gap(lake: FolderStorage) -> None:
    write(lake, SECOND, 112, 120, gap="outbox full")


@pytest.mark.parametrize(
    ("damage", "missing", "damaged", "gaps"),
    [
        (missing_object, [Range(110, 112)], [], []),
        (changed_byte, [], [changes_key(FIRST, 103)], []),
        (truncated, [], [changes_key(FIRST, 103)], []),
        (missing_backlog_page, [Range(0, 100, "page 0 of the backlog")], [], []),
        (recorded_gap, [], [], [Range(112, 120, "outbox full")]),
    ],
)
def test_damage_is_found(
    lake: FolderStorage,
    damage: Callable[[FolderStorage], None],
    missing: list[Range],
    damaged: list[str],
    gaps: list[Range],
) -> None:
    damage(lake)
    result = report(lake)
    assert (result.missing, result.damaged, result.gaps) == (missing, damaged, gaps)
    assert not result.is_complete


def test_an_expired_object_is_known_by_its_manifest(lake: FolderStorage) -> None:
    (lake.root / changes_key(FIRST, 100)).unlink()
    result = report(lake)
    assert result.is_complete
    assert (result.expired, result.lines) == (1, 12)


def test_a_place_without_a_lake_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="there is no lake here"):
        report(FolderStorage(tmp_path))


def test_the_command_prints_the_report_and_its_exit_status(
    lake: FolderStorage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAKE", str(lake.root))
    assert main(["check"]) == 0
    assert "changes    after 100, up to 112: 12 versions in 3 objects of 2 days" in capsys.readouterr().out
    missing_object(lake)
    assert main(["check"]) == 1
    assert "missing    changes after 110, up to 112\nNOT complete" in capsys.readouterr().out
    monkeypatch.setenv("LAKE", "")
    assert main(["check"]) == 2
    assert "LAKE is not set: make lake-check LAKE=.data/lake" in capsys.readouterr().err
