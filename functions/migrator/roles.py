"""The two functions' login roles, each with the least that it needs."""

from collections.abc import Mapping
from typing import Final

from kalshi_markets.database import Database
from kalshi_markets.settings import Credentials

_GRANTS: Final = {
    "api": (
        "GRANT SELECT ON {table}, {table}_terms, {table}_quotes, {table}_history TO {role}",
        "GRANT SELECT ON {table}_jobs, {table}_drift TO {role}",
        # Not the rejected objects themselves.
        "GRANT SELECT (ticker, reason, first_at, last_at) ON {table}_rejects TO {role}",
        "GRANT EXECUTE ON FUNCTION {table}_take_tokens, {table}_slow_down TO {role}",
        # Its cache, and nothing else that it writes.
        "GRANT SELECT, INSERT, UPDATE, DELETE ON {table}_candles TO {role}",
        # A default only, but one that the role keeps even where a client forgets the startup parameter.
        "ALTER ROLE {role} SET default_transaction_read_only = on",
    ),
    "crawler": (
        # It deletes where RETENTION_DAYS says so.
        "GRANT SELECT, INSERT, UPDATE, DELETE ON {table}_terms, {table}_quotes TO {role}",
        "GRANT SELECT, INSERT, DELETE ON {table}_history, {table}_seen TO {role}",
        "GRANT SELECT, INSERT, UPDATE ON {table}_events, {table}_series, {table}_drift TO {role}",
        "GRANT SELECT, INSERT, UPDATE ON {table}_jobs, {table}_lease TO {role}",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON {table}_rejects TO {role}",
        "GRANT SELECT ON {table} TO {role}",
        "GRANT SELECT, USAGE ON SEQUENCE {table}_change TO {role}",
        "GRANT EXECUTE ON FUNCTION {table}_take_tokens, {table}_slow_down TO {role}",
        "GRANT SELECT (account_rate_until), UPDATE (account_rate, account_rate_until) ON {table}_limiter TO {role}",
    ),
}


def grant(database: Database, roles: Mapping[str, Credentials]) -> None:
    """Makes each role, or renews its password, and grants it its part. Raises DatabaseError."""
    for function, credentials in roles.items():
        [[known, quoted, schema]] = database.execute(
            "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1::text), format('%I', $1::text),"
            " format('%I', current_schema())",
            credentials.name,
        )
        verb = "ALTER" if known else "CREATE"
        [[statement]] = database.execute(
            f"SELECT format('{verb} ROLE %I LOGIN PASSWORD %L', $1::text, $2::text)",
            credentials.name,
            credentials.secret,
        )
        database.script(statement)
        database.script(f"GRANT USAGE ON SCHEMA {schema} TO {quoted}")
        for template in _GRANTS[function]:
            database.script(template.format(table=database.settings.table, role=quoted))
