"""Fault rules: the requests that a fault applies to. The effects are in kinds.py."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from random import Random
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from local.exchange.catalogue import Exchange
from local.exchange.clock import SECOND, rfc3339
from local.exchange.faults.effects import Handler
from local.exchange.faults.kinds import KINDS, Parameter, integer_parser, number_parser, parse_instant, parse_text

# Parameters of every rule, besides its kind and the parameters of that kind.
COMMON: Mapping[str, Parameter] = {
    "path": Parameter(
        parse_text, "*", "requests: a pattern of path or path?query after the base URL, * matches any text"
    ),
    "probability": Parameter(number_parser(0, 1), 1.0, "probability that a request fails"),
    "from": Parameter(parse_instant, None, "start on the exchange's clock, ISO 8601 (default: immediately)"),
    "for": Parameter(number_parser(0, 1e10), None, "duration in seconds, on that clock (default: unlimited)"),
    "requests": Parameter(
        integer_parser(1), None, "number of matching requests after which it ends (default: unlimited)"
    ),
    "seed": Parameter(integer_parser(0), 0, "seed of the probability; the same seed and requests give the same faults"),
}


@dataclass(slots=True)
class Rule:
    """One fault and the requests that it applies to.

    `matched`: number of requests that matched the rule.
    `fired`: number of those that got the fault.
    """

    kind: str
    values: Mapping[str, Any]
    starts: int
    ends: float
    handle: Handler
    matched: int = 0
    fired: int = 0

    def should_fire(self, path: str, query: str, now: int) -> bool:
        """Return whether the rule fires for a request, and count the request."""
        if not self.starts <= now < self.ends or self.matched == self.values["requests"]:
            return False
        pattern: str = self.values["path"]
        if not (fnmatchcase(path, pattern) or fnmatchcase(f"{path}?{query}", pattern)):
            return False
        self.matched += 1
        probability: float = self.values["probability"]
        fires = Random(f"{self.values['seed']}/{self.kind}/{self.matched}").random() < probability
        self.fired += fires
        return fires

    def describe(self) -> dict[str, object]:
        """Return the rule as POST /admin/faults accepts it, with its counts."""
        times = {} if self.values["from"] is None else {"from": rfc3339(self.values["from"])}
        given = {name: value for name, value in self.values.items() if value is not None}
        return {"kind": self.kind, **given, **times, "matched": self.matched, "fired": self.fired}


@dataclass(slots=True)
class RequestState:
    """State of one request, shared by the layers of the application. `skew` is in microseconds."""

    active_faults: list[Rule] = field(default_factory=list)
    skew: int = 0


class Faults:
    """Fault rules in force."""

    def __init__(self, exchange: Exchange, rules: Iterable[Mapping[str, object]] = ()) -> None:
        self._exchange = exchange
        self.rules: list[Rule] = []
        self.set(rules)

    def set(self, rules: Iterable[Mapping[str, object]]) -> None:
        """Replace all rules. Raises ValueError, which lists the valid names."""
        self.rules = [self._parse_rule(rule) for rule in rules]

    def active_for(self, path: str, query: str) -> list[Rule]:
        """Return the rules that fire for a request, in order."""
        now = self._exchange.clock.now()
        return [rule for rule in self.rules if rule.should_fire(path, query, now)]

    def _parse_rule(self, fields: Mapping[str, object]) -> Rule:
        name, values = parse_rule(fields)
        now = self._exchange.clock.now()
        starts = now if values["from"] is None else values["from"]
        ends = float("inf") if values["for"] is None else starts + values["for"] * SECOND
        begins_at_once = values["from"] is None and values["for"] is None
        handle = KINDS[name].handler_factory(values, self._exchange)
        # Without a window the rule always applies, even after the clock is set back.
        return Rule(name, values, -(2**63) if begins_at_once else starts, ends, handle)


def parse_rule(fields: Mapping[str, object]) -> tuple[str, dict[str, Any]]:
    """Return the kind of a rule and its parsed parameters. Raises ValueError, which lists the valid names."""
    kind = str(fields.get("kind"))
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}; must be one of {', '.join(KINDS)}")
    known = {**COMMON, **KINDS[kind].parameters}
    if unknown := [name for name in fields if name not in known and name != "kind"]:
        raise ValueError(f"unknown parameter {unknown[0]!r} of {kind}; must be one of {', '.join(known)}")
    values = {name: parameter.default for name, parameter in known.items()}
    for name in fields.keys() - {"kind"}:
        try:
            values[name] = known[name].parse(fields[name])
        except ValueError as error:
            raise ValueError(f"{name} of {kind} must be {error}") from None
    return kind, values


class FaultMiddleware:
    """Middleware that applies the rules of a request: those on the wire, or those before compression."""

    def __init__(self, app: ASGIApp, *, before_compression: bool) -> None:
        self._app = app
        self._before_compression = before_compression

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        for rule in reversed(scope["request_state"].active_faults):
            if KINDS[rule.kind].before_compression == self._before_compression:
                app = partial(rule.handle, app)
        await app(scope, receive, send)
