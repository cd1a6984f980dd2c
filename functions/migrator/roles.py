"""The two functions' login roles, each with the least that it needs."""

from collections.abc import Mapping
from typing import Final

from kalshi_markets.database import Database
from kalshi_markets.settings import Credentials

_GRANTS: Final = {
    "api": (
        "GRANT SELECT ON {table}, {table}_terms, {table}_quotes, {table}_jobs TO {role}",
        # A default only, but one that the role keeps even where a client forgets the startup parameter.
        "ALTER ROLE {role} SET default_transaction_read_only = on",
    ),
    "crawler": (
        "GRANT SELECT, INSERT, UPDATE ON {table}_terms, {table}_quotes TO {role}",
        "GRANT SELECT, INSERT, UPDATE ON {table}_jobs, {table}_lease, {table}_rejects TO {role}",
        "GRANT SELECT ON {table} TO {role}",
        "GRANT SELECT, USAGE ON SEQUENCE {table}_change TO {role}",
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
