"""Version headers of a response."""

import json
from datetime import datetime

import pytest

from api.etag import TableVersion
from api.responses import time_text

TIMES = {
    "2026-11-28T14:23:38.0221+00:00": "2026-11-28T14:23:38.022100Z",
    "2026-11-28T14:23:38.022123+00:00": "2026-11-28T14:23:38.022123Z",
    "2026-11-28T14:23:38+00:00": "2026-11-28T14:23:38Z",
}
"""Times as PostgreSQL writes them in JSON, without the zeros at the end, and as headers."""


@pytest.mark.parametrize(("text", "header"), TIMES.items())
def test_the_time_of_the_crawl_has_the_form_of_the_status(text: str, header: str) -> None:
    version = TableVersion.from_json(json.dumps([7, text]))
    assert version.headers("tag")["x-crawled-at"] == header
    assert time_text(datetime.fromisoformat(text)) == header


def test_a_table_without_a_crawl_has_no_time() -> None:
    assert "x-crawled-at" not in TableVersion.from_json("[0, null]").headers("tag")
