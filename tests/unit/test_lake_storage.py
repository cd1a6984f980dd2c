"""A lake in a folder: what S3 guarantees, with a crash at every step and without room on the disk."""

import multiprocessing
import os
import resource
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from kalshi_markets.lake.storage import FolderStorage, LakeUnavailable, S3Storage, open_storage
from kalshi_markets.settings import SettingsError

KEY = "changes/day=2026-11-28/00000000000000000007.json.gz"
BODY = b"complete" * 10_000
STEPS = ("mkdir", "fsync", "link", "unlink")
"""Calls of the operating system in which a write may end."""


def in_child(call: Callable[[], None]) -> int:
    """Run a function in a process of its own, and return its exit code."""
    process = multiprocessing.get_context("fork").Process(target=call)
    process.start()
    process.join()
    return process.exitcode or 0


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")  # the child only calls the storage
@pytest.mark.parametrize("call", range(1, 5))
@pytest.mark.parametrize("step", STEPS)
def test_a_crash_at_any_step_leaves_all_of_an_object_or_nothing(tmp_path: Path, step: str, call: int) -> None:
    storage = FolderStorage(tmp_path)
    original = getattr(os, step)

    def crash() -> None:
        calls = iter(range(1, 100))

        def ended(*args: object, **kwargs: object) -> object:
            if next(calls) == call:
                os._exit(9)
            return original(*args, **kwargs)

        with mock.patch.object(os, step, ended):
            storage.put(KEY, BODY)
        os._exit(0)

    crashed = in_child(crash) == 9
    assert crashed or call > 1, f"{step} is never called"
    assert storage.get(KEY) in (None, BODY)
    assert storage.put(KEY, b"second") is (storage.get(KEY) == b"second")
    assert storage.get(KEY) == (BODY if not crashed or storage.get(KEY) == BODY else b"second")
    assert [item.key for item in storage.list("changes/")] == [KEY], "nothing else is listed"


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")  # the child only calls the storage
def test_without_room_the_error_says_so_and_nothing_remains(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)

    def write() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(BODY) // 2, resource.RLIM_INFINITY))
        try:
            storage.put(KEY, BODY)
        except LakeUnavailable as error:
            os._exit(3 if str(tmp_path) in str(error) else 4)
        os._exit(0)

    assert in_child(write) == 3
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert storage.put(KEY, BODY)
    assert storage.get(KEY) == BODY


def test_two_exporters_on_one_folder_write_once(tmp_path: Path) -> None:
    first, second = FolderStorage(tmp_path), FolderStorage(tmp_path)
    assert [first.put(KEY, b"first"), second.put(KEY, b"second")] == [True, False]
    assert second.get(KEY) == b"first"


@pytest.mark.parametrize(
    "url", ["", "folder", "http://host/x", "s3://", "file://host/x", "file:///", "s3://bucket/x?y=1", "s3://bucket/x#y"]
)
def test_any_other_url_is_rejected(url: str) -> None:
    with pytest.raises(SettingsError, match="LAKE_URL must"):
        open_storage(url)


def test_a_url_names_a_bucket_or_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "with space"
    storage = open_storage(folder.as_uri())
    assert isinstance(storage, FolderStorage)
    assert storage.root == folder
    assert isinstance(open_storage("s3://bucket/some/prefix"), S3Storage)
