"""Parser of a JSON object with one list that is too long to be held parsed."""

import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, Final

from kalshi_markets.exchange.parsing import reject_constant

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_DECODER: Final = json.JSONDecoder(parse_float=Decimal, parse_constant=reject_constant)


def parse_members(text: str, name: str, convert: Callable[[Any], object | None]) -> dict[str, Any]:
    """Parse a JSON object whose long list is converted element by element. Raises ValueError, RecursionError.

    name: name of the member with the long list.
    convert: function that returns the result of an element; None drops the element.
    Members may have any order. Of several members with one name the last one counts, as in json.loads.
    """
    reader = _JsonScanner(text)
    answer: dict[str, Any] = {}
    for _ in reader.elements("{", "}"):
        member = reader.value()
        if not isinstance(member, str):
            raise ValueError("a member's name must be a string")  # noqa: TRY004  # the error of all invalid JSON
        reader.token(":")
        answer[member] = (
            _convert_elements(reader, convert) if member == name and reader.peek() == "[" else reader.value()
        )
    if reader.peek():
        raise ValueError("the object must be all")
    return answer


def _convert_elements(reader: "_JsonScanner", convert: Callable[[Any], object | None]) -> list[object]:
    return [converted for _ in reader.elements("[", "]") if (converted := convert(reader.value())) is not None]


class _JsonScanner:
    """Scanner of a JSON text. Every method raises ValueError."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0

    def peek(self) -> str:
        """Return the next character that is not whitespace, or an empty text at the end."""
        self._position = _SPACE.match(self._text, self._position).end()  # type: ignore[union-attr]  # it always matches
        return self._text[self._position : self._position + 1]

    def token(self, allowed: str) -> str:
        """Consume one of the allowed characters and return it."""
        character = self.peek()
        if not character or character not in allowed:
            raise ValueError(f"one of {allowed} must follow")
        self._position += 1
        return character

    def value(self) -> Any:
        """Parse the next value."""
        self.peek()
        value, self._position = _DECODER.raw_decode(self._text, self._position)
        return value

    def elements(self, opening: str, closing: str) -> Iterator[None]:
        """Consume brackets and commas, and yield before each element. The caller must parse the element."""
        self.token(opening)
        if self.peek() == closing:
            self.token(closing)
            return
        while True:
            yield
            if self.token("," + closing) == closing:
                return
