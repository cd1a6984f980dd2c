"""HTML shell of a page: everything that a browser needs before the page's script runs."""

import html
from pathlib import Path
from string import Template
from typing import Final
from urllib.parse import quote

from api.explorer.assets import Assets
from api.explorer.pages import NAVIGATION, Page

_SHELL: Final = Template((Path(__file__).parent / "shell.html").read_text(encoding="utf-8"))
MISSING_ASSETS: Final = (
    '<p role="alert">The scripts of the pages have not been built:'
    " run <code>python3 layers/explorer/fetch.py</code> in the checkout, then reload this page."
    " The API works without them.</p>"
)


def render(page: Page, value: str | None, assets: Assets | None, content: str) -> str:
    """Return the HTML of a page.

    value: the path parameter of the request, or None if the page has none.
    assets: None if they are missing. Then the page says how to build them.
    content: HTML of the main part.
    """
    return _SHELL.substitute(
        title=html.escape(f"{value} · {page.title}" if value else page.title),
        description=html.escape(page.description),
        name=page.name,
        assets=_asset_links(page, assets) if assets else "",
        navigation="\n".join(_link(label, path, page) for label, path in NAVIGATION),
        content=content if assets else MISSING_ASSETS + content,
        request=html.escape(_request(page, value or "")),
        request_url=html.escape(_request(page, quote(value or "", safe=""))),
    )


def _asset_links(page: Page, assets: Assets) -> str:
    return "\n".join(
        (
            f'<link rel="icon" type="image/svg+xml" href="{assets.url("favicon.svg")}">',
            *(f'<link rel="stylesheet" href="{assets.url(path)}">' for path in page.styles if path in assets.files),
            f'<script type="module" src="{assets.url(page.script)}"></script>',
        )
    )


def _link(label: str, path: str, page: Page) -> str:
    current = ' aria-current="page"' if path == page.section else ""
    return f'<a href="{path}"{current}>{label}</a>'


def _request(page: Page, value: str) -> str:
    return page.request.replace(f"{{{page.parameter}}}", value) if page.parameter else page.request
