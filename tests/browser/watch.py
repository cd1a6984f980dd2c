"""Watch of a page: everything that a page must not do while a test uses it."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Page, Request, Response

REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`violation of ${event.effectiveDirective} by ${event.blockedURI} in ${event.sourceFile}`);
});
"""
"""Script that logs violations of the Content-Security-Policy."""


@dataclass
class Watch:
    """Record of a page.

    problems: one line for each error, warning, failed request, and request to another origin.
    api_requests: method and URL of each request to the API.
    allows_failures: responses with an error status, and the console's lines about them, are no problem.
    """

    allows_failures: bool
    problems: list[str] = field(default_factory=list)
    api_requests: list[str] = field(default_factory=list)
    _origin: str = ""

    def follow(self, page: Page) -> None:
        """Record what the page does from now on."""
        page.add_init_script(REPORT_VIOLATIONS)
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        page.on("crash", lambda _: self.problems.append("the page crashed"))
        page.on("request", self._on_request)
        page.on("requestfailed", self._on_failed)
        page.on("response", self._on_response)

    def _on_console(self, message: ConsoleMessage) -> None:
        is_failure = message.text.startswith("Failed to load resource")
        if message.type in ("error", "warning") and not (is_failure and self.allows_failures):
            self.problems.append(f"console {message.type}: {message.text} ({message.location.get('url')})")

    def _on_request(self, request: Request) -> None:
        url = urlsplit(request.url)
        if url.scheme in ("data", "blob"):
            return
        origin = f"{url.scheme}://{url.netloc}"
        self._origin = self._origin or origin
        if origin != self._origin:
            self.problems.append(f"request to another origin: {request.url}")
        elif is_api_request(request):
            self.api_requests.append(f"{request.method} {url.path}{'?' if url.query else ''}{url.query}")

    def _on_failed(self, request: Request) -> None:
        # A page aborts a request when its response is no longer needed.
        if request.failure != "net::ERR_ABORTED" and not self.allows_failures:
            self.problems.append(f"request failed: {request.url} ({request.failure})")

    def _on_response(self, response: Response) -> None:
        if response.status >= 400 and not self.allows_failures:
            self.problems.append(f"status {response.status}: {response.url}")


def is_api_request(request: Request) -> bool:
    """Return whether a script sent the request; pages request nothing but the API that way."""
    return request.resource_type in ("fetch", "xhr")
