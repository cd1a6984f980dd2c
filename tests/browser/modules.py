"""Modules of the pages for tests: a bundle exports nothing, so the browser loads their sources."""

from pathlib import PurePosixPath

from playwright.sync_api import Page, Route

from local import ROOT

SOURCES = ROOT / "layers" / "explorer" / "src"


def serve_modules(page: Page) -> None:
    """Serve the sources of the pages below /sources/ to this page. The service itself does not have them."""

    def fulfill(route: Route) -> None:
        path = PurePosixPath(route.request.url.partition("/sources/")[2])
        route.fulfill(path=SOURCES / path, content_type="text/javascript")

    page.route("**/sources/**", fulfill)
