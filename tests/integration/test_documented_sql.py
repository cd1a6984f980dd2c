"""SQL of the operator's page: PostgreSQL plans every statement on the migrated tables. None is executed."""

import re

import pytest

from kalshi_markets.database import Database
from local import ROOT
from tests.support.documented_commands import blocks

PAGE = "docs/operations.md"
POSTGRESQL = re.compile(r"\b(kalshi_markets|pg_)")
"""Names that only statements for PostgreSQL have. The others are for Athena: tests/engines runs those of the lake."""


def statements() -> list[str]:
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    inline = re.findall(r"`((?:SELECT|UPDATE|DELETE|INSERT) [^`]+)`", text)
    of_make = re.findall(r'\bSQL="([^"]+)"', text)
    in_blocks = [statement for block in blocks(PAGE, "sql") for statement in block.split(";") if statement.strip()]
    every = [text.replace(r"\|", "|") for text in (*inline, *of_make, *in_blocks)]
    return sorted({text.strip() for text in every if POSTGRESQL.search(text)})


def test_there_are_statements() -> None:
    assert len(statements()) >= 6


@pytest.mark.parametrize("statement", statements())
def test_a_statement_names_tables_and_columns_that_exist(statement: str, database: Database) -> None:
    assert database.execute(f"EXPLAIN {statement}") != []
