"""Parameters, errors, limits and conditional responses of GET /markets/facets."""

from unittest import mock

import pytest

from kalshi_markets.columns import FACETS
from kalshi_markets.database import Database, StatementTimeout
from tests.support.api_client import ApiClient, error


def test_all_facets_are_counted_by_default(api: ApiClient) -> None:
    answer = api.get("/markets/facets").json
    assert [*answer["facets"]] == [*FACETS]
    assert answer["counted_at"] is None
    [[total]] = [[api.get("/markets?count_total=exact&limit=1").json["total"]]]
    assert answer["count"] == total
    status = answer["facets"]["status"]
    assert (status["estimated"], status["truncated"]) == (False, False)
    assert sum(item["count"] for item in status["values"]) == total


def test_facets_are_chosen_limited_and_filtered(api: ApiClient) -> None:
    answer = api.get("/markets/facets?facet=strike_type,status&limit=1&status=active&search=will").json
    assert [*answer["facets"]] == ["strike_type", "status"]
    count = api.get("/markets?count_total=exact&status=active&search=will&limit=1").json["total"]
    assert answer["count"] == count
    assert answer["facets"]["status"] == {
        "values": [{"value": "active", "count": count}],
        "estimated": False,
        "truncated": False,
    }


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("facet=title", "invalid_parameter"),
        ("facet=", "invalid_parameter"),
        ("limit=0", "invalid_parameter"),
        ("limit=1001", "invalid_parameter"),
        ("order_by=volume", "unknown_parameter"),
        ("cursor=x", "unknown_parameter"),
        ("page=1", "unknown_parameter"),
        ("title_regex=(", "invalid_parameter"),
        ("status=nonsense", "invalid_parameter"),
    ],
)
def test_other_parameters_are_a_422(api: ApiClient, query: str, code: str) -> None:
    error(api.get(f"/markets/facets?{query}"), 422, code)


def test_matches_that_cannot_be_counted_in_time_are_null(api: ApiClient) -> None:
    with mock.patch("api.markets.facet_counts.FacetCounter._exact", side_effect=StatementTimeout("57014", "slow")):
        answer = api.get("/markets/facets?facet=status&volume__gte=1")
    assert answer.status == 200
    assert answer.json == {
        "facets": {"status": {"values": None, "estimated": True, "truncated": True}},
        "count": None,
        "counted_at": None,
    }


def test_both_statements_together_have_the_time_of_one(api: ApiClient) -> None:
    execute, limits = Database.execute, []

    def record(database: Database, sql: str, *values: object) -> list[list[object]]:
        if "set_config" in sql:
            limits.append(values)
        return execute(database, sql, *values)

    with mock.patch.object(Database, "execute", record), mock.patch("api.markets.facet_counts.MAX_EXACT", 1_000):
        assert api.get("/markets/facets?volume__gte=0").json["facets"]["status"]["estimated"] is True
    assert limits == [("1500",), ("1500",)]
    [[afterwards]] = api.resources.database.query("SHOW statement_timeout")
    assert afterwards == "3s"


def test_a_change_or_a_new_count_changes_the_etag(api: ApiClient, database: Database) -> None:
    url = "/markets/facets?facet=status"
    tag = api.get(url).headers["etag"]
    assert api.get(url, if_none_match=tag).status == 304
    database.execute("INSERT INTO kalshi_markets_jobs (job, confirmed_at) VALUES ('counts', '2026-11-28T08:00:00Z')")
    answer = api.get(url, if_none_match=tag)
    assert (answer.status, answer.json["counted_at"]) == (200, "2026-11-28T08:00:00Z")
    assert answer.headers["etag"] != tag
    database.execute("DELETE FROM kalshi_markets_jobs WHERE job = 'counts'")
