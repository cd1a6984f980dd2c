"""Query strings: decoding, and the checks that all endpoints share."""

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import unquote_to_bytes

from api.errors import ApiError, ErrorCode, Problem, validation_error
from api.value_parsers import parse_integer
from kalshi_markets.text import is_valid_pg_text

MAX_PARAMETERS: Final = 100
MAX_PROBLEMS: Final = 10
MAX_NAME_LENGTH: Final = 100
"""Maximum of characters of a parameter's name in an error message."""


class Parameter(NamedTuple):
    """Query parameter of an endpoint.

    parse: converts the text of the value. Raises ValueError, whose message continues a sentence that begins with the
    parameter's name.
    example: a valid value.
    schema: the OpenAPI schema of the value.
    """

    name: str
    parse: Callable[[str], Any]
    description: str
    example: str
    schema: dict[str, Any]


def parse_parameters(query_string: bytes, parameters: Mapping[str, Parameter]) -> dict[str, Any]:
    """Parse the query string of an endpoint that has these parameters and no others. Raises ApiError.

    The result has the value of each parameter that the request contains.
    """
    values: dict[str, Any] = {}
    accepted = f"only {', '.join(parameters)}" if parameters else "no parameters"

    def parse(name: str, value: str) -> Problem | None:
        if name not in parameters:
            return unknown_parameter(name, f"unknown parameter: this endpoint accepts {accepted}", "Remove it.")
        try:
            values[name] = parameters[name].parse(check_text(value))
        except ValueError as error:
            return invalid_parameter(name, str(error), f"{name}={parameters[name].example}")
        return None

    parse_each(query_string, parse)
    return values


def reject_parameters(query_string: bytes) -> None:
    """Raise ApiError if the query string has any parameter."""
    parse_parameters(query_string, {})


def parse_each(query_string: bytes, parse: Callable[[str, str], Problem | None]) -> dict[str, str]:
    """Parse each parameter with a function of its name and its value. Return all values, percent-decoded, by name.

    parse: returns the problem of an unknown or invalid parameter.
    Raises ApiError, a 422 that lists up to MAX_PROBLEMS problems, and any error of `parse`.
    """
    values: dict[str, str] = {}
    problems: list[Problem] = []
    for name, value in _pairs(query_string):
        problem = _repeated(name) if name in values else parse(name, value)
        if problem:
            problems.append(problem)
        values[name] = value
        if len(problems) == MAX_PROBLEMS:
            break
    if problems:
        raise validation_error(problems)
    return values


def _pairs(query_string: bytes) -> Iterator[tuple[str, str]]:
    """Yield each parameter's name and value, percent-decoded. Raises ApiError."""
    if not query_string.isascii():
        raise _malformed("The query string contains non-ASCII characters.")
    fields = [field for field in query_string.split(b"&") if field]
    if len(fields) > MAX_PARAMETERS:
        message = f"the query string must have at most {MAX_PARAMETERS} parameters"
        raise validation_error([Problem(ErrorCode.INVALID_PARAMETER, ("query",), message, "Remove some of them.")])
    try:
        decoded = [
            [unquote_to_bytes(part.replace(b"+", b" ")).decode() for part in field.split(b"=", 1)] for field in fields
        ]
    except UnicodeDecodeError:
        raise _malformed("The query string is not valid UTF-8 after percent-decoding.") from None
    for name, *value in decoded:
        yield name, "".join(value)


def _malformed(detail: str) -> ApiError:
    return ApiError(ErrorCode.MALFORMED_QUERY, detail, "Percent-encode it as UTF-8, such as %C3%A9 for é.")


def invalid_parameter(name: str, message: str, hint: str) -> Problem:
    """Return the problem of an invalid value. message: continues a sentence that begins with the parameter's name."""
    name = name[:MAX_NAME_LENGTH]
    return Problem(ErrorCode.INVALID_PARAMETER, ("query", name), f"{name} {message}", hint)


def unknown_parameter(name: str, message: str, hint: str) -> Problem:
    """Return the problem of an unknown parameter."""
    return Problem(ErrorCode.UNKNOWN_PARAMETER, ("query", name[:MAX_NAME_LENGTH]), message, hint)


def _repeated(name: str) -> Problem:
    return invalid_parameter(name, "must not be repeated", "Remove one of them.")


def check_text(value: str) -> str:
    """Return the text unchanged. Raises ValueError if PostgreSQL cannot store it."""
    if not is_valid_pg_text(value):  # it was decoded as UTF-8, so it has no lone surrogate
        raise ValueError("must not contain a NUL character")
    return value


def one_of(allowed_values: Sequence[str]) -> Callable[[str], str]:
    """Return a parser that accepts only these values."""

    def parse(value: str) -> str:
        if value not in allowed_values:
            near = difflib.get_close_matches(value, allowed_values, 1)
            raise ValueError(
                f"must be one of {', '.join(allowed_values)}" + (f"; did you mean {near[0]}?" if near else "")
            )
        return value

    return parse


def integer(minimum: int, maximum: int) -> Callable[[str], int]:
    """Return a parser of integers from minimum to maximum, both included."""
    return lambda value: parse_integer(value, minimum, maximum)


def integer_schema(minimum: int, maximum: int, default: int | None = None) -> dict[str, Any]:
    """Return the OpenAPI schema of an integer. default: None if it has no default."""
    schema: dict[str, Any] = {"type": "integer", "minimum": minimum, "maximum": maximum}
    return schema if default is None else schema | {"default": default}


def enum_schema(allowed_values: Sequence[str], default: str | None = None) -> dict[str, Any]:
    """Return the OpenAPI schema of an enumeration. default: None if it has no default."""
    schema: dict[str, Any] = {"type": "string", "enum": [*allowed_values]}
    return schema if default is None else schema | {"default": default}
