"""Corpus of hostile and malformed input."""

import base64
import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from kalshi_markets.columns import Column, Kind
from tests.properties.model import Condition, Json

INJECTIONS: Final = (
    *("' OR 1=1 --", "'; DROP TABLE kalshi_markets_details; --", "1; DELETE FROM kalshi_markets_quotes", "1 OR 1=1"),
    *("$1", "$$", "%s", "{0}", "{column}", "{value}", ":a", "?", "\\'", "\\", '"', "/*", "*/", "--", "E'\\x00'"),
    *("')) UNION SELECT 1--", "pg_sleep(9)", "1 AND (SELECT pg_sleep(9)) IS NULL", "COPY x TO PROGRAM 'id'", "%"),
    *("_", "%%", "\\%", "a%_\\", "<script>alert(1)</script>", "../../etc/passwd", "${jndi:ldap://x}", "{{7*7}}"),
    *("a\r\nX-Evil: 1", "null", "NULL", "undefined"),
)
UNICODE: Final = (
    *("\u202e", "\ufeff", "\ufffe", "\uffff", "\U0010ffff", "e\u0301", "ﬀ", "İ", "ı", "\u212a", "ß", "\x7f", "\x85"),
    *(
        "\u2028",
        "１２３",
        "٣",
        "−1",
        "²",
        "Ⅷ",
        "１",
        "1\u00a0",
        "👩\u200d👩\u200d👧",
        "a" * 1000,
        "é" * 1000,
        "😀" * 1000,
    ),
    *("a" * 1001, "x" * 5000),
)
NUMBERS: Final = (
    *("1.5e3", "+0.25", "-.5", "1e-4", "1e63", "1e64", "0e999", "1e9999999"),
    *("1e5", "1E400", "NaN", "nan", "Infinity", "-inf", "0x10", "1_000", "+1", ".5", "5.", "--1", "1,5", " 1", "1 "),
    *("-0", "00", "-", "9" * 60, "9" * 61, "0." + "0" * 57 + "1", "-" + "9" * 59, "1" * 10_000, "0" * 60, "9" * 19),
    *(str(2**63), str(-(2**63) - 1), str(2**31)),
)
TIMES: Final = (
    *("0000-01-01", "0001-01-01", "9999-12-31T23:59:59.999999Z", "10000-01-01", "2026-02-30", "2026-13-01"),
    *("2026-01-01T24:00", "2026-01-01T23:59:60Z", "2026-01-01T00:00:00+99:99", "0001-01-01T00:00:00+23:59"),
    *("9999-12-31T23:59:59-23:59", "now", "infinity", "-infinity", "epoch", "today", "tomorrow", "1700000000000"),
    *("2026-01-01t24:00:00z", "2016-12-31T23:59:60Z", "2026", "20260101", "999999999", "1000000000"),
    *("99999999999", "100000000000", "100000000001", "-1", "1.5", "1e9", "2026-01-01 00:00:00 02:00", "2026-W01-1"),
    *("20260101", "2026-01-01T00:00:00.1234567891Z", "2026-001", "allballs", "2026-01-01T00:00:00 BC"),
)
JSONS: Final = (
    *("{", "[]", "{}", '{"a":1,"a":2}', "1e400000", "1e-400000", "NaN", "-Infinity", '"\\ud800"', '"\\u0000"'),
    *("[" * 500, "[" * 400 + "]" * 400, '{"$ne":null}', "'a'", "1 ", " 1", "True", "-0", "01", '"' + "a" * 990 + '"'),
    "9" * 999,
)
PATTERNS: Final = (
    *(
        "\\b",
        "\\Ba\\B",
        "\\<a\\>",
        "a{,3}",
        "[\\B\\b]",
        "\\x41b",
        "a\\z",
        "\\b*",
        "\\cb\\b",
        "(?<=\\b)a",
        "\\\\b",
        "\\p{L}",
    ),
    *("(a+)+$", "(a*)*b", "(a|a)*b", "(.*)*x", "((a+)+)+$", "(x+x+)+y", "^(([a-z])+.)+[A-Z]([a-z])+$", "(a|b|ab)*c"),
    *("(.+)+\\Z", "(a)\\1", "(a)(b)\\2", "\\10", "[[:alpha:]]+\\1", "(a{1,200}){1,200}", "a{255}", "a{256}"),
    *("a{1,255}{1,255}", "((a{9}){9}){9}{9}", "(?=a)b", "(?!a)", "(?<=a)b", "(?<!a)b", "(?i)a", "(?x)a", "***=a"),
    *("***:a", "(?#c)", "\\A", "\\Z", "\\m", "\\M", "\\y", "\\Y", "\\", "\\x", "[", "(", ")", "*", "+", "?", "{"),
    *("a{", "a{1", "a{2,1}", "[z-a]", "[[:nope:]]", "[[.a.]]", "[[=a=]]", "\\u00e9", "\\U0010FFFF", "\\x41"),
    *("|" * 200, "(" * 200, "a?" * 100, "(" * 60 + "a" + ")*" * 60, ".*" * 100, "[^a]" * 50, "^" * 200),
    *("(?:" * 60 + ")" * 60, "\\d\\w\\s\\D\\W\\S", "((((((.{9}){9})*)*)*)*)*", "(.{0,30}){0,30}x"),
    *("(.{1,9}){1,9}(.{1,9}){1,9}y", "(\\w{1,30}\\s?){1,30}$"),
)
EVERYTHING: Final = tuple(dict.fromkeys(("", *INJECTIONS, *UNICODE, *NUMBERS, *TIMES, *JSONS, *PATTERNS)))
RAW: Final = (
    *("%00", "a%00b", "%ff", "%c0%80", "%ed%a0%80", "%ed%a0%80%ed%b0%80", "%f4%90%80%80", "%e2%82", "%", "%4", "%zz"),
    *("%%", "+", "%2500", "%0d%0aX:1", "%u0041", "%252e", "a=b=c", "=", "%26limit=1"),
)
"""Values in percent-encoded form."""
HEADERS: Final = (
    *("", ",", ";;;", "*", "*/*", "gzip;q=nan", "gzip;q=-1", "gzip;q=", "text/csv;q=1e999"),
    *("text/csv;q=nan, */*;q=inf", "a" * 5000, ",".join("a" * 2000), 'W/"', '"""', 'W/"x"-1', "W/W/W/", '"%s"', "é"),
    *("\x01", "text/csv;q=" + "0" * 4000, "application/json;;;q=1;q=0", "gzip, " * 500, "q=0", "*;q=0"),
)


def forged(*position: Any) -> str:
    """Return a cursor with arbitrary content."""
    return base64.urlsafe_b64encode(json.dumps(position).encode()).rstrip(b"=").decode()


def cursors(good: str) -> list[str]:
    """Return malformed cursors of every kind, derived from a valid one."""
    version, digests, key, ticker = json.loads(base64.urlsafe_b64decode(good + "=="))
    wrong: list[Any] = [
        None,
        "",
        0,
        -1,
        1e300,
        True,
        [],
        {},
        [[]],
        "\0",
        "\ud800",
        "x" * 3000,
        "'; --",
        "0001-01-01",
        "9999-12-31T23:59:59-23:59",
        "9" * 60,
    ]
    made = [forged(value, digests, key, ticker) for value in wrong] + [
        forged(version, value, key, ticker) for value in wrong
    ]
    made += [forged(version, digests, value, ticker) for value in wrong] + [
        forged(version, digests, key, value) for value in wrong
    ]
    made += [forged(version, {"\ud800": "x"}, key, ticker), forged(version, dict.fromkeys(digests, 1), key, ticker)]
    made += [
        forged(version, digests | {"s3cret": "x"}, key, ticker),
        forged(version, digests, key),
        forged(),
        forged(1, 2, 3, 4, 5),
    ]
    made += [
        good[:-1],
        good[1:],
        good + "=",
        good + "A",
        good * 2,
        good.swapcase(),
        "A" * 20_001,
        "====",
        "é",
        base64.urlsafe_b64encode(b"[" * 9000).decode(),
    ]
    return made


def meant(column: Column, operator: str, text: str) -> Condition | None:
    """Return the condition that a filter's value means, parsed independently of the API.

    Returns None for an invalid value, and for the operators __isnull, __in and _regex.
    """
    if operator in ("__isnull", "__in", "_regex"):
        return None
    try:
        return Condition(column.name, operator, _read(column.kind, text))
    except (ValueError, ArithmeticError):
        return None


def _read(kind: Kind, text: str) -> Any:
    match kind:
        case Kind.NUMBER:
            if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
                raise ValueError(text)
            return Decimal(text)
        case Kind.TIME:
            return _instant(text)
        case Kind.BOOLEAN:
            return {"true": True, "false": False}[text]
        case Kind.JSON:
            return Json(json.loads(text, parse_float=Decimal, parse_int=Decimal))
    return text


def _instant(text: str) -> datetime:
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(Decimal(text) * 10**6))
    if re.fullmatch(r"\d{4}-\d\d-\d\d([Tt ].*)?", text, re.ASCII):
        day, clock = text[:10], text[11:].upper().replace(" ", "+") or "00:00"
        late = timedelta(days=1) if clock.startswith("24:00") else timedelta(seconds=clock[5:8] == ":60")
        clock = re.sub("^24", "00", clock[:5]) + clock[5:8].replace(":60", ":59") + clock[8:]
        moment = datetime.fromisoformat(f"{day}T{clock}") + late
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    raise ValueError(text)
