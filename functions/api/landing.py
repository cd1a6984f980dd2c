"""GET /: the landing page with the state of the table and example queries."""

import html
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from typing import Any, Final
from urllib.parse import quote

from api import status
from kalshi_markets.database import Database, DatabaseError, UndefinedObject

_PAGE: Final = Template((Path(__file__).parent / "landing.html").read_text(encoding="utf-8"))

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


logger = logging.getLogger(__name__)


def page(database: Database, readme_url: str | None) -> str:
    """Return the HTML of the landing page. It is also available when the database is not."""
    queries = "\n".join(
        f'<li><a href="{html.escape(path)}">{html.escape(description)}</a> <code>{html.escape(path)}</code></li>'
        for description, path in QUERIES
    )
    readme = f'<a href="{html.escape(quote(readme_url, safe=":/#?&=%"))}">README</a> · ' if readme_url else ""
    return _PAGE.substitute(state=_state(database), queries=queries, readme=readme)


def _state(database: Database) -> str:
    try:
        state = status.job_states(database)
    except UndefinedObject:
        return "<p><strong>The markets table is missing:</strong> run the migrator.</p>"
    except DatabaseError as error:
        logger.warning("landing page rendered without the job table: %s: %s", type(error).__name__, error)
        return "<p><strong>The database is unavailable.</strong> Retry in a minute.</p>"
    size = f"<strong>{state['markets']:,}</strong> markets."
    if not state["jobs"]:
        return f"<p>{size} The first crawl has not started.</p>"
    head = "<tr><th>Job</th><th>Last completed</th><th>Markets read</th><th>Last error</th></tr>"
    rows = "".join(_row(job) for job in state["jobs"])
    return f"<p>{size}</p>\n<table>{head}{rows}</table>"


def _row(job: Mapping[str, Any]) -> str:
    cells = (job["job"], _ago(job["finished_at"]), f"{job['markets']:,}", job["last_error"] or "")
    return f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>"


def _ago(then: datetime | None) -> str:
    if then is None:
        return "not yet"
    seconds = max(0, round((datetime.now(UTC) - then).total_seconds()))
    return f"{seconds} s ago" if seconds < 120 else f"{seconds // 60:,} min ago"
