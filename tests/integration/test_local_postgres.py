"""PostgreSQL server from a wheel."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pg8000.native
import pytest

from local import ROOT, postgres
from local.postgres import PostgresError, PostgresServer
from local.postgres_account import Account, account_for, shared_path
from tests.support.waiting import wait_until

FAST = {"fsync": "off"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    server = PostgresServer(tmp_path_factory.mktemp("cluster") / "postgres", FAST)
    yield server
    server.stop()


@pytest.fixture
def server(cluster: PostgresServer) -> PostgresServer:
    cluster.start()
    return cluster


def query(server: PostgresServer, sql: str, password: str | None = None) -> Any:
    connection = pg8000.native.Connection(
        server.user, server.host, server.database, server.port, server.password if password is None else password
    )
    try:
        return connection.run(sql)
    finally:
        connection.close()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # it has ended before or while the file is read
        return False


def postmaster(server: PostgresServer) -> int:
    return int((server.data_dir / "postmaster.pid").read_text().split()[0])


def test_strings_are_utf8_and_order_the_same_everywhere(server: PostgresServer) -> None:
    assert query(server, "SHOW server_encoding") == [["UTF8"]]
    assert query(server, "SELECT upper('é'), 'B' < 'a', current_setting('timezone')") == [["É", True, "UTC"]]


def test_a_wrong_password_does_not_get_in_and_ours_is_for_the_owner_only(server: PostgresServer) -> None:
    with pytest.raises(pg8000.exceptions.DatabaseError):
        query(server, "SELECT 1", password="wrong")
    assert (server.folder / "password").stat().st_mode & 0o777 == 0o600


def test_settings_are_the_servers(server: PostgresServer) -> None:
    assert query(server, "SHOW fsync") == [["off"]]


def test_the_server_listens_on_no_unix_socket(server: PostgresServer) -> None:
    assert query(server, "SHOW unix_socket_directories") == [[""]]


def test_data_and_port_survive_a_restart(server: PostgresServer) -> None:
    query(server, "CREATE TABLE kept AS SELECT 1 AS one")
    port = server.port
    server.stop()
    server.stop()
    assert not server.running
    server.start()
    assert server.port == port
    assert query(server, "SELECT one FROM kept") == [[1]]


def test_data_survive_a_killed_postmaster(server: PostgresServer) -> None:
    query(server, "CREATE TABLE survivor AS SELECT 1 AS one")
    server.kill()
    assert not server.running
    server.start()
    assert query(server, "SELECT one FROM survivor") == [[1]]


def test_a_leftover_postmaster_is_stopped_first(server: PostgresServer) -> None:
    old = postmaster(server)
    successor = PostgresServer(server.folder, FAST)
    successor.start()
    try:
        assert not alive(old)
        assert query(successor, "SELECT 1") == [[1]]
    finally:
        successor.stop()


def test_a_stale_pid_file_that_names_another_process_harms_neither(server: PostgresServer) -> None:
    server.kill()
    other = subprocess.Popen(["sleep", "600"])
    try:
        pid_file = server.data_dir / "postmaster.pid"
        pid_file.write_text("\n".join([str(other.pid), *pid_file.read_text().splitlines()[1:]]) + "\n")
        server.start()
        assert query(server, "SELECT 1") == [[1]]
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_an_interrupted_initdb_does_not_break_the_next_start(tmp_path: Path) -> None:
    half = tmp_path / "data.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    server = PostgresServer(tmp_path, FAST)
    server.start()
    server.stop()
    assert not half.exists()


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path: Path) -> None:
    thesis = tmp_path / "data" / "thesis.txt"
    thesis.parent.mkdir()
    thesis.write_text("years of work")
    with pytest.raises(PostgresError, match="contains files of another program"):
        PostgresServer(tmp_path, FAST).start()
    assert thesis.read_text() == "years of work"


def test_a_database_without_our_password_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "PG_VERSION").write_text("18\n")
    with pytest.raises(PostgresError, match="contains files of another program"):
        PostgresServer(tmp_path, FAST).start()
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["PG_VERSION"]


def test_a_data_folder_of_an_earlier_version_is_reported(tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_text("18\n")
    with pytest.raises(PostgresError, match="from an earlier version: delete it"):
        PostgresServer(tmp_path, FAST).start()


def test_a_folder_that_is_a_mount_point_with_lost_and_found_is_used(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    server = PostgresServer(tmp_path, FAST)
    server.start()
    try:
        assert query(server, "SELECT 1") == [[1]]
    finally:
        server.stop()


def test_the_path_may_have_any_characters(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / 'it\'s "a" $HOME:`x`\\\n\u00e9', FAST)
    server.start()
    try:
        assert query(server, "SELECT 1") == [[1]]
        successor = PostgresServer(server.folder, FAST)
        successor.start()
        successor.stop()
        assert not server.running
    finally:
        server.stop()


def test_a_folder_that_cannot_be_created_is_reported_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PostgresError, match=f"cannot run over {tmp_path}/file/postgres"):
        PostgresServer(tmp_path / "file" / "postgres", FAST).start()


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / "postgres", FAST | {"shared_buffers": "lots"})
    with pytest.raises(PostgresError, match="shared_buffers"):
        server.start()
    assert not server.running


def test_messages_have_the_path_of_the_data_folder(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path, FAST)
    server.start()
    server.stop()
    (server.data_dir / "postgresql.conf").unlink()
    with pytest.raises(PostgresError, match=f"{server.data_dir}/postgresql.conf"):
        server.start()


def test_an_account_without_a_name_is_reported_before_initdb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "account_for", lambda data_dir: Account(54_321, 54_321))
    with pytest.raises(PostgresError, match="initdb requires that user 54321 has a name"):
        PostgresServer(tmp_path, FAST).start()


def test_paths_of_descriptors_are_used_on_linux_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "password").write_text("secret")
    for path in (tmp_path, tmp_path / "password"):
        with shared_path(path) as (shared, descriptors):
            assert (shared, len(descriptors)) == (f"/proc/self/fd/{descriptors[0]}", 1)
            assert Path(shared).is_dir() == path.is_dir()
    monkeypatch.delattr(os, "memfd_create")
    with shared_path(tmp_path) as (shared, descriptors):
        assert (shared, list(descriptors)) == (str(tmp_path), [])


def test_root_of_another_system_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(PostgresError, match="does not run as root: use another user, or set DB_HOST"):
        account_for(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert account_for(tmp_path).uid == 1000


def test_a_server_can_end_with_its_parent_however_that_ends(tmp_path: Path) -> None:
    code = (
        "import sys, time, pathlib; from local.postgres import PostgresServer\n"
        "server = PostgresServer(pathlib.Path(sys.argv[1]), {'fsync': 'off'}, ends_with_parent=True); server.start()\n"
        "print('ready', flush=True); time.sleep(60)\n"
    )
    folder = tmp_path / "postgres"
    with subprocess.Popen([sys.executable, "-c", code, folder], cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        pid = postmaster(PostgresServer(folder))
        parent.send_signal(signal.SIGKILL)
    wait_until(lambda: not alive(pid), "PostgreSQL outlives its parent.")
    assert not (folder / "data" / "postmaster.pid").exists()
