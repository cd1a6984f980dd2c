"""Parts of pg8000 that driver.py uses without a promise of its authors, in the pinned version."""

import socket
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from threading import Timer

import pg8000.native
import pytest
from pg8000 import core

from kalshi_markets import tls
from kalshi_markets.driver import KEEPALIVE, PipelinedConnection
from kalshi_markets.settings import DatabaseSettings
from tests.support.tls import TlsFront

LOCK = Path(__file__).parent.parent.parent / "layers" / "shared" / "requirements.txt"


def connection_to(settings: DatabaseSettings, timeout: float = 30) -> PipelinedConnection:
    [option] = tls.ssl_options(settings)
    return PipelinedConnection(
        settings,
        settings.credentials(),
        ssl_context=option,
        timeout=timeout,
        application_name="test",
        parameters={"timezone": "UTC"},
    )


@pytest.fixture(params=["disable", "require"])
def settings(
    request: pytest.FixtureRequest, environment: Mapping[str, str], certificate: tuple[Path, Path]
) -> Iterator[DatabaseSettings]:
    """Yield the settings of a connection without TLS, and of one with TLS."""
    with TlsFront((environment["DB_HOST"], int(environment["DB_PORT"])), *certificate) as front:
        address = {"DB_HOST": "localhost", "DB_PORT": str(front.port), "DB_SSLMODE": request.param}
        yield DatabaseSettings.from_env({**environment, **address})
        assert (front.encrypted > 0, front.plain > 0) == (request.param == "require", request.param == "disable")


@pytest.fixture
def connection(settings: DatabaseSettings) -> Iterator[PipelinedConnection]:
    connection = connection_to(settings)
    yield connection
    connection.close()


def test_the_installed_driver_is_the_pinned_one() -> None:
    assert f"pg8000=={version('pg8000')} " in LOCK.read_text(encoding="utf-8")


def test_every_undocumented_name_exists(connection: PipelinedConnection) -> None:
    for name in ("EXECUTE", "NULL_BYTE", "SYNC_MSG", "i_pack", "make_params"):
        assert hasattr(core, name), name
    for name in ("send_PARSE", "send_DESCRIBE_STATEMENT", "send_BIND", "_send_message", "handle_messages"):
        assert callable(getattr(connection._driver, name)), name
    for name in ("_sock", "_usock", "py_types"):
        assert getattr(connection._driver, name), name
    assert core.Context("SELECT 1").rows is None


def test_a_pipeline_returns_the_rows_of_all_its_statements(connection: PipelinedConnection) -> None:
    statements = (("SELECT $1::int, 'a'", (1,)), ("SELECT 2, $1::text", ("b",)))
    assert connection.execute(*statements) == [[1, "a"], [2, "b"]]


def test_after_an_error_the_rest_is_skipped_and_the_connection_is_usable(connection: PipelinedConnection) -> None:
    with pytest.raises(pg8000.native.DatabaseError) as rejected:
        connection.execute(("SELECT 1", ()), ("SELECT 1 / 0", ()), ("CREATE TABLE skipped ()", ()))
    assert rejected.value.args[0]["C"] == "22012"
    assert connection.execute(("SELECT to_regclass('skipped')", ())) == [[None]]


def test_a_script_has_several_statements(connection: PipelinedConnection) -> None:
    connection.execute_script("CREATE TEMP TABLE numbers (n int); INSERT INTO numbers VALUES (1), (2)")
    assert connection.execute(("SELECT n FROM numbers ORDER BY n", ())) == [[1], [2]]


def test_the_socket_has_its_options(connection: PipelinedConnection) -> None:
    used = connection._driver._usock
    assert used.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert used.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):
            assert used.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) == value


def test_the_socket_has_its_options_under_the_names_of_macos(
    settings: DatabaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    option = socket.TCP_KEEPIDLE
    monkeypatch.setattr(socket, "TCP_KEEPALIVE", option, raising=False)
    monkeypatch.delattr(socket, "TCP_KEEPIDLE")
    connection = connection_to(settings)
    assert connection._driver._usock.getsockopt(socket.IPPROTO_TCP, option) == 5
    connection.close()


def test_the_timeout_limits_each_wait(settings: DatabaseSettings) -> None:
    connection = connection_to(settings, timeout=2)
    assert connection._driver._usock.gettimeout() == 2
    with pytest.raises((pg8000.native.InterfaceError, OSError)):
        connection.execute(("SELECT pg_sleep(60)", ()))
    connection.close()


@pytest.mark.parametrize("sslmode", ["disable", "require"])
def test_the_timeout_limits_the_login(environment: Mapping[str, str], sslmode: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = {"DB_HOST": "127.0.0.1", "DB_PORT": str(silent.getsockname()[1]), "DB_SSLMODE": sslmode}
        with pytest.raises((pg8000.native.InterfaceError, OSError)):  # without the limit, it would wait forever
            connection_to(DatabaseSettings.from_env({**environment, **address}), timeout=2)


def test_an_abort_ends_the_wait_of_another_thread(settings: DatabaseSettings) -> None:
    connection = connection_to(settings)
    timer = Timer(0.2, connection.abort)
    timer.start()
    with pytest.raises((pg8000.native.InterfaceError, OSError)):
        connection.execute(("SELECT pg_sleep(60)", ()))
    timer.join()
    with pytest.raises((pg8000.native.InterfaceError, OSError)):
        connection.close()
