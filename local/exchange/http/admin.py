"""Endpoints of /admin, with which a test controls the running exchange. Not part of the simulated API."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.exchange.clock import Clock, rfc3339
from local.exchange.faults.kinds import number_parser, parse_instant
from local.exchange.faults.rules import Faults
from local.exchange.http.costs import Costs

MAX_SPEED = 1e6
CLOCK = {"now": parse_instant, "speed": number_parser(0, MAX_SPEED)}

Operation = Callable[[Any], object]


class Admin:
    """Admin endpoints: the clock, the faults in force, request costs, and response counts by route and status."""

    def __init__(self, clock: Clock, faults: Faults, costs: Costs, counts: Counter[tuple[str, int]]) -> None:
        self._clock = clock
        self._faults = faults
        self._costs = costs
        self._counts = counts

    @property
    def routes(self) -> list[Route]:
        return [
            _route("GET", "/admin/clock", self.clock),
            _route("POST", "/admin/clock", self.set_clock),
            _route("GET", "/admin/faults", self.faults),
            _route("POST", "/admin/faults", self.set_faults),
            _route("DELETE", "/admin/faults", self.end_faults),
            _route("GET", "/admin/costs", self.costs),
            _route("POST", "/admin/costs", self.set_costs),
            _route("GET", "/admin/requests", self.requests),
        ]

    def clock(self, _: Any) -> object:
        return {"now": rfc3339(self._clock.now()), "speed": self._clock.speed}

    def set_clock(self, fields: Any) -> object:
        """Set the clock from {"now": ISO 8601, "speed": seconds per second, 0 to stop}, or one of them."""
        if not isinstance(fields, dict) or not fields or fields.keys() - CLOCK.keys():
            raise ValueError("the body must be an object with now, speed or both")
        values = {name: _parse(name, value) for name, value in fields.items()}
        if "speed" in values:
            self._clock.run(values["speed"])
        if "now" in values:  # last, so that it is exact
            self._clock.set(values["now"])
        return self.clock(None)

    def faults(self, _: Any) -> object:
        return [rule.describe() for rule in self._faults.rules]

    def set_faults(self, rules: Any) -> object:
        """Replace all rules."""
        if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
            raise ValueError("the body must be a list of objects, each with a kind")
        self._faults.set(rules)
        return self.faults(None)

    def end_faults(self, _: Any) -> object:
        self._faults.set([])
        return []

    def costs(self, _: Any) -> object:
        return self._costs.others

    def set_costs(self, costs: Any) -> object:
        """Replace all costs, as in {"/markets": 20}."""
        if not isinstance(costs, dict):
            raise ValueError("the body must be an object of paths and their tokens")  # noqa: TRY004  # reported as a 400
        self._costs.set(costs)
        return self.costs(None)

    def requests(self, _: Any) -> object:
        counted = sorted(self._counts.items())
        return [{"path": path, "status": status, "count": count} for (path, status), count in counted]


def _parse(name: str, value: object) -> Any:
    try:
        return CLOCK[name](value)
    except ValueError as error:
        raise ValueError(f"{name} must be {error}") from None


def _route(method: str, path: str, operation: Operation) -> Route:
    async def answer(request: Request) -> Response:
        try:
            return JSONResponse(operation(json.loads(await request.body()) if method == "POST" else None))
        except ValueError as error:  # also raised for a body that is not JSON
            return JSONResponse({"error": str(error)}, 400)

    return Route(path, answer, methods=[method])
