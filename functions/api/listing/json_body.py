"""Body of a POST request to a listing: the parameters of its GET request as one JSON object.

The body becomes the equivalent query string, so both requests have the same answers.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final
from urllib.parse import quote

from starlette.requests import Request

from api.errors import ApiError, ErrorCode, Problem, validation_error
from api.query_string import MAX_NAME_LENGTH
from kalshi_markets.text import excerpt

EXAMPLE_BODY: Final = '{"ticker__in": ["KXBTCD-26NOV2417-T91249.99"], "volume__gte": 1, "limit": 1000}'


def as_get_request(request: Request, body: bytes) -> Request:
    """Return the GET request that a POST request stands for. Raises ApiError, a 422 for an invalid body.

    It has no If-None-Match: only a GET request may be answered with a 304 (RFC 9110, 13.1.2).
    """
    headers = [(name, value) for name, value in request.scope["headers"] if name != b"if-none-match"]
    return Request({**request.scope, "method": "GET", "query_string": _query_string(body), "headers": headers})


def located_in_body(error: ApiError) -> ApiError:
    """Return the error of the GET request with the locations of the POST request's body."""
    if isinstance(error.detail, str):
        return error
    detail = [{**problem, "loc": ["body", *problem["loc"][1:]]} for problem in error.detail]
    return ApiError(error.code, detail, error.hint)


def _query_string(body: bytes) -> bytes:
    parameters = _parse(body)
    try:
        return "&".join(f"{quote(name)}={quote(text)}" for name, text in _texts(parameters)).encode()
    except UnicodeEncodeError:
        raise _invalid((), "must contain only characters that UTF-8 can encode") from None


def _parse(body: bytes) -> tuple[tuple[str, Any], ...]:
    """Return the members of the JSON object of a body, repeated ones too. Raises ApiError.

    Numbers are text, so that no digit is lost. An object in it is a tuple of members as well.
    """
    try:
        value = json.loads(
            body, object_pairs_hook=tuple, parse_float=str, parse_int=str, parse_constant=_reject_constant
        )
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, tuple):
        raise _invalid((), "must be a JSON object of parameters")
    return value


def _reject_constant(constant: str) -> None:
    raise ValueError(constant)


def _texts(parameters: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield each parameter's name and the text of its value, as a query string has it. Raises ApiError."""
    for name, value in parameters:
        match value:
            case bool():
                yield name, json.dumps(value)
            case str():
                yield name, value
            case [_, *_] if all(isinstance(item, str) for item in value) and takes_list(name):
                yield name, csv_line(value)
            case _:
                message = "must be a string, a number or a boolean"
                if takes_list(name):
                    message = "must be a list of at least one string or number, or one line of CSV"
                raise _invalid((excerpt(name, MAX_NAME_LENGTH),), message)


def takes_list(name: str) -> bool:
    """Return whether the value of a parameter may be a list."""
    return name == "fields" or name.endswith("__in")


def csv_line(values: list[str]) -> str:
    """Return the values as one line of CSV, without its line end."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(values)
    return line.getvalue().removesuffix("\r\n")


def _invalid(loc: tuple[str, ...], message: str) -> ApiError:
    return validation_error([Problem(ErrorCode.INVALID_BODY, ("body", *loc), message, EXAMPLE_BODY)])
