"""Login roles of the API and the crawler, each with the minimum of privileges and a share of the connections."""

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Final

from scramp import ScramMechanism

from kalshi_markets.credentials import Credentials
from kalshi_markets.database import Database, StatementError
from migrator.catalog import MigrationError

_NOT_PERMITTED: Final = "42501"

CRAWLER_CONNECTIONS: Final = 9
"""Connections of the crawler's role: three runs of three connections.

Runs may overlap, and the server notices a killed run's connections late.
"""
OTHER_CONNECTIONS: Final = 8
"""Connections of neither role: the migrator, operators, and the sessions of RDS itself."""
MIN_API_CONNECTIONS: Final = 3
"""Connections of one API function."""
IDLE_SECONDS: Final = 60
"""Seconds after which the server ends an idle session of the API.

A function that Lambda keeps after a burst would otherwise hold connections that others need.
"""
_RESERVED: Final = (
    "superuser_reserved_connections",
    "reserved_connections",  # PostgreSQL 16 and newer
    "rds.rds_superuser_reserved_connections",
)

_GRANTS: Final = {
    "api": (
        "GRANT SELECT ON {table}, {table}_details, {table}_quotes, {table}_history TO {role}",
        "GRANT SELECT ON {table}_events, {table}_series, {table}_series_counts TO {role}",
        "GRANT SELECT ON {table}_counts, {table}_facets TO {role}",
        "GRANT SELECT ON {table}_jobs, {table}_drift TO {role}",
        "GRANT SELECT (only_row, exported, backlog_complete) ON {table}_lake TO {role}",
        "GRANT SELECT (bytes) ON {table}_outbox TO {role}",
        # Without the column of the rejected objects.
        "GRANT SELECT (ticker, reason, first_at, last_at) ON {table}_rejects TO {role}",
        "GRANT EXECUTE ON FUNCTION {table}_take_tokens, {table}_slow_down TO {role}",
        "GRANT SELECT (bucket_capacity, endpoint_costs) ON {table}_limiter TO {role}",
        # The candlestick cache is the only table that the API writes, apart from the functions above.
        "GRANT SELECT, INSERT, UPDATE, DELETE ON {table}_candles TO {role}",
        # A default that also applies if a client does not send the startup parameter.
        "ALTER ROLE {role} SET default_transaction_read_only = on",
        f"ALTER ROLE {{role}} SET idle_session_timeout = '{IDLE_SECONDS}s'",
    ),
    "crawler": (
        # The crawler deletes markets if RETENTION_DAYS is set.
        "GRANT SELECT, INSERT, UPDATE, DELETE ON {table}_details, {table}_quotes TO {role}",
        "GRANT SELECT, INSERT, DELETE ON {table}_history, {table}_seen TO {role}",
        "GRANT SELECT, INSERT, UPDATE ON {table}_series, {table}_drift TO {role}",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON {table}_events, {table}_unknown_events TO {role}",
        "GRANT SELECT, INSERT, DELETE ON {table}_counts, {table}_facets TO {role}",
        "GRANT SELECT, INSERT, UPDATE ON {table}_jobs, {table}_lease TO {role}",
        "GRANT SELECT, INSERT, DELETE ON {table}_outbox, {table}_lake_objects TO {role}",
        "GRANT SELECT, UPDATE ON {table}_lake TO {role}",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON {table}_rejects, {table}_lookups TO {role}",
        "GRANT SELECT ON {table} TO {role}",
        "GRANT SELECT, USAGE ON SEQUENCE {table}_change, {table}_events_change, {table}_series_change TO {role}",
        "GRANT EXECUTE ON FUNCTION {table}_take_tokens, {table}_slow_down TO {role}",
        "GRANT SELECT (bucket_capacity, endpoint_costs) ON {table}_limiter TO {role}",
        "GRANT UPDATE (account_rate, account_rate_until, bucket_capacity, endpoint_costs) ON {table}_limiter TO {role}",
    ),
}


def grant(database: Database, roles: Mapping[str, Credentials]) -> None:
    """Create each role or update its password and its connection limit, and grant its privileges.

    Raises MigrationError if the database's user may not create or change a role, or if the server permits too few
    connections. Raises DatabaseError.
    """
    limits = _connection_limits(database) if roles else {}
    for function, credentials in roles.items():
        [[role, schema]] = database.execute(
            "SELECT format('%I', $1::text), format('%I', current_schema())", credentials.username
        )
        try:
            database.execute_script(_upsert_role_sql(database, role, credentials, limits[function]))
        except StatementError as error:
            if error.sqlstate != _NOT_PERMITTED:
                raise
            raise MigrationError(
                f"the database user cannot create or change the role {role} ({error}): "
                "grant the privilege, or use one user for all functions."
            ) from error
        database.execute_script(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
        for template in _GRANTS[function]:
            database.execute_script(template.format(table=database.settings.table, role=role))


def set_password(database: Database, credentials: Credentials) -> None:
    """Change the password of a role. Raises DatabaseError."""
    [[role]] = database.execute("SELECT format('%I', $1::text)", credentials.username)
    database.execute_script(f"ALTER ROLE {role} PASSWORD '{_scram_verifier(credentials.secret)}'")


def _connection_limits(database: Database) -> Mapping[str, int]:
    """Return the connection limit of each function's role.

    The API gets what the crawler, the owner and the server's own reserve leave, so that none can starve another.
    Raises MigrationError if that is too little.
    """
    [[maximum, reserved]] = database.execute(
        """
        SELECT current_setting('max_connections')::int, coalesce(sum(nullif(current_setting(name, true), '')::int), 0)
        FROM json_array_elements_text($1::json) AS name""",
        json.dumps(_RESERVED),
    )
    others = reserved + CRAWLER_CONNECTIONS + OTHER_CONNECTIONS
    if maximum < others + MIN_API_CONNECTIONS:
        raise MigrationError(
            f"the database accepts {maximum} connections (max_connections), of which {reserved} are reserved: "
            f"set max_connections to {others + MIN_API_CONNECTIONS} or more."
        )
    return {"api": maximum - others, "crawler": CRAWLER_CONNECTIONS}


def _upsert_role_sql(database: Database, role: str, credentials: Credentials, limit: int) -> str:
    exists = database.execute("SELECT FROM pg_roles WHERE rolname = $1::text", credentials.username)
    verifier = _scram_verifier(credentials.secret)
    return f"{'ALTER' if exists else 'CREATE'} ROLE {role} LOGIN CONNECTION LIMIT {limit} PASSWORD '{verifier}'"


def _scram_verifier(password: str) -> str:
    """Return the SCRAM verifier of a password (postgresql.org/docs, pg_authid).

    The server logs statements, so they must not contain the password.
    """
    salt, stored_key, server_key, iterations = ScramMechanism().make_auth_info(password)
    salt64, stored64, server64 = (b64encode(part).decode() for part in (salt, stored_key, server_key))
    return f"SCRAM-SHA-256${iterations}:{salt64}${stored64}:{server64}"
