"""A JSON object one of whose members is a list too long to be held parsed."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_DECODER: Final = json.JSONDecoder()


def parse_members(text: str, name: str, convert: Callable[[Any], object | None]) -> dict[str, Any]:
    """Parse a JSON object, its members in any order.

    name: of the member whose list is parsed element by element; convert: returns what is kept of an element, or None.
    As anywhere, the last member of a name counts. Raises ValueError, RecursionError.
    """
    reader = _JsonScanner(text)
    answer: dict[str, Any] = {}
    for _ in reader.elements("{", "}"):
        member = reader.value()
        if not isinstance(member, str):
            raise ValueError("a member's name must be a string")  # noqa: TRY004  # the error of all that is no JSON
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
    """A place in a JSON text. Every method raises ValueError."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0

    def peek(self) -> str:
        """Return the next character that is no white space; none at the end."""
        self._position = _SPACE.match(self._text, self._position).end()  # type: ignore[union-attr]  # it always matches
        return self._text[self._position : self._position + 1]

    def token(self, allowed: str) -> str:
        """Pass over one of the characters allowed, and return it."""
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
        """Pass over brackets and commas, stopping before each part, which must then be parsed."""
        self.token(opening)
        if self.peek() == closing:
            self.token(closing)
            return
        while True:
            yield
            if self.token("," + closing) == closing:
                return
