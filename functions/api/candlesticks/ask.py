"""The calls of a question: planned, side by side, as long as there is time and room."""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from api.candlesticks.cache import CandleCache
from api.candlesticks.plan import Call, Need, plan
from api.candlesticks.question import Question
from api.candlesticks.result import UNKNOWN
from api.candlesticks.spans import periods
from kalshi_markets.exchange import BATCH_TICKERS, Candle, CandleQuery, ExchangeError, ExchangeRefused, KeyRefused
from kalshi_markets.exchange.client import BATCH_CANDLES

CALLS_AT_ONCE: Final = 20
"""As many as the client has connections: the rate is the limiter's."""
_REFUSALS: Final = 16
"""More of one span in a row, none of its calls answered between them, are taken to be about the span: to find the one
refused ticker of a hundred takes eight."""
_CANDLES_AT_ONCE: Final = 50_000
"""That may be on their way, for they wait in memory for those before them to be read."""


async def ask(question: Question, cache: CandleCache, needs: Sequence[Need]) -> None:
    """Takes what the exchange has for the needs, and keeps it. Raises what the limiter does."""
    left_out = await _ask(question, cache, needs)
    # Markets move to the archive before the table knows, and some it does not know at all; and the live tier keeps some
    # for a while that should have moved (observed on production, 2026-08).
    live = [replace(need, archived=False) for need in left_out if need.archived]
    archived = await _archived(question, [need for need in left_out if not need.archived])
    for need in await _ask(question, cache, [*live, *archived]):
        question.fail(question.found[need.place], UNKNOWN)


async def _ask(question: Question, cache: CandleCache, needs: Sequence[Need]) -> list[Need]:
    """Returns what the exchange left out."""
    calls = plan(needs, question.period)
    left_out: dict[Need, None] = {}

    async def work() -> None:
        for call in calls:
            if question.is_over:
                return
            wanted = tuple(need for need in call.needs if question.found[need.place].error is None)
            if wanted:
                left_out.update(dict.fromkeys(await _call(question, cache, replace(call, needs=wanted))))

    await _together(work() for _ in range(min(_at_once(question, needs), len(needs))))
    return list(left_out)


def _at_once(question: Question, needs: Sequence[Need]) -> int:
    longest = max((periods(need.span, question.period) for need in needs), default=0)
    return max(1, min(CALLS_AT_ONCE, _CANDLES_AT_ONCE // min(BATCH_CANDLES, max(1, longest) * BATCH_TICKERS)))


async def _archived(question: Question, left_out: Sequence[Need]) -> list[Need]:
    """Those whose ticker is in the archive; the others fail."""
    places = {need.ticker: need.place for need in left_out}
    groups = iter([[*places][at : at + BATCH_TICKERS] for at in range(0, len(places), BATCH_TICKERS)])
    archived: set[str] = set()

    async def work() -> None:
        for tickers in groups:
            if question.is_over:
                return
            try:
                found = await question.exchange.archived(tickers, deadline=question.deadline)
            except ExchangeError as error:
                question.exchange_failed([places[ticker] for ticker in tickers], error)
                continue
            archived.update(found)
            for ticker in tickers:
                if ticker not in found:
                    question.fail(question.found[places[ticker]], UNKNOWN)

    await _together(work() for _ in range(min(CALLS_AT_ONCE, len(places))))
    return [replace(need, archived=True) for need in left_out if need.ticker in archived]


async def _call(question: Question, cache: CandleCache, call: Call) -> list[Need]:
    """Takes what a call brings. Returns what it should have brought and did not."""
    try:
        found = await _candles(question, call)
    except ExchangeRefused as error:
        return await _halved(question, cache, call, error)
    except ExchangeError as error:
        question.exchange_failed([need.place for need in call.needs], error)
        return []
    question.refusals.pop(call.span, None)
    for need in call.needs:
        if need.ticker in found:
            question.take(need, call.span, found[need.ticker])
    whole = [question.found[need.place] for need in call.needs if need.span == need.span.within(call.span)]
    if entries := question.for_keeps(whole):
        await asyncio.to_thread(cache.store, entries)
    return [need for need in call.needs if need.ticker not in found]


async def _halved(question: Question, cache: CandleCache, call: Call, error: ExchangeRefused) -> list[Need]:
    """Makes two calls of one that was refused, until the ticker to blame is alone: the exchange does not name it."""
    question.refusals[call.span] += 1
    is_range = question.refusals[call.span] > _REFUSALS
    if len(call.needs) == 1 or is_range or isinstance(error, KeyRefused):
        question.exchange_failed([need.place for need in call.needs], error)
        return []
    left_out, middle = [], len(call.needs) // 2
    for half in (call.needs[:middle], call.needs[middle:]):
        if not question.is_over:
            left_out += await _call(question, cache, replace(call, needs=half))
    return left_out


async def _candles(question: Question, call: Call) -> Mapping[str, Sequence[Candle]]:
    query = CandleQuery(*call.span, question.period)
    tickers = list(dict.fromkeys(need.ticker for need in call.needs))
    if not call.needs[0].archived:
        return await question.exchange.candlesticks(tickers, query, deadline=question.deadline)
    found = await question.exchange.archived_candlesticks(tickers[0], query, deadline=question.deadline)
    return {} if found is None else {tickers[0]: found}


async def _together(tasks: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Raises what the first one raises that fails."""
    try:
        async with asyncio.TaskGroup() as group:
            for task in tasks:
                group.create_task(task)
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
