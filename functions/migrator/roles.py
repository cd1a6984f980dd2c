"""Login roles of the API and the crawler, each with the minimum of privileges."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Final

from scramp import ScramMechanism

from kalshi_markets.database import Database, StatementError
from kalshi_markets.settings import Credentials
from migrator.catalog import MigrationError

_NOT_PERMITTED: Final = "42501"

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
    """Create each role or update its password, and grant its privileges.

    Raises MigrationError if the database's user may not create or change a role. Raises DatabaseError.
    """
    for function, credentials in roles.items():
        [[role, schema]] = database.execute(
            "SELECT format('%I', $1::text), format('%I', current_schema())", credentials.username
        )
        try:
            database.execute_script(_upsert_role_sql(database, role, credentials))
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


def _upsert_role_sql(database: Database, role: str, credentials: Credentials) -> str:
    exists = database.execute("SELECT FROM pg_roles WHERE rolname = $1::text", credentials.username)
    return f"{'ALTER' if exists else 'CREATE'} ROLE {role} LOGIN PASSWORD '{_scram_verifier(credentials.secret)}'"


def _scram_verifier(password: str) -> str:
    """Return the SCRAM verifier of a password (postgresql.org/docs, pg_authid).

    The server logs statements, so they must not contain the password.
    """
    salt, stored_key, server_key, iterations = ScramMechanism().make_auth_info(password)
    salt64, stored64, server64 = (b64encode(part).decode() for part in (salt, stored_key, server_key))
    return f"SCRAM-SHA-256${iterations}:{salt64}${stored64}:{server64}"
