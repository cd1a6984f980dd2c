"""GET requests to the exchange: signed, rate-limited and retried."""

import asyncio
import logging
import random
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, Final, NoReturn, TypeVar

import httpx

from kalshi_markets.exchange.errors import (
    AuthenticationFailed,
    ExchangeClientError,
    ExchangeError,
    ExchangeUnavailable,
    InvalidResponse,
)
from kalshi_markets.exchange.parsing import parse_object, printable
from kalshi_markets.exchange.rate_limiter import RateLimiter
from kalshi_markets.exchange.signing import Signer
from kalshi_markets.settings import ExchangeSettings, SettingsError

HEADERS: Final = {
    "accept": "application/json",
    "accept-encoding": "gzip",
    "accept-language": "en",  # others translate market texts since 2026-08-27 (docs.kalshi.com, changelog)
    "user-agent": "kalshi-markets-api",
}
TIMEOUTS: Final = httpx.Timeout(connect=5, read=15, write=5, pool=15)
MAX_ATTEMPTS: Final = 6
INITIAL_BACKOFF: Final = 0.5
MAX_BACKOFF: Final = 8.0
CLOCK_TOLERANCE: Final = 30.0
"""Tolerated difference of a Date header from our clock. A response of the CDN is up to 15 s old."""
_RETRYABLE_STATUSES: Final = frozenset({408, 425, 429})
_random: Final = random.SystemRandom()

Query = Mapping[str, str | int | Sequence[str]]
T = TypeVar("T")

logging.getLogger("httpx").setLevel(logging.WARNING)  # at INFO httpx logs full URLs


class Transport:
    """HTTP transport that signs, rate-limits and retries requests, for one event loop. Close it with `await aclose()`.

    requests: number of requests sent.
    rate_limited: number of responses with the status 429.
    bytes_received: compressed size of all bodies.
    clock_synced: whether any response had a valid Date header.
    """

    def __init__(self, settings: ExchangeSettings, limiter: RateLimiter) -> None:
        self.requests = 0
        self.rate_limited = 0
        self.bytes_received = 0
        self.clock_synced = False
        self._settings = settings
        self._limiter = limiter
        limits = httpx.Limits(max_connections=20)
        verify = _ssl_context() if settings.url.startswith("https:") else False  # plain HTTP needs no certificates
        self._http = httpx.AsyncClient(headers=HEADERS, timeout=TIMEOUTS, limits=limits, verify=verify)
        self._clock_offset = 0.0
        self._signer: Signer | None = None
        self._set_key(fresh=False)

    async def aclose(self) -> None:
        """Close the connections and the rate limiter."""
        await self._http.aclose()
        await self._limiter.aclose()

    @property
    def is_signed(self) -> bool:
        """Return whether requests are signed with an API key."""
        return self._signer is not None

    async def batch_size(self, path: str, maximum: int) -> int:
        """Return how many items one request may name, at most `maximum`."""
        return await self._limiter.batch_size(path, maximum)

    async def get(
        self,
        path: str,
        query: Mapping[str, str | int],
        *,
        deadline: float,
        priority: float = 0.0,
        parse: Callable[[httpx.Response], dict[str, Any]] | None = None,
    ) -> dict[str, Any]:
        """Return the JSON object at a path, with Decimals for non-integer numbers. parse: replaces parse_object.

        The other parameters and the errors are those of `fetch`.
        """
        return await self.fetch(path, query, parse or parse_object, deadline=deadline, priority=priority)

    async def fetch(
        self,
        path: str,
        query: Query,
        parse: Callable[[httpx.Response], T],
        *,
        deadline: float,
        priority: float = 0.0,
    ) -> T:
        """Return the parsed response of a path below the API's root.

        query: a sequence becomes a repeated parameter.
        parse: raises InvalidResponse.
        deadline: value of time.monotonic(); no attempt continues after it. priority: lower runs first.
        Raises ExchangeError, and the errors of the rate limiter.
        """
        authentication_failed = unreadable = False
        pause = INITIAL_BACKOFF
        failure: ExchangeError = ExchangeUnavailable("the exchange did not respond before the deadline.")
        for _ in range(MAX_ATTEMPTS):
            try:
                async with asyncio.timeout(deadline - time.monotonic()):
                    return parse(await self._send(path, query, priority))
            except TimeoutError:
                raise failure from None
            except AuthenticationFailed as error:
                if authentication_failed or not self._recover_credentials(error):
                    raise
                authentication_failed, failure = True, error
                continue
            except ExchangeClientError:
                raise
            except InvalidResponse as error:
                if unreadable:  # a third request would return the same
                    raise
                unreadable, failure = True, error
            except ExchangeError as error:
                failure = error
            # Full jitter, because the exchange sends no Retry-After (docs.kalshi.com, rate limits).
            wait = _random.uniform(0, pause)
            if time.monotonic() + wait >= deadline:
                break
            await asyncio.sleep(wait)
            pause = min(MAX_BACKOFF, pause * 2)
        raise failure

    async def _send(self, path: str, query: Query, priority: float) -> httpx.Response:
        """Send a request once and return its response, whose status is 200. Raises ExchangeError."""
        await self._limiter.acquire(priority, path)
        request = self._http.build_request("GET", self._settings.url + path, params=query)
        if self._signer:
            # The signature does not include the query string (docs.kalshi.com, API Keys).
            signed_path = request.url.raw_path.partition(b"?")[0].decode("ascii")
            request.headers.update(self._signer.headers("GET", signed_path, round(self.now() * 1000)))
        self.requests += 1
        try:
            response = await self._http.send(request)
        except httpx.TransportError as error:
            raise ExchangeUnavailable(f"the exchange did not respond: {type(error).__name__}.") from error
        except httpx.DecodingError as error:
            raise InvalidResponse("the exchange returned invalid compressed data.") from error
        # httpx's stream refers back to the response. Without this reference cycle the body is freed at once.
        response.stream = httpx.ByteStream(b"")
        self.bytes_received += response.num_bytes_downloaded
        self._sync_clock(response)
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            self.rate_limited += 1
            await self._limiter.on_rate_limited()
        if response.status_code != httpx.codes.OK:
            _raise_for_status(response)
        return response

    def now(self) -> float:
        """Return the exchange's time, in Unix seconds: our clock, corrected by the Date headers of its responses."""
        return time.time() + self._clock_offset

    def _sync_clock(self, response: httpx.Response) -> None:
        exchange_time = _exchange_time(response)
        self.clock_synced = self.clock_synced or exchange_time is not None
        if exchange_time is not None and abs(exchange_time - self.now()) > CLOCK_TOLERANCE:
            self._clock_offset = exchange_time - time.time()

    def _recover_credentials(self, error: AuthenticationFailed) -> bool:
        """Correct the clock or reload the API key after a rejection. Return whether a retry may succeed."""
        if error.code == "header_timestamp_expired" and error.exchange_time is not None:
            self._clock_offset = error.exchange_time - time.time()
            return True
        if self._settings.secret_arn:
            self._set_key(fresh=True)
            return True
        return False

    def _set_key(self, *, fresh: bool) -> None:
        credentials = self._settings.credentials(fresh=fresh)
        self._signer = Signer(credentials) if credentials else None


@lru_cache(maxsize=1)
def _ssl_context() -> ssl.SSLContext:
    """Return a cached context. Loading the certificate authorities takes 50 ms. Raises SettingsError."""
    try:
        return httpx.create_ssl_context()
    except OSError:
        raise SettingsError("SSL_CERT_FILE must be a PEM file of certificate authorities.") from None


def _raise_for_status(response: httpx.Response) -> NoReturn:
    status = response.status_code
    code, message = _parse_error_body(response)
    if status in _RETRYABLE_STATUSES or status >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise ExchangeUnavailable(f"the exchange returned {status}: {message}")
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise AuthenticationFailed(status, code, message, exchange_time=_exchange_time(response))
    raise ExchangeClientError(status, code, message)


def _parse_error_body(response: httpx.Response) -> tuple[str, str]:
    """Return the code and the message of an error body: a nested object, a flat object, `msg` alone, or a string."""
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = None
    error = body.get("error", body) if isinstance(body, dict) else None
    if isinstance(error, str):
        error = {"message": error}
    if not isinstance(error, dict):
        return "", response.reason_phrase
    words = [error.get("message") or error.get("msg") or response.reason_phrase, error.get("details")]
    return printable(error.get("code", "")), printable(": ".join(str(word) for word in words if word))


def _exchange_time(response: httpx.Response) -> float | None:
    try:
        return parsedate_to_datetime(response.headers.get("date", "")).timestamp()
    except ValueError:
        return None
