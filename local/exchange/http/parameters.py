"""Query parameters as the exchange's router parses them: unknown ones are ignored, and the first of several counts.

An empty text counts as missing. An invalid number is rejected with the message of the router's library, oapi-codegen.
"""

import re
from collections.abc import Mapping

from local.exchange.http.errors import failed_validation, router_error

INTEGER = re.compile(r"[+-]?[0-9]+")
TRUE = {"1", "t", "T", "true", "TRUE", "True"}
FALSE = {"0", "f", "F", "false", "FALSE", "False"}


class Parameters:
    """Query parameters of one request."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs
        self._values: Mapping[str, str] = dict(reversed(pairs))

    def text(self, name: str) -> str | None:
        return self._values.get(name) or None

    def names(self, name: str) -> list[str] | None:
        """Return the items of a comma-separated list, without empty ones."""
        text = self.text(name)
        return None if text is None else [part for part in text.split(",") if part]

    def required_texts(self, name: str) -> list[str]:
        """Return the values of a parameter that the request repeats for each item, in their order.

        Raises ExchangeError if there is none.
        """
        texts = [value for pair_name, value in self._pairs if pair_name == name]
        if not texts:
            raise _missing(name)
        return texts

    def integer(self, name: str) -> int | None:
        text = self._values.get(name)
        if text is None:
            return None
        if not INTEGER.fullmatch(text):
            raise _invalid_format(name, "ParseInt", text, "invalid syntax")
        if len(text.lstrip("+-0")) > 19 or not -(2**63) <= int(text) < 2**63:
            raise _invalid_format(name, "ParseInt", text, "value out of range")
        return int(text)

    def required_text(self, name: str) -> str:
        text = self.text(name)
        if text is None:
            raise _missing(name)
        return text

    def required_integer(self, name: str) -> int:
        number = self.integer(name)
        if number is None:
            raise _missing(name)
        return number

    def boolean(self, name: str) -> bool:
        text = self._values.get(name, "false")
        if text not in TRUE | FALSE:
            raise _invalid_format(name, "ParseBool", text, "invalid syntax")
        return text in TRUE

    def limit(self, operation: str, *, default: int, maximum: int) -> int:
        """Return the page size; 0 means the default. Raises ExchangeError."""
        limit = self.integer("limit") or default
        if limit < 0:
            raise failed_validation(operation, "Limit", "gte")
        if limit > maximum:
            raise failed_validation(operation, "Limit", "lte")
        return limit


def _missing(name: str) -> Exception:
    return router_error(f"Query argument {name} is required, but not found")


def _invalid_format(name: str, parser: str, text: str, problem: str) -> Exception:
    reason = f'error binding string parameter: strconv.{parser}: parsing "{text}": {problem}'
    return router_error(f"Invalid format for parameter {name}: {reason}")
