import pytest
from pg8000.native import DatabaseError as DriverError

from api.errors import SQLSTATES, ErrorCode, from_service_error
from kalshi_markets.database import DatabaseUnavailable, StatementError, map_error

# postgresql.org/docs/18/errcodes-appendix.html: every class.
CLASSES = [
    "00",
    "01",
    "02",
    "03",
    "08",
    "09",
    "0A",
    "0B",
    "0F",
    "0L",
    "0P",
    "0Z",
    "10",
    "20",
    "21",
    "22",
    "23",
    "24",
    "25",
    "26",
    "27",
    "28",
    "2B",
    "2D",
    "2F",
    "34",
    "38",
    "39",
    "3B",
    "3D",
    "3F",
    "40",
    "42",
    "44",
    "53",
    "54",
    "55",
    "57",
    "58",
    "72",
    "F0",
    "HV",
    "P0",
    "XX",
]


@pytest.mark.parametrize(
    "sqlstate",
    [f"{sqlstate_class}000" for sqlstate_class in CLASSES] + [prefix.ljust(5, "0") for prefix, _ in SQLSTATES],
)
def test_every_class_of_the_databases_errors_has_its_answer(sqlstate: str) -> None:
    error = from_service_error(map_error(DriverError({"C": sqlstate, "M": "s3cret value"})))
    codes = [code for prefix, code in SQLSTATES if sqlstate.startswith(prefix)]
    assert error.code is (codes or [ErrorCode.INTERNAL_ERROR])[0]
    assert error.hint
    assert "s3cret" not in str(error.body("id"))


def test_an_error_without_a_state_is_a_lost_connection() -> None:
    assert from_service_error(map_error(DriverError("gone"))).code is ErrorCode.DATABASE_UNAVAILABLE


@pytest.mark.parametrize("sqlstate", ["25P03", "57P05", "25P04", "22023", "42704", "ZZ000"])
def test_a_fatal_error_is_a_lost_connection_whatever_its_state(sqlstate: str) -> None:
    for severity in ({"S": "FATAL"}, {"S": "FATALE", "V": "FATAL"}):  # PgBouncer has no V, PostgreSQL's S is localized
        error = from_service_error(map_error(DriverError({"C": sqlstate, "M": "ended", **severity})))
        assert error.code is ErrorCode.DATABASE_UNAVAILABLE


def test_a_missing_connect_privilege_is_a_failed_login() -> None:
    fatal = {"C": "42501", "M": "permission denied for database", "V": "FATAL"}
    assert from_service_error(map_error(DriverError(fatal))).code is ErrorCode.DATABASE_LOGIN_FAILED


def test_a_plan_that_went_stale_is_made_anew_by_another_connection() -> None:
    stale = {"C": "0A000", "M": "le plan en cache ne doit pas modifier le type", "R": "RevalidateCachedQuery"}
    assert isinstance(map_error(DriverError(stale)), DatabaseUnavailable)
    assert isinstance(map_error(DriverError({"C": "0A000", "M": "no", "R": "transformStmt"})), StatementError)
