"""The Market object of the official OpenAPI document, member by member."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from kalshi_markets.columns import FROM_MARKET, Part
from kalshi_markets.exchange import deviations
from kalshi_markets.exchange.drift import NOT_STORED

COLUMNS = {column.member: column for column in FROM_MARKET}


@pytest.fixture(scope="module")
def members() -> dict[str, Any]:
    """The properties of the newest document's Market schema."""
    document = Path(os.environ["KALSHI_SCHEMAS"], "openapi-2026-10-26.yaml").read_text(encoding="utf-8")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return dict(yaml.load(document, Loader=loader)["components"]["schemas"]["Market"]["properties"])


@pytest.mark.schemas
def test_every_member_has_a_column_or_a_reason_to_have_none(members: dict[str, Any]) -> None:
    assert len(members) > 50
    assert sorted(members.keys() - COLUMNS.keys() - NOT_STORED.keys()) == []
    assert sorted(members.keys() & NOT_STORED.keys()) == ["expiration_time"]
    # Computed here.
    assert sorted(COLUMNS.keys() - members.keys()) == ["liquidity"]


@pytest.mark.schemas
def test_every_list_of_words_is_the_documents(members: dict[str, Any]) -> None:
    listed = {name: set(schema["enum"]) for name, schema in members.items() if "enum" in schema}
    assert {"status", "result", "market_type", "strike_type", "settlement_bounds_type"} <= listed.keys()
    assert {name: words - set(COLUMNS[name].values) for name, words in listed.items()} == {key: set() for key in listed}


@pytest.mark.parametrize("member", [*NOT_STORED])
def test_what_is_not_stored_has_a_reason_and_is_no_drift(member: str) -> None:
    assert len(NOT_STORED[member].split()) >= 3
    assert [found for found in deviations([{member: 5}]) if found.member == member] == []


@pytest.mark.parametrize("member", [column.member for column in FROM_MARKET if column.values])
def test_a_word_that_no_list_has_is_drift_and_an_empty_or_known_one_is_none(member: str) -> None:
    def found(value: Any) -> list[tuple[str, int, str | None]]:
        page = [{member: value}, {member: "another"}, {member: value}]
        return [(one.change, one.markets, one.example) for one in deviations(page) if one.member == member]

    assert found("brand_new") == [("new_value", 3, "'brand_new'")]
    assert found(COLUMNS[member].values[-1] or "greater") == [("new_value", 1, "'another'")]
    assert found("") == found(None) == [("new_value", 1, "'another'")]
    assert found(["unhashable"]) == [("retyped", 2, "['unhashable']"), ("new_value", 1, "'another'")]


def test_a_floor_is_one_of_the_terms() -> None:
    assert COLUMNS["settlement_bounds_type"].part is COLUMNS["settlement_floor_dollars"].part is Part.TERMS
