"""Fixture: a table of difficult values, and the API over it."""

from collections.abc import Iterator

import pytest

from kalshi_markets.event_columns import EVENTS, SERIES
from tests.integration.conftest import empty_database, environment, migrated, postgres
from tests.properties.scale import TABLE_SEEDS
from tests.properties.tables import EntityTable, Table
from tests.support.api_client import ApiClient
from tests.support.database import connect

__all__ = ["empty_database", "environment", "migrated", "postgres"]


@pytest.fixture(scope="module", params=TABLE_SEEDS, ids=lambda seed: f"seed{seed}")
def table(request: pytest.FixtureRequest, environment: dict[str, str]) -> Iterator[Table]:
    """Yield a table with a few hundred rows, generated from the seed in the test's name."""
    database, api = connect(environment), ApiClient(environment)
    database.execute_script("TRUNCATE kalshi_markets_details, kalshi_markets_quotes, kalshi_markets_jobs")
    yield Table(request.param, api, database)
    api.close()
    database.close()


@pytest.fixture(scope="module", params=[EVENTS, SERIES], ids=lambda entity: entity.name)
def entity_table(request: pytest.FixtureRequest, environment: dict[str, str]) -> Iterator[EntityTable]:
    """Yield a table of events or series."""
    database, api = connect(environment), ApiClient(environment)
    yield EntityTable(request.param, TABLE_SEEDS[0], api, database)
    api.close()
    database.close()
