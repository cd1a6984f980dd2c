"""Texts of numbers in the region of the viewer, whatever the browser names as its language."""

import json

import pytest
from playwright.sync_api import Page, expect

from tests.browser.modules import serve_modules
from tests.browser.service import Service


@pytest.mark.parametrize(
    ("language", "text"),
    [("en-US", "1,234.5"), ("de-DE", "1.234,5"), ("en-US@posix", "1,234.5"), ("C", "1,234.5"), ("", "1,234.5")],
)
def test_numbers_have_the_format_of_the_region(page: Page, service: Service, language: str, text: str) -> None:
    page.add_init_script(f"Object.defineProperty(navigator, 'language', {{ value: {json.dumps(language)} }});")
    serve_modules(page)
    page.goto(service.url + "/explore/status")
    expect(page.get_by_role("heading", name="Status", level=1)).to_be_visible()
    assert page.evaluate("import('/sources/lib/format.js').then(({ quantity }) => quantity(1234.5))") == text
