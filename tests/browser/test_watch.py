"""The watch notices everything that a page must not do."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route

from tests.browser.watch import Watch

ORIGIN = "http://page.example"
STRICT = "default-src 'self' 'unsafe-inline'; img-src 'none'"


@pytest.fixture
def served(open_page: Callable[..., Page], watches: dict[Page, Watch]) -> Callable[[str], list[str]]:
    """Return a function that opens a page with a script, and returns the problems that the watch found."""

    def served(script: str) -> list[str]:
        page = open_page()

        def respond(route: Route) -> None:
            path = route.request.url.removeprefix(ORIGIN)
            if path == "/":
                body = f"<!doctype html><title>-</title><script>{script}</script>"
                headers = {"content-type": "text/html", "content-security-policy": STRICT}
                route.fulfill(body=body, headers=headers)
            elif path == "/favicon.ico":
                route.fulfill(status=204)
            elif path == "/closed":
                route.abort("connectionclosed")
            else:
                route.fulfill(status=404 if path == "/missing" else 200, body="{}")

        page.route("**/*", respond)
        with page.expect_event("close") as closed:
            page.goto(ORIGIN)
            page.wait_for_load_state("networkidle")
            page.close()
        assert closed.value
        return watches.pop(page).problems

    return served


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("console.error('wrong')", "console error: wrong"),
        ("console.warn('odd')", "console warning: odd"),
        ("throw new Error('broken')", "error: broken"),
        ("Promise.reject(new Error('rejected'))", "error: rejected"),
        ("fetch('/missing')", "status 404: http://page.example/missing"),
        ("fetch('/closed').catch(() => 0)", "request failed: http://page.example/closed"),
        ("fetch('http://cdn.example/x').catch(() => 0)", "violation of connect-src by http://cdn.example/x"),
        ("new Image().src = '/picture.png'", "violation of img-src by http://page.example/picture.png"),
        ("location = 'http://other.example/'", "request to another origin: http://other.example/"),
    ],
)
def test_a_page_that_misbehaves_fails(served: Callable[[str], list[str]], script: str, problem: str) -> None:
    assert any(line.startswith((problem, f"console error: {problem}")) for line in served(script))


def test_a_page_that_behaves_passes(served: Callable[[str], list[str]]) -> None:
    script = "console.log('fine'); fetch('/x'); const c = new AbortController(); c.abort();"
    assert served(f"{script} fetch('/y', {{signal: c.signal}}).catch(() => 0)") == []
