"""Event and Series objects of the official OpenAPI document, member by member."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from kalshi_markets.columns import Column
from kalshi_markets.event_columns import EVENT_COLUMNS, SERIES_COLUMNS
from kalshi_markets.exchange.event_rows import NOT_STORED, SERIES_NOT_STORED

OBJECTS = [("EventData", EVENT_COLUMNS, NOT_STORED), ("Series", SERIES_COLUMNS, SERIES_NOT_STORED)]


@pytest.fixture(scope="module")
def schemas() -> dict[str, Any]:
    """Return the schemas of the newest document."""
    document = Path(os.environ["KALSHI_SCHEMAS"], "openapi-2026-10-26.yaml").read_text(encoding="utf-8")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return dict(yaml.load(document, Loader=loader)["components"]["schemas"])


@pytest.mark.schemas
@pytest.mark.parametrize(("schema", "columns", "not_stored"), OBJECTS, ids=[name for name, *_ in OBJECTS])
def test_every_member_has_a_column_or_a_reason_to_have_none(
    schemas: dict[str, Any], schema: str, columns: tuple[Column, ...], not_stored: Mapping[str, str]
) -> None:
    members = schemas[schema]["properties"].keys()
    stored = {column.source_field for column in columns}
    assert len(members) > 12
    assert members == stored | not_stored.keys()
    assert not stored & not_stored.keys()


@pytest.mark.parametrize("reason", [*NOT_STORED.values(), *SERIES_NOT_STORED.values()])
def test_members_that_are_not_stored_have_a_reason(reason: str) -> None:
    assert len(reason.split()) >= 3
