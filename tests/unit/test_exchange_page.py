"""docs/exchange.md lists every feature of the simulated exchange, and no other."""

import re
from argparse import SUPPRESS

from local import ROOT
from local.exchange.__main__ import make_parser
from local.exchange.clock import Clock
from local.exchange.faults.kinds import KINDS
from local.exchange.faults.rewrites import UNUSUAL
from local.exchange.faults.rules import COMMON
from local.exchange.generated import generate
from local.exchange.http.app import BASE, ServerOptions, create_app
from local.exchange.http.rate_limiter import TIERS

PAGE = (ROOT / "docs" / "exchange.md").read_text(encoding="utf-8")


def rows(first: str) -> dict[str, str]:
    """Return the rows of the table whose header starts with these words: the name and the rest of each row."""
    table = PAGE.partition(f"\n| {first} |")[2].partition("\n\n")[0]
    return dict(re.findall(r"^\| (`.*?`) \| (.*) \|$", table, re.MULTILINE))


def names(table: dict[str, str]) -> set[str]:
    return {name for key in table for name in re.findall(r"`(.+?)`", key)}


def test_every_option_is_on_the_page_and_no_other() -> None:
    options = {action.option_strings[-1] for action in make_parser()._actions if action.default != SUPPRESS}
    assert len(options) > 10
    assert names(rows("option")) == options


def test_every_path_is_on_the_page_and_no_other() -> None:
    paths = {route.path for route in create_app(generate(1, 0, Clock()), {}, ServerOptions()).routes}  # type: ignore[attr-defined] # all have one
    api = {path.removeprefix(BASE) for path in paths if path.startswith(BASE)}
    section = PAGE.partition("## Endpoints")[2].partition("Not simulated")[0]
    assert set(re.findall(r"`(/.+?)`", section)) - {BASE} == api
    assert {name.partition(" ")[2] for name in names(rows("request"))} == paths - {BASE + path for path in api}


def test_every_kind_of_fault_is_on_the_page_with_its_parameters_and_no_other() -> None:
    documented = rows("kind")
    assert names(documented) == set(KINDS)
    for name, kind in KINDS.items():
        parameters, _, _ = documented[f"`{name}`"].partition(" | ")
        assert set(re.findall(r"`(\w+)`", parameters)) == set(kind.parameters), name
    assert names(rows("every rule")) == {"kind", *COMMON}


def test_every_unusual_content_is_on_the_page_and_no_other() -> None:
    assert names(rows("content of `unusual`")) == set(UNUSUAL)


def test_every_tier_is_on_the_page() -> None:
    assert set(TIERS) <= set(re.findall(r"`(\w+)`", rows("option")["`--tier`"]))


def test_every_test_that_the_page_names_exists() -> None:
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_exchange_*.py"))
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 40
    assert [name for name in sorted(named) if f"def {name}(" not in tests] == []


def test_every_surprise_that_is_tested_is_on_the_page() -> None:
    tested = (ROOT / "tests" / "integration" / "test_exchange_gotchas.py").read_text(encoding="utf-8")
    assert set(re.findall(r"^def (test_\w+)\(", tested, re.MULTILINE)) <= set(re.findall(r"`(test_\w+)`", PAGE))
