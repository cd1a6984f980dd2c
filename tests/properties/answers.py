"""Strict parsers of the API's responses, one for each format. They preserve every digit."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from kalshi_markets.columns import MARKETS, Entity, Kind
from tests.properties.model import Digits, Json, Row, written
from tests.properties.queries import RenderedQuery
from tests.support.api_client import ApiClient, ApiResponse

Members = list[tuple[str, Any]]


def loads(text: str) -> Any:
    """Parse JSON with numbers as Digits."""
    return json.loads(text, parse_float=Digits, parse_int=Digits)


def items(answer: ApiResponse, format_: str, fields: Sequence[str], entity: Entity = MARKETS) -> list[Members]:
    """Return the rows of a page. CSV has no types, so values are parsed by the type of their column."""
    if format_ == "csv":
        header, *lines = cells(answer.text)
        assert header == [(name, False) for name in fields]
        return [
            [(name, _typed(entity.by_name[name].kind, *cell)) for name, cell in zip(fields, line, strict=True)]
            for line in lines
        ]
    if format_ == "ndjson":
        assert answer.text == "" or answer.text.endswith("\n")
        rows = [loads(line) for line in answer.text.split("\n")[:-1]]
    else:
        body = loads(answer.text)
        rows = body["items"]
        assert body["count"] == Digits(str(len(rows)))
    return [[(name, _as_stored(entity.by_name[name].kind, value)) for name, value in item.items()] for item in rows]


def _as_stored(kind: Kind, value: Any) -> Any:
    return Json(value) if kind is Kind.JSON and value is not None else value


def _typed(kind: Kind, text: str, quoted: bool) -> Any:
    assert quoted is (kind in (Kind.STRING, Kind.JSON) and (quoted or text != ""))
    if not quoted and text == "":
        return None
    match kind:
        case Kind.NUMBER:
            return Digits(text)
        case Kind.BOOLEAN:
            return {"true": True, "false": False}[text]
        case Kind.JSON:
            return Json(loads(text))
    return text


def cells(text: str) -> list[list[tuple[str, bool]]]:
    """Parse CSV by RFC 4180. Return each cell and True if it is quoted, which Python's reader does not report."""
    lines: list[list[tuple[str, bool]]] = []
    line: list[tuple[str, bool]] = []
    at = 0
    while at < len(text):
        quoted = text[at] == '"'
        cell, at = _quoted(text, at + 1) if quoted else _bare(text, at)
        line.append((cell, quoted))
        if text[at] == ",":
            at += 1
        else:
            assert text[at : at + 2] == "\r\n"
            lines.append(line)
            line, at = [], at + 2
    assert line == [], "the last line has its end"
    return lines


def _quoted(text: str, at: int) -> tuple[str, int]:
    end = at
    while text[end] != '"' or text[end : end + 2] == '""':
        end += 2 if text[end] == '"' else 1
    return text[at:end].replace('""', '"'), end + 1


def _bare(text: str, at: int) -> tuple[str, int]:
    end = min(position for sign in (",", "\r\n") if (position := text.find(sign, at)) >= 0)
    assert '"' not in text[at:end]
    return text[at:end], end


def assert_page(
    api: ApiClient, query: RenderedQuery, format_: str, expected: Sequence[Row], **more: str
) -> ApiResponse:
    """Request a page and compare its rows: order, fields and every digit."""
    url = query.url(format=format_, **more)
    answer = api.get(url)
    assert answer.status == 200, (url, answer.text)
    fields, entity = query.question.fields, query.question.entity
    rows = items(answer, format_, fields, entity)
    assert rows == [written(row, fields, entity) for row in expected], url
    return answer


def walk(
    api: ApiClient, query: RenderedQuery, limits: Iterator[int], formats: Iterator[str]
) -> Iterator[list[Members]]:
    """Yield the pages of a query by cursor, each with its own limit and format."""
    more: dict[str, str] = {}
    while True:
        format_, limit = next(formats), next(limits)
        answer = api.get(query.url(format=format_, limit=str(limit), **more))
        assert answer.status == 200, (query, more, answer.text)
        page = items(answer, format_, query.question.fields, query.question.entity)
        assert len(page) <= limit
        yield page
        if "x-next-cursor" not in answer.headers:
            return
        assert len(page) == limit
        more = {"cursor": answer.headers["x-next-cursor"]}
