"""HTTP contract of the API over a filled table, for any gateway in front of the function.

A test class derives from HttpContract. Its fixture `client` sends requests to the gateway.
"""

import csv
import io
import json
import re

import httpx
import pytest

TEXT = {"accept-encoding": "identity"}


class HttpContract:
    """Contract of docs/api.md, where a gateway could break it."""

    def test_health_is_ok_and_every_response_has_a_request_id(self, client: httpx.Client) -> None:
        answer = client.get("/health")
        assert answer.json() == {"status": "ok", "database": "ok"}
        assert answer.headers["x-request-id"]

    def test_a_page_has_its_items_its_count_and_its_types(self, client: httpx.Client) -> None:
        answer = client.get("/markets", params={"limit": 7})
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        page = answer.json()
        assert page["count"] == len(page["items"]) == 7
        assert all(isinstance(market["volume"], int | float) for market in page["items"])

    def test_next_url_leads_through_every_market_once_and_ends(self, client: httpx.Client) -> None:
        listing = client.get("/markets", params={"limit": 10_000, "order_by": "ticker", "fields": "ticker"}).json()
        url, tickers = "/markets?limit=90&order_by=ticker&fields=ticker", list[str]()
        while url:
            page = client.get(url).json()
            tickers += [market["ticker"] for market in page["items"]]
            url = page["next_url"]
        assert len(tickers) > 200
        assert tickers == [market["ticker"] for market in listing["items"]]

    def test_a_query_arrives_as_it_was_sent(self, client: httpx.Client) -> None:
        response = client.get("/markets?title=a%26b%3Dc&ticker=%2B1+2&nosuch=%C3%A9")
        assert response.status_code == 422
        assert response.headers["content-type"] == "application/json"
        assert "nosuch" in response.text
        assert client.get("/markets?title=a%26b%3Dc&ticker=%2B1+2").json()["items"] == []

    def test_a_repeated_parameter_is_rejected(self, client: httpx.Client) -> None:
        response = client.get("/markets?limit=1&limit=2")
        assert response.status_code == 422
        assert response.json()["code"] == "invalid_parameter"

    def test_a_ticker_is_found_by_its_path_and_an_unknown_one_is_a_404(self, client: httpx.Client) -> None:
        ticker = client.get("/markets", params={"limit": 1}).json()["items"][0]["ticker"]
        assert client.get(f"/markets/{ticker}").json()["ticker"] == ticker
        missing = client.get("/markets/NO%2FSUCH")
        assert missing.status_code == 404
        assert set(missing.json()) == {"detail", "code", "hint", "request_id"}
        assert missing.json()["request_id"] == missing.headers["x-request-id"]

    @pytest.mark.parametrize("path", ["/", "/markets", "/health"])
    def test_head_is_get_without_a_body(self, client: httpx.Client, path: str) -> None:
        got, head = client.get(path), client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"] == got.headers["content-type"]

    def test_unknown_paths_and_methods_are_reported_by_the_function_itself(self, client: httpx.Client) -> None:
        assert client.get("/nowhere/at/all").status_code == 404
        response = client.delete("/markets")
        assert response.status_code == 405
        assert response.json()["hint"]

    def test_gzip_is_sent_on_request_and_the_text_is_the_same_without(self, client: httpx.Client) -> None:
        packed = client.get("/markets?limit=200", headers={"accept-encoding": "gzip"})
        plain = client.get("/markets?limit=200", headers=TEXT)
        assert packed.headers["content-encoding"] == "gzip"
        assert "content-encoding" not in plain.headers
        assert packed.json()["items"] == plain.json()["items"]
        assert packed.num_bytes_downloaded < plain.num_bytes_downloaded / 2

    def test_csv_and_ndjson_are_text_with_their_cursor_in_the_headers(self, client: httpx.Client) -> None:
        lines = client.get("/markets?limit=3&format=ndjson")
        table = client.get("/markets?limit=3", headers={"accept": "text/csv"})
        assert lines.headers["content-type"].startswith("application/x-ndjson")
        assert table.headers["content-type"].startswith("text/csv")
        tickers = [json.loads(line)["ticker"] for line in lines.text.splitlines()]
        assert [row["ticker"] for row in csv.DictReader(io.StringIO(table.text))] == tickers
        assert re.fullmatch(r'<\S+>; rel="next"', lines.headers["link"])
        assert lines.headers["x-next-cursor"]

    def test_an_unchanged_page_is_a_304(self, client: httpx.Client) -> None:
        first = client.get("/markets?limit=2", headers=TEXT)
        second = client.get("/markets?limit=2", headers=TEXT | {"if-none-match": first.headers["etag"]})
        assert (second.status_code, second.content) == (304, b"")
        assert second.headers["etag"] == first.headers["etag"]

    def test_candlesticks_are_reported_per_ticker_in_request_order(self, client: httpx.Client) -> None:
        market = client.get("/markets?status=active&order_by=volume&limit=1").json()["items"][0]["ticker"]
        answer = client.post("/markets/candlesticks", json={"tickers": ["NO-SUCH", market], "period_interval": 60})
        assert answer.status_code == 200
        unknown, known = answer.json()["results"]
        assert (unknown["ticker"], known["ticker"]) == ("NO-SUCH", market)
        assert unknown["error"]
        assert known["error"] is None

    def test_a_non_json_body_is_a_422_that_does_not_echo_it(self, client: httpx.Client) -> None:
        response = client.post(
            "/markets/candlesticks", content=b'{"tickers": ["s3cret', headers={"content-type": "application/json"}
        )
        assert response.status_code == 422
        assert "s3cret" not in response.text

    def test_the_landing_page_and_the_openapi_document_are_there(self, client: httpx.Client) -> None:
        landing = client.get("/")
        assert landing.headers["content-type"].startswith("text/html")
        assert "<html" in landing.text
        assert "/markets/{ticker}" in client.get("/openapi.json").json()["paths"]
