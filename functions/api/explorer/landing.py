"""Static content of GET /: the endpoints and example queries."""

import html
from pathlib import Path
from string import Template
from typing import Final
from urllib.parse import quote

_CONTENT: Final = Template((Path(__file__).parent / "landing.html").read_text(encoding="utf-8"))

QUERIES: Final = (
    ("The most recent markets", "/markets?limit=10"),
    ("Active markets by volume", "/markets?status=active&order_by=volume&limit=10"),
    ("About Bitcoin, case-insensitive", "/markets?title_regex=bitcoin&limit=10"),
    ("Closing next", "/markets?status=active&order_by=close_time&order_direction=asc&limit=10"),
    ("Traded over 1,000 contracts", "/markets?volume__gte=1000&limit=10"),
    ("Open for at most twenty minutes", "/markets?max_duration_minutes=20&limit=10"),
    ("Settled YES", "/markets?result=yes&limit=10"),
    ("Undetermined, by liquidity", "/markets?result=&order_by=liquidity&limit=10"),
    ("Opened since 2026, strike type greater", "/markets?open_time__gte=2026-01-01&strike_type=greater&limit=10"),
    ("By ticker, second page of ten", "/markets?order_by=ticker&order_direction=asc&limit=10&offset=10"),
)


def content(readme_url: str | None) -> str:
    """Return the HTML of the landing page's main part."""
    queries = "\n".join(
        f'<li><a href="{html.escape(path)}">{html.escape(description)}</a> <code>{html.escape(path)}</code></li>'
        for description, path in QUERIES
    )
    readme = f'<a href="{html.escape(quote(readme_url, safe=":/#?&=%"))}">README</a> · ' if readme_url else ""
    return _CONTENT.substitute(queries=queries, readme=readme)
