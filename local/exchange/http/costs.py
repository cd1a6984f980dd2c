"""Costs of endpoints in tokens (docs.kalshi.com, Rate Limits and Tiers, and List Non-Default Endpoint Costs)."""

from collections.abc import Mapping, Sequence

from local.exchange.faults.kinds import integer_parser

DEFAULT_COST = 10
MAX_COST = 1_000_000


class Costs:
    """What a GET of each path costs. `paths` are those that there are, below the base URL, as in /markets/{ticker}."""

    def __init__(self) -> None:
        self.paths: Sequence[str] = ()
        self.others: dict[str, int] = {}  # than the default

    def set(self, costs: Mapping[str, object]) -> None:
        """Put these costs in the place of all others; the paths without one have the default.

        Raises ValueError, which says what there is.
        """
        parsed = {}
        for path, cost in costs.items():
            if path not in self.paths:
                raise ValueError(f"{path!r} has no cost; there are {', '.join(self.paths)}")
            try:
                parsed[path] = integer_parser(0, MAX_COST)(cost)
            except ValueError as error:
                raise ValueError(f"the cost of {path} must be {error}") from None
        self.others = {path: cost for path, cost in parsed.items() if cost != DEFAULT_COST}

    def of(self, path: str) -> int:
        """Return the tokens that a GET of a path costs."""
        return self.others.get(path, DEFAULT_COST)
