"""The functions' loggers. Powertools raises ValueError for an invalid level, while the function is imported."""

from aws_lambda_powertools import Logger

from kalshi_markets.settings import SettingsError, log_level


def make_logger(service: str, *, child: bool = False) -> Logger:
    """Return a function's logger, or that of one of its modules: child.

    It logs at INFO where the level is invalid: reading the settings raises that error.
    """
    try:
        return Logger(service=service, level=log_level(), child=child)
    except SettingsError:
        return Logger(service=service, level="INFO", child=child)
