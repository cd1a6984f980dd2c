"""Responses of the exchange. Each is requested once, even if several questions use it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, Final, NamedTuple, Self

import httpx

from kalshi_markets.exchange import (
    ExchangeClient,
    ExchangeClientError,
    Listings,
    RateLimiter,
    Transport,
    parse_object,
    parse_page,
)
from kalshi_markets.settings import ExchangeSettings
from local.probe.budget import RequestBudget

REQUEST_TIMEOUT_SECONDS: Final = 25.0
"""Time limit of one request, retries included."""

Query = Mapping[str, str | int]
Reader = Callable[[httpx.Response], dict[str, Any]]


class Answer(NamedTuple):
    """Response with status 200, and the Unix time at which it was received."""

    response: httpx.Response
    received_at: float

    def json(self) -> dict[str, Any]:
        """Return the JSON object. Raises InvalidResponse."""
        return parse_object(self.response)

    def markets(self) -> list[dict[str, Any]]:
        """Return the objects of a page of markets. Raises InvalidResponse."""
        return [market.parse() for market in parse_page(self.response.content)["markets"] or []]


class RecordingTransport(Transport):
    """Transport that sends no request twice: it returns the recorded response or raises the recorded rejection.

    `latest`: the response that was returned last.
    """

    latest: Answer

    def __init__(self, settings: ExchangeSettings, limiter: RateLimiter) -> None:
        super().__init__(settings, limiter)
        self._outcomes: dict[tuple[str, frozenset[tuple[str, str | int]]], Answer | ExchangeClientError] = {}

    async def get(
        self, path: str, query: Query, *, deadline: float, priority: float = 0.0, parse: Reader | None = None
    ) -> dict[str, Any]:
        """Return the JSON object, as Transport.get does."""
        answer = await self.answer(path, query, deadline=deadline, priority=priority)
        return (parse or parse_object)(answer.response)

    async def answer(self, path: str, query: Query, *, deadline: float, priority: float = 0.0) -> Answer:
        """Return the unparsed response. Raises ExchangeError and BudgetSpentError."""
        key = path, frozenset(query.items())
        if key not in self._outcomes:
            try:
                recorded = await super().get(path, query, deadline=deadline, priority=priority, parse=_record)
                self._outcomes[key] = Answer(recorded["response"], time.time())
            except ExchangeClientError as error:
                self._outcomes[key] = error
        outcome = self._outcomes[key]
        if isinstance(outcome, ExchangeClientError):
            raise outcome
        self.latest = outcome
        return outcome


class Session:
    """Clients of the questions. They request market data without a key.

    `transport`: transport of `client`.
    `client`: client without a key.
    `signed`: client that uses the key, or None without one.
    `deadline`: time limit of all requests, as a value of time.monotonic().
    Raises SettingsError if the key is invalid.
    """

    def __init__(self, settings: ExchangeSettings, budget: RequestBudget, deadline: float) -> None:
        self.budget = budget
        self._deadline = deadline
        limiter = RateLimiter(budget)
        self.signed = ExchangeClient(settings, limiter) if settings.key_id else None
        unsigned = replace(settings, key_id=None, key_file=None, secret_arn=None)
        self.transport = RecordingTransport(unsigned, limiter)
        self.client = ExchangeClient(unsigned, limiter, self.transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.signed:
            await self.signed.aclose()
        await self.client.aclose()

    @property
    def deadline(self) -> float:
        """Deadline of the next request, as a value of time.monotonic()."""
        return min(self._deadline, time.monotonic() + REQUEST_TIMEOUT_SECONDS)

    @property
    def listings(self) -> Listings:
        """The listings that the crawler uses."""
        return self.client.listings(deadline=self.deadline)

    @cached_property
    def now(self) -> int:
        """The exchange's time at the first use, in Unix seconds.

        It is cached, so that equal questions send equal requests.
        """
        return int(self.client.now())

    async def get(self, path: str, query: Query | None = None) -> Answer:
        """Request a path below the API's root. Raises ExchangeError and BudgetSpentError."""
        return await self.transport.answer(path, query or {}, deadline=self.deadline)


def _record(response: httpx.Response) -> dict[str, Any]:
    """Return the response if it is a JSON object. Raises InvalidResponse, which the transport retries."""
    parse_object(response)
    return {"response": response}
