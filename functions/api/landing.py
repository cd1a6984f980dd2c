"""GET /: what this is, what is in the table right now, and queries to click."""

import html
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from typing import Final
from urllib.parse import quote

from kalshi_markets.database import Database, DatabaseError, Row

_PAGE: Final = Template((Path(__file__).parent / "landing.html").read_text(encoding="utf-8"))

QUERIES: Final = (
    ("The most recent markets", "/markets?limit=10"),
    ("Active markets by volume", "/markets?status=active&order_by=volume&limit=10"),
    ("About Bitcoin, whatever the case", "/markets?title_regex=bitcoin&limit=10"),
    ("Closing next", "/markets?status=active&order_by=close_time&order_direction=asc&limit=10"),
    ("Traded over 1,000 contracts", "/markets?volume__gte=1000&limit=10"),
    ("Open for twenty minutes at most", "/markets?max_duration_minutes=20&limit=10"),
    ("Settled YES", "/markets?result=yes&limit=10"),
    ("Undetermined, most money at the best prices", "/markets?result=&order_by=liquidity&limit=10"),
    ("Opened in 2026, strike above something", "/markets?open_time__gte=2026-01-01&strike_type=greater&limit=10"),
    ("By ticker, the second ten", "/markets?order_by=ticker&order_direction=asc&limit=10&offset=10"),
)


def page(database: Database, readme_url: str | None) -> str:
    """HTML; it also answers when the database does not."""
    queries = "\n".join(
        f'<li><a href="{html.escape(path)}">{html.escape(about)}</a> <code>{html.escape(path)}</code></li>'
        for about, path in QUERIES
    )
    readme = f'<a href="{html.escape(quote(readme_url, safe=":/#?&=%"))}">README</a> · ' if readme_url else ""
    return _PAGE.substitute(state=_state(database), queries=queries, readme=readme)


def _state(database: Database) -> str:
    table = database.settings.table
    try:
        [[size]] = database.read(f"SELECT coalesce(sum(added), 0)::bigint FROM {table}_jobs")
        jobs = database.read(
            f"SELECT job, ended_at, markets, last_error FROM {table}_jobs WHERE job <> 'adopted' ORDER BY job"
        )
    except DatabaseError:
        return "<p><strong>The database does not answer now.</strong> Try again in a minute.</p>"
    if not jobs:
        return "<p>The table is empty: the first crawl has not begun.</p>"
    head = "<tr><th>walk</th><th>last completed</th><th>markets read</th><th>last error</th></tr>"
    return f"<p><strong>{size:,}</strong> markets.</p>\n<table>{head}{_rows(jobs)}</table>"


def _rows(jobs: Sequence[Row]) -> str:
    now = datetime.now(UTC)
    return "".join(
        f"<tr><td>{html.escape(job)}</td><td>{_ago(ended_at, now)}</td><td>{markets:,}</td>"
        f"<td>{html.escape(error or '')}</td></tr>"
        for job, ended_at, markets, error in jobs
    )


def _ago(then: datetime | None, now: datetime) -> str:
    if then is None:
        return "not yet"
    seconds = max(0, round((now - then).total_seconds()))
    return f"{seconds} s ago" if seconds < 120 else f"{seconds // 60:,} min ago"
