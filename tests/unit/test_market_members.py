"""Market object of the official OpenAPI document, member by member."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from kalshi_markets.columns import MARKET_COLUMNS, Table
from kalshi_markets.exchange import find_drift
from kalshi_markets.exchange.schema_drift import NOT_STORED

COLUMNS = {column.source_field: column for column in MARKET_COLUMNS}


@pytest.fixture(scope="module")
def members() -> dict[str, Any]:
    """Return the properties of the newest document's Market schema."""
    document = Path(os.environ["KALSHI_SCHEMAS"], "openapi-2026-10-26.yaml").read_text(encoding="utf-8")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return dict(yaml.load(document, Loader=loader)["components"]["schemas"]["Market"]["properties"])


@pytest.mark.schemas
def test_every_member_has_a_column_or_a_reason_to_have_none(members: dict[str, Any]) -> None:
    assert len(members) > 50
    assert sorted(members.keys() - COLUMNS.keys() - NOT_STORED.keys()) == []
    assert sorted(members.keys() & NOT_STORED.keys()) == ["expiration_time"]
    # Computed by this service.
    assert sorted(COLUMNS.keys() - members.keys()) == ["liquidity"]


@pytest.mark.schemas
def test_every_list_of_words_is_the_documents(members: dict[str, Any]) -> None:
    listed = {name: set(schema["enum"]) for name, schema in members.items() if "enum" in schema}
    assert {"status", "result", "market_type", "strike_type", "settlement_bounds_type"} <= listed.keys()
    assert {name: words - set(COLUMNS[name].allowed_values) for name, words in listed.items()} == {
        key: set() for key in listed
    }


@pytest.mark.parametrize("member", [*NOT_STORED])
def test_fields_that_are_not_stored_have_a_reason_and_are_no_drift(member: str) -> None:
    assert len(NOT_STORED[member].split()) >= 3
    assert [deviation for deviation in find_drift([{member: 5}]) if deviation.member == member] == []


@pytest.mark.parametrize("member", [column.source_field for column in MARKET_COLUMNS if column.allowed_values])
def test_a_word_that_no_list_has_is_drift_and_an_empty_or_known_one_is_none(member: str) -> None:
    def drift_of(value: Any) -> list[tuple[str, int, str | None]]:
        page = [{member: value}, {member: "another"}, {member: value}]
        return [
            (deviation.change, deviation.markets, deviation.example)
            for deviation in find_drift(page)
            if deviation.member == member
        ]

    assert drift_of("brand_new") == [("new_value", 3, "'brand_new'")]
    assert drift_of(COLUMNS[member].allowed_values[-1] or "greater") == [("new_value", 1, "'another'")]
    assert drift_of("") == drift_of(None) == [("new_value", 1, "'another'")]
    assert drift_of(["unhashable"]) == [("type_changed", 2, "['unhashable']"), ("new_value", 1, "'another'")]


def test_a_floor_is_one_of_the_terms() -> None:
    assert COLUMNS["settlement_bounds_type"].table is COLUMNS["settlement_floor_dollars"].table is Table.DETAILS
