"""Pages that are written to disk once and served from there."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from local.exchange.__main__ import main
from local.exchange.catalogue import Exchange
from local.exchange.clock import Clock, parse
from local.exchange.generated import generate
from local.exchange.http.app import ServerOptions
from local.exchange.http.prerendered import LIVE, PageStore, write_pages
from local.exchange.http.server import ExchangeServer
from tests.support.listings import fetch_pages

NOW = parse("2026-11-24T12:00:00Z")
WALK = {"limit": "1000", "mve_filter": "exclude", "status": "open"}


def exchange() -> Exchange:
    return generate(5, 6000, Clock(NOW, 0), archived=1500)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    write_pages(exchange(), folder, {"seed": 5})
    return folder


@pytest.fixture(scope="module")
def api(folder: Path) -> Iterator[httpx.Client]:
    """Yield a client of prepared pages over an exchange without markets, so that a response's source is visible."""
    empty = generate(5, 0, Clock(NOW, 0))
    with (
        ExchangeServer(empty, options=ServerOptions(prepared=PageStore(folder))) as server,
        httpx.Client(base_url=server.url) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def computed() -> Iterator[httpx.Client]:
    """Yield a client of the exchange that the pages were made from."""
    with ExchangeServer(exchange()) as server, httpx.Client(base_url=server.url) as client:
        yield client


@pytest.mark.parametrize("status", LIVE)
def test_a_walk_over_prepared_pages_is_the_walk_over_computed_ones(
    api: httpx.Client, computed: httpx.Client, status: str
) -> None:
    query = {**WALK, "status": status}
    pages = fetch_pages(api, "/markets", **query)
    assert sum(len(page["markets"]) for page in pages) > 10
    assert pages == fetch_pages(computed, "/markets", **query)


@pytest.mark.parametrize(
    ("path", "query"),
    [("/events", {"limit": "200"}), ("/historical/markets", {"limit": "1000", "mve_filter": "exclude"})],
)
def test_events_and_the_archive_are_prepared_too(
    api: httpx.Client, computed: httpx.Client, path: str, query: dict[str, str]
) -> None:
    pages = fetch_pages(api, path, **query)
    assert len(pages) > 1
    assert pages == fetch_pages(computed, path, **query)


def test_parameters_may_stand_in_any_order_and_the_first_cursor_may_be_empty(api: httpx.Client) -> None:
    page = api.get("/markets", params=WALK).content
    assert api.get("/markets", params=dict(reversed([*WALK.items(), ("cursor", "")]))).content == page
    assert len(json.loads(page)["markets"]) == 1000


def test_pages_that_were_not_prepared_are_computed(api: httpx.Client) -> None:
    assert api.get("/markets", params={**WALK, "limit": "999"}).json()["markets"] == []
    assert api.get("/exchange/status").status_code == 200


def test_a_page_is_sent_compressed_to_who_accepts_it_and_plain_to_others(api: httpx.Client) -> None:
    packed = api.get("/markets", params=WALK, headers={"Accept-Encoding": "gzip"})
    plain = api.get("/markets", params=WALK, headers={"Accept-Encoding": "identity"})
    assert (packed.headers.get("content-encoding"), plain.headers.get("content-encoding")) == ("gzip", None)
    assert packed.content == plain.content
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 3
    assert packed.headers["vary"] == "Accept-Encoding"
    assert packed.headers["cache-control"] == plain.headers["cache-control"] == "public, max-age=15"


def test_faults_and_limits_hold_for_prepared_pages(folder: Path) -> None:
    setup = ServerOptions(
        prepared=PageStore(folder),
        tier="basic",
        unsigned_rate=20,
        faults=[{"kind": "malformed", "requests": 1}],
    )
    with ExchangeServer(generate(5, 0, Clock(NOW, 0)), options=setup) as server:
        answers = [httpx.get(f"{server.url}/markets", params=WALK) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0].content[:-2] == answers[1].content[:-1]
    with pytest.raises(json.JSONDecodeError):
        answers[0].json()


@pytest.mark.parametrize(
    ("manifest", "message"),
    [(None, "No such file"), ("no JSON", "Expecting value"), ("{}", "is invalid"), ("[]", "is invalid")],
)
def test_a_folder_without_prepared_pages_is_rejected(
    tmp_path: Path, manifest: str | None, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if manifest is not None:
        (tmp_path / "pages.json").write_text(manifest)
    with pytest.raises(SystemExit, match="2"):
        main(["--prepared", str(tmp_path)])
    error = capsys.readouterr().err
    assert "argument --prepared: " in error
    assert message in error
