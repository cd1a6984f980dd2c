"""Responses of the explorer's routes: pages, assets and the favicon. None of them uses the database."""

from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.errors import ApiError, ErrorCode
from api.explorer import landing, shell
from api.explorer.assets import current_assets
from api.explorer.pages import PAGES
from api.middleware import request_id
from api.responses import accepts_gzip, encode_body, encoded_response, json_response, text_response

HTML_TYPE: Final = "text/html; charset=utf-8"
CONTENT_SECURITY_POLICY: Final = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "font-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "lit-html",
}
"""Directives and their values. lit-html has a policy of its own for its templates, which are constants."""
SECURITY_HEADERS: Final = {
    "content-security-policy": "; ".join(f"{name} {value}" for name, value in CONTENT_SECURITY_POLICY.items()),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}
"""Headers of all pages and assets."""
VARY: Final = {"vary": "accept-encoding"}
IMMUTABLE: Final = "public, max-age=31536000, immutable"


def page_response(request: Request, path: str, readme_url: str | None) -> Response:
    """Return a page. path: the route's, a key of PAGES. readme_url: a link of the landing page."""
    page = PAGES[path]
    value = str(request.path_params[page.parameter]) if page.parameter else None
    assets = current_assets()
    content = landing.content(readme_url) if page.name == "home" else ""
    text = shell.render(page, value, assets, content)
    if not assets and not content:
        headers = SECURITY_HEADERS | VARY | {"cache-control": "no-store"}
        return encoded_response(encode_body(request, text), HTML_TYPE, 503, headers)
    return text_response(request, text, HTML_TYPE, SECURITY_HEADERS)


def asset_response(request: Request) -> Response:
    """Return an asset, or a 404 if the version is not the current one or no file has the path."""
    assets = current_assets()
    version, path = (str(request.path_params[name]) for name in ("version", "path"))
    if not assets or version != assets.version or path not in assets.files:
        return _not_found(request)
    asset = assets.files[path]
    body = asset.gzip if accepts_gzip(request) else asset.text
    headers = SECURITY_HEADERS | VARY | {"cache-control": IMMUTABLE}
    return encoded_response(body, asset.media_type, 200, headers)


def favicon_response(request: Request) -> Response:
    """Return a redirect to the icon, for clients that request it without reading a page."""
    assets = current_assets()
    if not assets:
        return _not_found(request)
    return RedirectResponse(assets.url("favicon.svg"), 302, SECURITY_HEADERS | {"cache-control": "no-cache"})


def _not_found(request: Request) -> Response:
    # A cached 404 would outlive a deployment, after which the path exists.
    error = ApiError(ErrorCode.NOT_FOUND, "Asset not found.", "Reload the page: its assets may have a new version.")
    body = error.body(request_id(request.scope))
    return json_response(request, body, error.code.status, {"cache-control": "no-store"})
