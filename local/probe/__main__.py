"""Compare the exchange at EXCHANGE with the assumptions of this code: python -m local.probe [--json].

The exit status is 0 if everything agrees, 1 if something differs, 2 if the exchange cannot be reached.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence

import httpx

from kalshi_markets.exchange import ExchangeError
from kalshi_markets.settings import ExchangeSettings
from kalshi_markets.settings import SettingsError as ExchangeSettingsError
from local.probe.budget import DEFAULT_RATE, RequestBudget
from local.probe.question import Verdict
from local.probe.report import format_json, format_table, summarize
from local.probe.run import QUESTIONS, probe
from local.settings import Settings, SettingsError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the probe and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m local.probe", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args(arguments)
    try:
        settings = _settings()
        budget = RequestBudget(rate=min(settings.rate or DEFAULT_RATE, DEFAULT_RATE))
        lines = asyncio.run(probe(settings, budget, QUESTIONS))
    except (SettingsError, ExchangeSettingsError) as error:
        return _failed(str(error))
    except ExchangeError as error:
        return _failed(f"EXCHANGE cannot be reached: {error}")
    except KeyboardInterrupt:
        print("\nmake probe: stopped.", file=sys.stderr)
        return 130
    print(format_json(lines) if options.json else format_table(lines))
    print(f"\n{summarize(lines)}; {budget.used} requests", file=sys.stderr)
    return int(any(line.finding.verdict is Verdict.DIFFERS for line in lines))


def _settings() -> ExchangeSettings:
    """Return the settings from the environment and .env, as for `make run`. Raises SettingsError."""
    local = Settings.from_env()
    if local.exchange is None:
        raise SettingsError("EXCHANGE is not set: make probe EXCHANGE=https://external-api.kalshi.com")
    rate = {name: value for name, value in local.functions.items() if name == "EXCHANGE_RATE"}
    settings = ExchangeSettings.from_env({"EXCHANGE_URL": local.exchange, **local.key, **rate})
    try:
        httpx.URL(settings.url)
    except httpx.InvalidURL as error:
        raise SettingsError(f"EXCHANGE is not a URL: {error}.") from None
    return settings


def _failed(reason: str) -> int:
    print(f"make probe: {reason}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
