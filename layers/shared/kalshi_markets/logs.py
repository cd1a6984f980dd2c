"""Loggers of the functions.

Powertools raises ValueError for an invalid log level while the function is imported. make_logger does not.
"""

from aws_lambda_powertools import Logger

from kalshi_markets.settings import SettingsError, log_level


def make_logger(service: str, *, child: bool = False) -> Logger:
    """Return the logger of a function. child: return the logger of one of its modules instead.

    An invalid log level is replaced by INFO. Reading the settings raises SettingsError for it.
    """
    try:
        return Logger(service=service, level=log_level(), child=child)
    except SettingsError:
        return Logger(service=service, level="INFO", child=child)
