"""What an HTTP client sees of the API over a filled table, whatever stands before the function.

A test class derives from HttpContract; its fixture `client` sends to that address.
"""

import csv
import io
import json
import re

import httpx
import pytest

TEXT = {"accept-encoding": "identity"}


class HttpContract:
    """The promises of docs/api.md that a gateway could break."""

    def test_it_is_healthy_and_every_answer_has_a_request_id(self, client: httpx.Client) -> None:
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
        whole = client.get("/markets", params={"limit": 10_000, "order_by": "ticker", "fields": "ticker"}).json()
        url, found = "/markets?limit=90&order_by=ticker&fields=ticker", list[str]()
        while url:
            page = client.get(url).json()
            found += [market["ticker"] for market in page["items"]]
            url = page["next_url"]
        assert len(found) > 200
        assert found == [market["ticker"] for market in whole["items"]]

    def test_a_query_arrives_as_it_was_sent(self, client: httpx.Client) -> None:
        refused = client.get("/markets?title=a%26b%3Dc&ticker=%2B1+2&nosuch=%C3%A9")
        assert refused.status_code == 422
        assert refused.headers["content-type"] == "application/json"
        assert "nosuch" in refused.text
        assert client.get("/markets?title=a%26b%3Dc&ticker=%2B1+2").json()["items"] == []

    def test_a_repeated_parameter_is_refused(self, client: httpx.Client) -> None:
        refused = client.get("/markets?limit=1&limit=2")
        assert refused.status_code == 422
        assert refused.json()["code"] == "invalid_parameter"

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

    def test_unknown_paths_and_methods_are_told_by_the_function_itself(self, client: httpx.Client) -> None:
        assert client.get("/nowhere/at/all").status_code == 404
        refused = client.delete("/markets")
        assert refused.status_code == 405
        assert refused.json()["hint"]

    def test_who_accepts_gzip_gets_it_and_who_does_not_gets_the_same_text(self, client: httpx.Client) -> None:
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

    def test_what_has_not_changed_is_a_304(self, client: httpx.Client) -> None:
        first = client.get("/markets?limit=2", headers=TEXT)
        again = client.get("/markets?limit=2", headers=TEXT | {"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]

    def test_candlesticks_are_told_per_ticker_in_the_order_asked(self, client: httpx.Client) -> None:
        market = client.get("/markets?status=active&order_by=volume&limit=1").json()["items"][0]["ticker"]
        answer = client.post("/markets/candlesticks", json={"tickers": ["NO-SUCH", market], "period_interval": 60})
        assert answer.status_code == 200
        unknown, known = answer.json()["results"]
        assert (unknown["ticker"], known["ticker"]) == ("NO-SUCH", market)
        assert unknown["error"]
        assert known["error"] is None

    def test_a_body_that_is_no_json_is_refused_without_being_quoted(self, client: httpx.Client) -> None:
        refused = client.post(
            "/markets/candlesticks", content=b'{"tickers": ["s3cret', headers={"content-type": "application/json"}
        )
        assert refused.status_code == 422
        assert "s3cret" not in refused.text

    def test_the_landing_page_and_the_openapi_document_are_there(self, client: httpx.Client) -> None:
        landing = client.get("/")
        assert landing.headers["content-type"].startswith("text/html")
        assert "<html" in landing.text
        assert "/markets/{ticker}" in client.get("/openapi.json").json()["paths"]
