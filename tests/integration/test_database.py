import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from kalshi_markets.database import (
    Database,
    DatabaseUnavailable,
    LoginFailed,
    StatementError,
    StatementTimeout,
    UndefinedObject,
)
from kalshi_markets.settings import DatabaseSettings
from local.postgres import PostgresServer
from tests.support.certificates import certificate_for
from tests.support.database import connect, environment_of
from tests.support.tls import TlsFront

pytestmark = pytest.mark.usefixtures("environment")


def test_values_are_parameters(database: Database) -> None:
    assert database.execute("SELECT $1::text, $2::int", "'; DROP TABLE x; --", 5) == [["'; DROP TABLE x; --", 5]]


def test_a_statement_without_parameters_cannot_be_two(database: Database) -> None:
    with pytest.raises(StatementError) as caught:
        database.execute("SELECT 1; SELECT 2")
    assert caught.value.sqlstate == "42601"


@pytest.mark.parametrize(
    ("statement", "values", "error"),
    [
        ("SELECT $1::text", ["\ud800"], UnicodeEncodeError),
        ("SELECT 1 WHERE 1 IN ({many})", [1] * 70_000, struct.error),
    ],
)
def test_after_a_client_side_error_the_next_statement_gets_its_own_answer(
    database: Database, statement: str, values: list[object], error: type[Exception]
) -> None:
    many = ", ".join(f"${n}::int" for n in range(1, len(values) + 1))
    assert database.query("SELECT 'before'") == [["before"]]
    with pytest.raises(error):
        database.query(statement.format(many=many), *values)
    assert database.query("SELECT 'after'") == [["after"]]


def killed(database: Database, watcher: Database) -> None:
    [[pid]] = database.query("SELECT pg_backend_pid()")
    assert watcher.execute("SELECT pg_terminate_backend($1::int, 60000)", pid) == [[True]]  # it has ended


def test_a_killed_connection_is_replaced_without_the_reader_noticing(
    database: Database, environment: dict[str, str]
) -> None:
    watcher = connect(environment)
    killed(database, watcher)
    assert database.query("SELECT 1") == [[1]]
    watcher.close()


def test_a_write_on_a_killed_connection_is_not_repeated(database: Database, environment: dict[str, str]) -> None:
    watcher = connect(environment)
    killed(database, watcher)
    with pytest.raises(DatabaseUnavailable):
        database.execute("CREATE TABLE never_made ()")
    assert database.execute("SELECT to_regclass('never_made')") == [[None]]
    watcher.close()


def test_a_transaction_begins_on_a_new_connection_if_the_old_one_was_killed(
    database: Database, environment: dict[str, str]
) -> None:
    watcher = connect(environment)
    killed(database, watcher)
    with database.transaction():
        assert database.execute("SELECT 1") == [[1]]
    watcher.close()


def test_a_transaction_is_all_or_nothing(database: Database) -> None:
    database.execute_script("CREATE TABLE IF NOT EXISTS numbers (n int PRIMARY KEY)")
    with pytest.raises(StatementError), database.transaction():
        database.execute("INSERT INTO numbers VALUES (1)")
        database.execute("INSERT INTO numbers VALUES (1)")
    with pytest.raises(KeyboardInterrupt), database.transaction():
        database.execute("INSERT INTO numbers VALUES (2)")
        raise KeyboardInterrupt
    with database.transaction():
        database.execute("INSERT INTO numbers VALUES (3)")
    assert database.execute("SELECT n FROM numbers") == [[3]]


def test_a_missing_table_has_its_own_error(database: Database) -> None:
    with pytest.raises(UndefinedObject):
        database.query("SELECT 1 FROM nothing_here")


def test_a_statement_timeout_has_its_own_error_and_keeps_the_connection(environment: dict[str, str]) -> None:
    settings = DatabaseSettings.from_env(environment)
    database = Database(settings, application_name="test", parameters={"statement_timeout": "2000"})
    [[pid]] = database.query("SELECT pg_backend_pid()")
    with pytest.raises(StatementTimeout):
        database.query("SELECT pg_sleep(60)")
    assert database.query("SELECT pg_backend_pid()") == [[pid]]
    database.close()


def test_a_server_that_no_longer_answers_is_given_up(environment: dict[str, str]) -> None:
    database = Database(DatabaseSettings.from_env(environment), application_name="test", timeout=2)
    with pytest.raises(DatabaseUnavailable):
        database.execute("SELECT pg_sleep(60)")
    assert database.query("SELECT 'own answer'") == [["own answer"]]
    database.close()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"DB_PASSWORD": "wrong"}, LoginFailed),
        ({"DB_USER": "nobody_here"}, LoginFailed),
        ({"DB_NAME": "nowhere"}, LoginFailed),
        ({"DB_PORT": "1"}, DatabaseUnavailable),
        ({"DB_HOST": "name.invalid"}, DatabaseUnavailable),
    ],
)
def test_each_connection_failure_has_its_own_error(
    environment: dict[str, str], change: dict[str, str], error: type[DatabaseUnavailable]
) -> None:
    with pytest.raises(DatabaseUnavailable) as raised:
        connect(environment | change).query("SELECT 1")
    assert type(raised.value) is error


def test_a_restarted_server_is_found_again(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / "data", settings={"fsync": "off"})
    server.start()
    database = connect(environment_of(server, server.database))
    assert database.query("SELECT 1") == [[1]]
    server.stop()
    with pytest.raises(DatabaseUnavailable):
        database.query("SELECT 1")
    server.start()
    reconnected = connect(environment_of(server, server.database))
    assert reconnected.query("SELECT 1") == [[1]]
    reconnected.close()
    server.stop()


@pytest.fixture
def tls_front(environment: dict[str, str], certificate: tuple[Path, Path]) -> Iterator[TlsFront]:
    with TlsFront((environment["DB_HOST"], int(environment["DB_PORT"])), *certificate) as front:
        yield front


def through(tls_front: TlsFront, environment: dict[str, str], **changes: str) -> Database:
    return connect(environment | {"DB_HOST": "localhost", "DB_PORT": str(tls_front.port)} | changes)


@pytest.mark.parametrize(
    ("mode", "encrypted"),
    [
        ("disable", False),
        ("allow", False),
        ("prefer", True),
        ("require", True),
        ("verify-ca", True),
        ("verify-full", True),
    ],
)
def test_sslmode_means_what_libpq_means(
    tls_front: TlsFront, environment: dict[str, str], certificate: tuple[Path, Path], mode: str, encrypted: bool
) -> None:
    database = through(tls_front, environment, DB_SSLMODE=mode, DB_SSLROOTCERT=str(certificate[0]))
    assert database.query("SELECT 1") == [[1]]
    assert (tls_front.encrypted, tls_front.plain) == ((1, 0) if encrypted else (0, 1))
    database.close()


def test_require_with_an_authority_verifies_it(
    tls_front: TlsFront, environment: dict[str, str], tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    database = through(tls_front, environment, DB_SSLMODE="require", DB_SSLROOTCERT=str(certificate[0]))
    assert database.query("SELECT 1") == [[1]]
    database.close()
    other = certificate_for("elsewhere", tmp_path)[0]
    with pytest.raises(DatabaseUnavailable, match="certificate verify failed"):
        through(tls_front, environment, DB_SSLMODE="require", DB_SSLROOTCERT=str(other)).query("SELECT 1")


@pytest.mark.parametrize(
    ("mode", "host", "trusted"),
    [("verify-full", "localhost", False), ("verify-ca", "localhost", False), ("verify-full", "127.0.0.1", True)],
)
def test_an_unknown_authority_or_another_host_name_is_rejected(
    tls_front: TlsFront,
    environment: dict[str, str],
    certificate: tuple[Path, Path],
    mode: str,
    host: str,
    trusted: bool,
) -> None:
    authority = {"DB_SSLROOTCERT": str(certificate[0])} if trusted else {}
    with pytest.raises(DatabaseUnavailable, match="certificate verify failed"):
        through(tls_front, environment, DB_SSLMODE=mode, DB_HOST=host, **authority).query("SELECT 1")


def test_verify_ca_does_not_look_at_the_name(
    tls_front: TlsFront, environment: dict[str, str], certificate: tuple[Path, Path]
) -> None:
    database = through(
        tls_front, environment, DB_SSLMODE="verify-ca", DB_HOST="127.0.0.1", DB_SSLROOTCERT=str(certificate[0])
    )
    assert database.query("SELECT 1") == [[1]]
    database.close()


def test_an_authority_of_the_old_kind_is_good_enough(environment: dict[str, str], tmp_path: Path) -> None:
    certificate = certificate_for("localhost", tmp_path, identified=False)
    with TlsFront((environment["DB_HOST"], int(environment["DB_PORT"])), *certificate) as front:
        database = through(front, environment, DB_SSLMODE="verify-full", DB_SSLROOTCERT=str(certificate[0]))
        assert database.query("SELECT 1") == [[1]]
        database.close()


@pytest.mark.parametrize("mode", ["require", "verify-full"])
def test_tls_that_the_server_does_not_have_is_not_done_without(environment: dict[str, str], mode: str) -> None:
    with pytest.raises(DatabaseUnavailable):
        connect(environment | {"DB_SSLMODE": mode}).query("SELECT 1")


def test_the_end_of_a_long_statement_does_not_wait_for_its_beginning_to_be_confirmed(database: Database) -> None:
    assert database.query("SELECT length($1::text)", "x" * 300_000) == [[300_000]]
    assert database._connection is not None
    assert database._connection._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_lists_of_texts_arrive_as_they_are(database: Database) -> None:
    texts = ["null", "NULL", "Null", "", " ", '"', "\\", "{a,b}", "a,b", "é", "'"]
    assert database.query("SELECT unnest($1::text[])", texts) == [[text] for text in texts]
    assert database.query("SELECT cardinality($1::text[])", []) == [[0]]
