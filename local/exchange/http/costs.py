"""Costs of endpoints in tokens (docs.kalshi.com, Rate Limits and Tiers, and List Non-Default Endpoint Costs)."""

from collections.abc import Mapping, Sequence

from local.exchange.faults.kinds import integer_parser

DEFAULT_COST = 10
MAX_COST = 1_000_000


class Costs:
    """Cost of a GET by path.

    `paths`: the valid paths below the base URL, as in /markets/{ticker}.
    `others`: the costs that differ from the default.
    """

    def __init__(self) -> None:
        self.paths: Sequence[str] = ()
        self.others: dict[str, int] = {}

    def set(self, costs: Mapping[str, object]) -> None:
        """Replace all costs. Paths without an entry have the default cost.

        Raises ValueError, which lists the valid paths or the valid range.
        """
        parse = integer_parser(0, MAX_COST)
        parsed = {}
        for path, cost in costs.items():
            if path not in self.paths:
                raise ValueError(f"unknown path {path!r}; must be one of {', '.join(self.paths)}")
            try:
                parsed[path] = parse(cost)
            except ValueError as error:  # its message is the valid range: "an integer between …"
                raise ValueError(f"the cost of {path} must be {error}") from None
        self.others = {path: cost for path, cost in parsed.items() if cost != DEFAULT_COST}

    def of(self, path: str) -> int:
        """Return the tokens that a GET of a path costs."""
        return self.others.get(path, DEFAULT_COST)
