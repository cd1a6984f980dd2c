"""Routes of the explorer: pages, assets, cache headers and security headers."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.app import EXPLORER_PATHS
from api.explorer import assets as assets_module
from api.explorer.assets import current_assets
from api.explorer.pages import PAGES
from tests.support.api_client import ApiClient, ApiResponse, error

FILES = {
    "style.css": "body { color: red; }\n" * 100,
    "pages/market.css": "h1 { margin: 0; }\n",
    "favicon.svg": "<svg xmlns='http://www.w3.org/2000/svg'/>" + " " * 2_000,
    "pages/home.js": 'import("../vendor/chart.js");\n',
    "pages/market.js": 'const b = "naïve";\n',
    "vendor/chart.js": "export const chart = 1;\n",
    "vendor/chart.d.ts": "export declare const chart: number;\n",
    "vendor/chart.LICENSE.txt": "Apache-2.0\n",
    ".complete": "digest",
    ".hidden.js": "secret\n",
    "notes.md": "secret\n",
}
LOCATIONS = [path.replace("{", "").replace("}", "") for path in PAGES]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a layer's folder with assets, the only one on Python's path."""
    for name, text in FILES.items():
        file = tmp_path / "explorer_assets" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    (tmp_path / "secret.js").write_text("secret")
    others = [entry for entry in sys.path if not (Path(entry) / "explorer_assets").is_dir()]
    monkeypatch.setattr(sys, "path", [str(tmp_path), *others])
    return tmp_path


@pytest.fixture(scope="module")
def client() -> Iterator[ApiClient]:
    """Yield the API function without a database: no route of the explorer may use one."""
    client = ApiClient({"DB_HOST": "127.0.0.1", "DB_PORT": "1", "DB_USER": "none"})
    yield client
    client.close()


def version_of(answer: ApiResponse) -> str:
    [version] = set(re.findall(r'"/assets/([0-9a-f]+)/', answer.text))
    return str(version)


def test_the_routes_are_those_of_the_table_of_pages() -> None:
    assert {"/", *EXPLORER_PATHS} == set(PAGES)


@pytest.mark.parametrize("path", LOCATIONS)
def test_a_page_names_its_script_and_the_request_that_returns_its_data(
    client: ApiClient, folder: Path, path: str
) -> None:
    answer = client.get(path)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    page = next(page for page in PAGES.values() if page.path.replace("{", "").replace("}", "") == path)
    assert f'<body data-page="{page.name}">' in answer.text
    assert f'<script type="module" src="/assets/{version_of(answer)}/pages/{page.name}.js">' in answer.text
    noscript = answer.text.partition("<noscript>")[2].partition("</noscript>")[0]
    assert f"<code>GET {page.request.replace('{', '').replace('}', '')}</code>" in noscript
    assert 'href="/openapi.json"' in noscript
    assert 'href="/llms.txt"' in noscript


def test_a_page_has_the_style_of_all_pages_and_its_own(client: ApiClient, folder: Path) -> None:
    def styles(path: str) -> list[str]:
        return re.findall(r'<link rel="stylesheet" href="/assets/[0-9a-f]+/([^"]+)">', client.get(path).text)

    assert styles("/explore/markets/A") == ["style.css", "pages/market.css"]
    assert styles("/") == ["style.css"]


def test_only_the_navigation_link_of_the_section_of_a_page_is_current(client: ApiClient, folder: Path) -> None:
    for path in ("/explore/series", "/explore/series/A"):
        assert '<a href="/explore/series" aria-current="page">' in client.get(path).text
        assert client.get(path).text.count("aria-current") == 1
    assert "aria-current" not in client.get("/").text


HOSTILE = "%3Cscript%3Ealert%281%29%22%27%26%24name"


@pytest.mark.parametrize("path", ["/explore/markets/", "/explore/events/", "/explore/series/"])
def test_a_hostile_ticker_is_text(client: ApiClient, folder: Path, path: str) -> None:
    text = client.get(path + HOSTILE).text
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)&quot;&#x27;&amp;$name" in text.partition("<noscript>")[2]
    assert f"/{HOSTILE}" in text


@pytest.mark.parametrize("path", [*LOCATIONS, "/assets/{version}/style.css", "/favicon.ico"])
def test_pages_and_assets_have_the_security_headers(client: ApiClient, folder: Path, path: str) -> None:
    answer = client.get(path.replace("{version}", version_of(client.get("/"))))
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"


@pytest.mark.parametrize("path", LOCATIONS)
def test_a_page_has_no_inline_script_and_no_inline_style(client: ApiClient, folder: Path, path: str) -> None:
    text = client.get(path).text
    assert re.findall(r"<script(?! type=\"module\" src=)", text) == []
    assert re.findall(r"<style|\sstyle=|\son\w+=", text) == []


def test_an_unchanged_page_is_a_304(client: ApiClient, folder: Path) -> None:
    first = client.get("/explore")
    assert first.headers["cache-control"] == "no-cache"
    for tags in (first.headers["etag"], f'"other", {first.headers["etag"]}', "*"):
        second = client.get("/explore", if_none_match=tags)
        assert (second.status, second.text) == (304, "")
        assert second.headers["etag"] == first.headers["etag"]
        assert second.headers["content-security-policy"] == first.headers["content-security-policy"]
    assert client.get("/explore", if_none_match='W/"other"').status == 200
    assert client.get("/explore/status", if_none_match=first.headers["etag"]).status == 200


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("style.css", "text/css; charset=utf-8"),
        ("favicon.svg", "image/svg+xml"),
        ("pages/market.js", "text/javascript; charset=utf-8"),
        ("vendor/chart.LICENSE.txt", "text/plain; charset=utf-8"),
    ],
)
@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_an_asset_is_immutable_and_equal_in_each_encoding(
    client: ApiClient, folder: Path, name: str, media_type: str, encoding: str
) -> None:
    path = f"/assets/{version_of(client.get('/'))}/{name}"
    answer = client.get(path, accept_encoding=encoding)
    assert answer.text == FILES[name]
    assert answer.headers["content-type"] == media_type
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers.get("content-encoding") == ("gzip" if encoding == "gzip" else None)
    assert answer.headers["vary"] == "accept-encoding"
    assert client.invoke("GET", path, headers={"accept-encoding": encoding})["isBase64Encoded"] is (encoding == "gzip")


def test_a_body_is_compressed_once(folder: Path) -> None:
    first, second = current_assets(), current_assets()
    assert first is not None
    assert second is not None
    assert first.files["style.css"].gzip is second.files["style.css"].gzip


@pytest.mark.parametrize("path", ["/", "/explore", "/assets/{version}/style.css", "/assets/0/style.css"])
def test_head_is_get_without_a_body(client: ApiClient, folder: Path, path: str) -> None:
    path = path.replace("{version}", version_of(client.get("/")))
    get, head = client.get(path), client.request("HEAD", path)
    assert (head.status, head.text) == (get.status, "")
    assert head.headers == get.headers


@pytest.mark.parametrize(
    "path",
    [
        *("0000000000000000/style.css", "{version}/nothing.js", "{version}/", "{version}/pages", "{version}/Style.css"),
        *("{version}/vendor/chart.d.ts", "{version}/.complete", "{version}/.hidden.js", "{version}/notes.md"),
        *("{version}/../secret.js", "{version}/%2e%2e/secret.js", "{version}/pages/..%2f..%2fsecret.js"),
        *("{version}//style.css", "{version}/pages/../style.css", "{version}/style.css%00", "../secret.js"),
    ],
)
def test_an_unknown_version_or_path_is_a_404_that_is_not_cached(client: ApiClient, folder: Path, path: str) -> None:
    answer = client.get("/assets/" + path.replace("{version}", version_of(client.get("/"))))
    error(answer, 404, "not_found")
    assert "secret" not in answer.text
    if answer.json["detail"] == "Asset not found.":
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("name", ["style.css", "favicon.svg", "vendor/chart.js"])
def test_the_version_changes_with_the_content_of_each_file_and_with_its_name(folder: Path, name: str) -> None:
    def version() -> str:
        assets_module._read.cache_clear()
        assets = current_assets()
        assert assets is not None
        return assets.version

    file = folder / "explorer_assets" / name
    before = version()
    file.write_text(FILES[name] + "\n", encoding="utf-8")
    changed = version()
    file.rename(file.with_stem("renamed"))
    assert len({before, changed, version()}) == 3
    file.with_stem("renamed").rename(file)
    file.write_text(FILES[name], encoding="utf-8")
    (folder / "explorer_assets" / "notes.md").write_text("other")
    assert version() == before


def test_the_favicon_is_a_redirect_to_the_icon(client: ApiClient, folder: Path) -> None:
    answer = client.get("/favicon.ico")
    assert answer.status == 302
    assert client.get(answer.headers["location"]).headers["content-type"] == "image/svg+xml"


def test_a_readme_is_linked_if_it_is_configured(folder: Path) -> None:
    client = ApiClient({"README_URL": 'https://example.com/"><script>', "DB_HOST": "127.0.0.1", "DB_USER": "none"})
    assert '<a href="https://example.com/%22%3E%3Cscript%3E">README</a>' in client.get("/").text
    client.close()


@pytest.mark.parametrize("path", LOCATIONS)
def test_without_the_assets_a_page_says_which_command_builds_them(client: ApiClient, folder: Path, path: str) -> None:
    assets = folder / "explorer_assets"
    assets.rename(folder / "elsewhere")
    answer = client.get(path)
    assert "<code>python3 layers/explorer/fetch.py</code>" in answer.text
    assert answer.status == (200 if path == "/" else 503)
    assert "/assets/" not in answer.text
    assert ("<code>GET /markets/facets</code>" in answer.text) is (path == "/")
    error(client.get("/favicon.ico"), 404, "not_found")
    error(client.get("/assets/0/style.css"), 404, "not_found")
    (folder / "elsewhere").rename(assets)
    assert client.get(path).status == 200, "a build while the service runs is noticed"


def test_the_openapi_document_has_no_page_but_the_landing_page(client: ApiClient) -> None:
    paths = client.get("/openapi.json").json["paths"]
    assert [path for path in paths if path.startswith(("/explore", "/docs", "/assets", "/favicon"))] == []
    assert "/" in paths
