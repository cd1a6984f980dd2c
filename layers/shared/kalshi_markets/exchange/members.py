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
    reader = _Reader(text)
    answer: dict[str, Any] = {}
    for _ in reader.parts("{", "}"):
        member = reader.value()
        if not isinstance(member, str):
            raise ValueError("a member's name must be a string")  # noqa: TRY004  # the error of all that is no JSON
        reader.token(":")
        answer[member] = _converted(reader, convert) if member == name and reader.peek() == "[" else reader.value()
    if reader.peek():
        raise ValueError("the object must be all")
    return answer


def _converted(reader: "_Reader", convert: Callable[[Any], object | None]) -> list[object]:
    return [kept for _ in reader.parts("[", "]") if (kept := convert(reader.value())) is not None]


class _Reader:
    """A place in a JSON text. Every method raises ValueError."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def peek(self) -> str:
        """Return the next character that is no white space; none at the end."""
        self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]  # it always matches
        return self._text[self._at : self._at + 1]

    def token(self, allowed: str) -> str:
        """Pass over one of the characters allowed, and return it."""
        found = self.peek()
        if not found or found not in allowed:
            raise ValueError(f"one of {allowed} must follow")
        self._at += 1
        return found

    def value(self) -> Any:
        """Parse the next value."""
        self.peek()
        value, self._at = _DECODER.raw_decode(self._text, self._at)
        return value

    def parts(self, opening: str, closing: str) -> Iterator[None]:
        """Pass over brackets and commas, stopping before each part, which must then be parsed."""
        self.token(opening)
        if self.peek() == closing:
            self.token(closing)
            return
        while True:
            yield
            if self.token("," + closing) == closing:
                return
