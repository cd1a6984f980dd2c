"""Test a running service with a few requests: URL=https://… python -m local.smoke.

API_KEY or TOKEN are what the service requires, if it does. MAX_LAG is the maximum age of the live data in seconds, 3600
by default. The exit status is 0 if every request succeeds, 1 if one
fails, 2 if a variable is invalid. Of the exchange, the service needs one request at most, for the candlesticks.
"""

import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import httpx

TIMEOUT_SECONDS: Final = 35.0
"""Limit of one request. API Gateway responds within 30 seconds."""
DEFAULT_MAX_LAG: Final = 3_600
"""Maximum age of the live data, in seconds: above the alarm's threshold for the default interval."""
MARKETS: Final = "/markets?status=active&order_by=volume_24h&limit=10&fields=ticker,event_ticker"
_LIVE: Final = "live/"
"""Beginning of the names of the crawler's jobs that read the live markets."""
_SCRIPT: Final = re.compile(r'<script type="module" src="(/assets/[^"]+)">')
_NO_RESPONSE: Final = "–"


class Wrong(Exception):
    """Response that is not as expected. The message says what is wrong, then what to do."""


@dataclass
class Line:
    """Line of the report. status: HTTP status, or a dash without a response."""

    name: str
    status: str = _NO_RESPONSE
    milliseconds: float = 0.0
    outcome: str = ""


@dataclass
class Service:
    """Service under test.

    credentials: headers of requests for data.
    max_lag: maximum age of the live data, in seconds.
    line: line of the present check. It receives status and time of each request.
    """

    client: httpx.Client
    credentials: Mapping[str, str]
    max_lag: int
    line: Line = field(default_factory=lambda: Line(""))

    def get(self, path: str) -> Any:
        """Return the JSON body of a response. Raises Wrong."""
        return self._data("GET", path)

    def post(self, path: str, body: object) -> Any:
        """Return the JSON body of the response to a JSON body. Raises Wrong."""
        return self._data("POST", path, json=body)

    def page(self, path: str) -> str:
        """Return the text of a page or an asset, which need no credentials. Raises Wrong."""
        return self._checked(self.send("GET", path)).text

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Return a response, whatever its status. Raises Wrong without a response."""
        began = time.monotonic()
        try:
            response = self.client.request(method, path, **options)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Wrong(f"no response ({type(error).__name__}: {error}): check URL and the network.") from None
        finally:
            self.line.milliseconds += (time.monotonic() - began) * 1000
        self.line.status = str(response.status_code)
        return response

    def _data(self, method: str, path: str, **options: Any) -> Any:
        response = self._checked(self.send(method, path, headers=self.credentials, **options))
        try:
            return response.json()
        except ValueError:
            raise Wrong("the response is not JSON: URL must be the address of the service.") from None

    def _checked(self, response: httpx.Response) -> httpx.Response:
        if response.is_success:
            return response
        match response.status_code:
            case 401 if "www-authenticate" in response.headers:
                raise Wrong("the service requires a valid token: set TOKEN.")
            case 401:
                raise Wrong("the service requires an API key: set API_KEY.")
            case 403:
                raise Wrong("the service rejected the API key: set API_KEY to a key of its secret.")
        raise Wrong(_error_text(response))


class SmokeTest:
    """Checks in their order. Later ones need what earlier ones found."""

    def __init__(self, service: Service) -> None:
        self.lines: list[Line] = []
        self._service = service
        self._is_first_crawl = False
        self._market: Mapping[str, Any] | None = None
        self._script: str | None = None

    def run(self) -> bool:
        """Send all requests and print a line for each. Return whether all of them succeeded."""
        checks: list[tuple[str, Callable[[], str]]] = [
            ("status", self._check_status),
            ("markets", self._check_markets),
            ("market", self._check_market),
            ("event", self._check_event),
            ("candlesticks", self._check_candlesticks),
            ("landing page", self._check_landing_page),
            ("asset", self._check_asset),
        ]
        if self._service.credentials:
            checks.append(("protection", self._check_protection))
        results = [self._passes(name, check) for name, check in checks]
        return all(results)

    def _passes(self, name: str, check: Callable[[], str]) -> bool:
        self._service.line = line = Line(name)
        self.lines.append(line)
        passed = True
        try:
            line.outcome = f"ok: {check()}"
        except Wrong as wrong:
            line.outcome, passed = f"FAILED: {wrong}", False
        except (KeyError, TypeError, IndexError, AttributeError):
            line.outcome, passed = (
                "FAILED: unknown JSON: URL must be the address of the service, of this version.",
                False,
            )
        print(f"{line.name:<13} {line.status:>3} {line.milliseconds:>7,.0f} ms  {line.outcome}", flush=True)
        return passed

    def _check_status(self) -> str:
        status = self._service.get("/status")
        self._is_first_crawl = status["live"]["started_at"] is None
        stored = f"{status['markets']:,} markets"
        if self._is_first_crawl:
            return f"the first crawl is still running, {stored} so far; repeat this test in some minutes."
        lag = max(job["lag_seconds"] for job in status["jobs"] if job["job"].startswith(_LIVE))
        if lag > self._service.max_lag:
            raise Wrong(
                f"the live data is {lag:,} s old: see the jobs in /status, and the crawler's log. With a long "
                "LiveIntervalSeconds, set MAX_LAG to more than twice as much."
            )
        return f"{stored}, the live data is {lag:,} s old"

    def _check_markets(self) -> str:
        markets = self._service.get(MARKETS)["items"]
        if not markets and not self._is_first_crawl:
            raise Wrong("there is no active market: see the jobs in /status, and the crawler's log.")
        self._market = markets[0] if markets else None
        return f"{len(markets)} active markets" if markets else "no market is stored yet"

    def _check_market(self) -> str:
        if not self._market:
            return self._untried()
        market = self._service.get(f"/markets/{quote(self._market['ticker'], safe='')}")
        return str(market["ticker"])

    def _check_event(self) -> str:
        if not self._market:
            return self._untried()
        path = f"/events/{quote(self._market['event_ticker'], safe='')}"
        try:
            return str(self._service.get(path)["event_ticker"])
        except Wrong:
            if self._is_first_crawl and self._service.line.status == "404":
                return "not stored yet"
            raise

    def _check_candlesticks(self) -> str:
        if not self._market:
            return self._untried()
        response = self._service.post("/markets/candlesticks", {"tickers": [self._market["ticker"]]})
        result = response["results"][0]
        if result["error"]:
            raise Wrong(f"{result['error']} ({result['code']})")
        return f"{len(result['candlesticks'])} candlesticks of 24 hours"

    def _check_landing_page(self) -> str:
        script = _SCRIPT.search(self._service.page("/"))
        if not script:
            raise Wrong("the page has no script: deploy the layer of the pages, or check URL.")
        self._script = script[1]
        return "HTML"

    def _check_asset(self) -> str:
        if not self._script:
            raise Wrong("not tried, because the landing page names none.")
        return f"{len(self._service.page(self._script)):,} characters"

    def _check_protection(self) -> str:
        if self._service.send("GET", MARKETS).status_code != 401:
            raise Wrong("a request without credentials is not a 401: the service does not require them.")
        return "a request without credentials is rejected"

    def _untried(self) -> str:
        if self._is_first_crawl:
            return "not tried, because no market is stored yet"
        raise Wrong("not tried, because there is no page of markets.")


def main(environment: Mapping[str, str] = os.environ) -> int:
    """Run the test and return the exit status."""
    url, key, token, lag = (environment.get(name, "").strip() for name in ("URL", "API_KEY", "TOKEN", "MAX_LAG"))
    if not re.match(r"https?://[^/\s]+", url):
        return _invalid("URL must be the address of the service: make smoke URL=https://…")
    if key and token:
        return _invalid("API_KEY cannot be combined with TOKEN: a service requires one of them.")
    if not f"{key}{token}".isascii() or not f"{key}{token}".isprintable():
        return _invalid("API_KEY and TOKEN must be printable ASCII.")
    if lag and not re.fullmatch(r"[1-9][0-9]{0,8}", lag):
        return _invalid("MAX_LAG must be a number of seconds, such as 3600.")
    credentials = {"x-api-key": key} if key else {"authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS) as client:
        passed = SmokeTest(Service(client, credentials, int(lag or DEFAULT_MAX_LAG))).run()
    print(f"\nmake smoke: {'every request succeeded' if passed else 'the service has a problem: see FAILED above'}")
    return 0 if passed else 1


def _invalid(message: str) -> int:
    print(f"make smoke: {message}", file=sys.stderr)
    return 2


def _error_text(response: httpx.Response) -> str:
    """Return the sentences of an error response, or its beginning."""
    try:
        body = response.json()
        sentences = [str(body[name]) for name in ("detail", "code", "hint", "message") if body.get(name)]
    except (ValueError, AttributeError):
        sentences = []
    return " ".join(sentences) or "the response is no error of this service: check URL."


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
