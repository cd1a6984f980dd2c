"""`make run` with hand-written .env files, and with its data on a volume."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.env.conftest import Start

pytestmark = pytest.mark.timeout(900)  # the first test in the session also waits for the installation
CAN_MOUNT = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0


def test_dot_env_of_a_windows_editor_with_homes_and_quotes_is_read(ready: Path, start: Start) -> None:
    (ready / ".env").write_bytes(b'\xef\xbb\xbfMARKETS="301"#c\r\nDATA_DIR=~/kept\r\nA="pa\\"ss"\r\nKEYID=\'a b\'\r\n')
    run = start(ready, MARKETS="")
    run.wait_for_line("exchange +301 markets simulated")
    run.wait_until_serving()
    run.stop()
    assert (ready / "home" / "kept" / "postgres" / "data" / "PG_VERSION").exists()
    assert not (ready / "~").exists()
    assert not (ready / ".data").exists()


def test_a_line_of_dot_env_that_is_invalid_is_reported_by_its_number(ready: Path, start: Start) -> None:
    (ready / ".env").write_text('MARKETS=300\n\nDB_PASSWORD="abc\n')
    run = start(ready)
    assert run.wait() == 2
    assert run.lines[0].startswith("make run: .env, line 3: write NAME=value")


@pytest.fixture
def volume(ready: Path) -> Iterator[list[str]]:
    """Mount a file system at .data/postgres, or link to another one if mounting is not possible."""
    folder = ready / ".data" / "postgres"
    folder.parent.mkdir()
    if CAN_MOUNT:
        folder.mkdir()
        script = f"mount -t tmpfs tmpfs '{folder}' && mkdir '{folder}/lost+found' && exec \"$@\""
        yield ["unshare", "--mount", "sh", "-c", script, "sh"]
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
        Path(other, "lost+found").mkdir()
        folder.symlink_to(other)
        yield []


def test_a_volume_at_the_folder_of_postgresql_is_used(ready: Path, start: Start, volume: list[str]) -> None:
    run = start(ready, prefix=volume)
    run.wait_until_serving()
    run.stop()


def test_a_folder_that_cannot_be_used_is_reported(ready: Path, start: Start) -> None:
    (ready / ".data").mkdir()
    (ready / ".data" / "postgres").write_text("a file")
    run = start(ready)
    assert run.wait() == 2
    assert "make run: PostgreSQL cannot run over" in run.output
    assert "Traceback" not in run.output
    shutil.rmtree(ready / ".data")
