"""Accessibility of every page: the rules of axe-core, light and dark, wide and narrow."""

from typing import Final

import pytest
from playwright.sync_api import Page

from local import ROOT
from tests.browser.conftest import OpenPage
from tests.browser.pages import PAGES, PagePath, open_all
from tests.browser.service import Service

AXE: Final = ROOT / "local" / "javascript" / "node_modules" / "axe-core" / "axe.min.js"
"""axe-core, fetched by `python3 layers/explorer/fetch.py --tools`."""


def violations(page: Page) -> list[str]:
    """Return a line for each violation of axe-core's rules: its rule, and the elements."""
    # The protocol of the developer tools runs it, which the Content-Security-Policy does not restrict.
    page.evaluate(AXE.read_text(encoding="utf-8"))
    result = page.evaluate("axe.run()")
    return [
        f"{violation['id']}: {node['html'][:200]} {node['failureSummary']}"
        for violation in result["violations"]
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("path", PAGES, ids=str)
def test_axe_finds_no_violation(open_page: OpenPage, service: Service, path: PagePath, width: int) -> None:
    page = open_page(width=width)
    open_all(page, service.url + path.path)
    broken_rules = violations(page)
    page.emulate_media(color_scheme="dark")
    broken_rules += [f"dark: {line}" for line in violations(page)]
    assert not broken_rules, "\n".join(broken_rules)
