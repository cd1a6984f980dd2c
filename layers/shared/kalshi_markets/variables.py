"""Parsers of environment variables and secrets. SettingsError names the variable that is missing or invalid."""

import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal, InvalidOperation


class SettingsError(Exception):
    """Missing or invalid setting. The message names it and says which values are valid."""


def parse_text(name: str, value: str) -> str:
    """Return the text without surrounding whitespace. Raises SettingsError if a character is not printable."""
    text = value.strip()
    if text.isprintable():
        return text
    raise SettingsError(f"{name} contains a non-printable character, such as a zero-width space: type it again.")


def parse_ascii(name: str, value: str) -> str:
    """Return the text without surrounding whitespace. Raises SettingsError unless it is printable ASCII."""
    text = value.strip()
    if text.isascii() and text.isprintable():
        return text
    raise SettingsError(f"{name} must be printable ASCII: type it again without invisible characters.")


def parse_password(name: str, value: str) -> str:
    """Return the password without surrounding line breaks; spaces are significant. Raises SettingsError."""
    password = value.strip("\r\n")
    if re.search(r"[\x00-\x1f\x7f-\x9f]", password):  # SASLprep prohibits them (RFC 4013, 2.3)
        raise SettingsError(f"{name} contains a control character, such as a tab or a newline: remove it.")
    return password


class Variables:
    """Environment variables. Every method raises SettingsError. An empty variable counts as missing."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def optional(self, name: str) -> str | None:
        """Return a printable text, or None if the variable is missing."""
        return parse_text(name, self._environment.get(name, "")) or None

    def ascii(self, name: str) -> str | None:
        """Return a text of printable ASCII, or None if the variable is missing.

        It serves URLs, key ids, and ARNs or names of secrets.
        """
        return parse_ascii(name, self._environment.get(name, "")) or None

    def path(self, name: str) -> str | None:
        """Return a path, or None if the variable is missing. A path may contain any character."""
        value = self._environment.get(name, "")
        return value if value.strip() else None

    def password(self, name: str) -> str | None:
        """Return a password, or None if the variable is missing."""
        value = self._environment.get(name, "")
        return parse_password(name, value) if value.strip() else None

    def string(self, name: str, default: str) -> str:
        """Return a printable text, or the default."""
        return self.optional(name) or default

    def required(self, name: str) -> str:
        """Return a printable text. Raises SettingsError if the variable is missing."""
        if value := self.optional(name):
            return value
        raise SettingsError(f"{name} is not set.")

    def boolean(self, name: str, default: str) -> bool:
        """Return True for `true` and False for `false`, case-insensitive."""
        value = self.string(name, default).lower()
        if value not in ("true", "false"):
            raise SettingsError(f"{name} must be true or false.")
        return value == "true"

    def seconds(self, name: str, default: str) -> timedelta:
        """Return a number of seconds between 1 and 86,400, as a timedelta."""
        return timedelta(seconds=float(self.number(name, default, minimum="1", maximum=86_400)))

    def integer(self, name: str, default: str, *, minimum: str = "0", maximum: int) -> int:
        """Return an integer between minimum and maximum."""
        value = self.number(name, default, minimum=minimum, maximum=maximum)
        if value % 1:
            raise SettingsError(f"{name} must be an integer.")
        return int(value)

    def number(self, name: str, default: str, *, minimum: str = "0", maximum: int) -> Decimal:
        """Return a number between minimum and maximum."""
        try:
            value = Decimal(self.string(name, default))
            if Decimal(minimum) <= value <= maximum:
                return value
        except InvalidOperation:
            pass
        raise SettingsError(f"{name} must be a number between {minimum} and {maximum}.")
