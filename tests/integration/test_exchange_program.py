"""`python -m local.exchange` as a process: its output, its options, its exit."""

import gzip
import json
import re
import signal
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from local import ROOT
from local.exchange.__main__ import main
from local.exchange.faults.kinds import KINDS

READY = re.compile(r"exchange: (\d+) markets at (http://127\.0\.0\.1:\d+/trade-api/v2)\n")


def command(*options: object) -> list[str]:
    return [sys.executable, "-W", "error", "-m", "local.exchange", *map(str, options)]


@contextmanager
def exchange(*options: object) -> Iterator[tuple[subprocess.Popen[str], int, str]]:
    """Run the process. Yield it with the number of markets and the URL that it prints when it is ready."""
    with subprocess.Popen(
        command("--port", 0, *options), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            ready = READY.fullmatch(process.stdout.readline())
            assert ready is not None
            yield process, int(ready[1]), ready[2]
        finally:
            process.kill()


def run(*options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*options), cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_the_program_prints_its_address_logs_nothing_and_stops_cleanly_on_a_signal(stop: signal.Signals) -> None:
    with exchange("--markets", 200) as (process, count, url):
        assert len(httpx.get(f"{url}/markets", params={"limit": 1000}).json()["markets"]) == count
        process.send_signal(stop)
        rest, errors = process.communicate(timeout=60)
        assert (process.returncode, rest, errors) == (0, "", "")


def test_the_same_seed_size_and_now_give_the_same_exchange() -> None:
    options = ("--seed", 4, "--markets", 300, "--now", "2026-08-01T10:00:00+02:00", "--speed", 0)
    with exchange(*options) as (_, _, first_url), exchange(*options) as (_, _, second_url):
        for path in ("/markets?limit=1000", "/events", "/series", "/historical/cutoff"):
            first = httpx.get(first_url + path)
            assert first.content == httpx.get(second_url + path).content
        assert parsedate_to_datetime(first.headers["date"]).isoformat().startswith("2026-08-01T08:00")


def test_a_recording_is_served_instead(tmp_path: Path) -> None:
    with exchange("--markets", 40) as (_, _, url):
        markets = httpx.get(f"{url}/markets").json()["markets"]
    path = tmp_path / "markets.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, markets)).encode()))
    with exchange("--recording", path) as (_, count, url):
        assert count == len(markets)
        assert httpx.get(f"{url}/markets").json()["markets"] == markets


def test_prepared_pages_remember_what_they_were_made_from(tmp_path: Path) -> None:
    world = ("--seed", 4, "--markets", 300, "--archived", 50, "--now", "2026-08-01T10:00:00Z", "--speed", 0)
    query = {"limit": "1000", "status": "open", "mve_filter": "exclude"}
    ended = run(*world, "--prepare", tmp_path / "pages")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert re.fullmatch(rf"exchange: \d+ pages in {tmp_path}/pages\n", ended.stdout)
    with (
        exchange(*world) as (_, _, computed),
        exchange("--prepared", tmp_path / "pages", "--speed", 0) as (_, _, prepared),
    ):
        for path, parameters in (("/markets", query), ("/historical/cutoff", query), ("/series", query)):
            assert (
                httpx.get(prepared + path, params=parameters).content
                == httpx.get(computed + path, params=parameters).content
            )
        date = parsedate_to_datetime(httpx.get(f"{prepared}/series").headers["date"]).isoformat()
        assert date.startswith("2026-08-01T10:00")


def test_a_tier_faults_and_no_admin_are_options() -> None:
    options = (
        "--tier",
        "basic",
        "--unsigned-rate",
        20,
        "--rate-limit-body",
        "string",
        "--no-admin",
        "--now",
        "2026-08-01",
    )
    with exchange("--markets", 5, *options, "--speed", 0, "--fault", "kind=5xx,path=/events,status=500") as (_, _, url):
        assert [httpx.get(f"{url}/markets").status_code for _ in range(2)] == [200, 200]
        response = httpx.get(f"{url}/markets")
        assert (response.status_code, response.json()) == (429, {"error": "too many requests"})
        assert response.headers["date"] == "Sat, 01 Aug 2026 00:00:00 GMT"
        assert httpx.get(f"{url}/events").status_code == 500
        assert httpx.get(url.replace("/trade-api/v2", "/admin/faults")).status_code == 404


def test_a_cost_is_an_option() -> None:
    with exchange("--markets", 5, "--cost", "/markets=20", "--cost", "/series=7") as (_, _, url):
        costs = httpx.get(f"{url}/account/endpoint_costs").json()["endpoint_costs"]
    assert [(cost["path"], cost["cost"]) for cost in costs] == [
        ("/trade-api/v2/markets", 20),
        ("/trade-api/v2/series", 7),
    ]


def test_a_cost_of_no_path_is_one_sentence_and_exit_1() -> None:
    ended = run("--port", 0, "--markets", 5, "--cost", "/market=20")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("exchange: unknown path '/market'; must be one of /markets, ")
    assert ended.stderr.count("\n") == 1


def test_a_cut_connection_is_no_error_of_the_program() -> None:
    with exchange("--markets", 5, "--fault", "kind=cut") as (process, _, url):
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(f"{url}/markets")
        process.terminate()
        rest, errors = process.communicate(timeout=60)
    assert (rest, errors) == ("", "")


@pytest.mark.parametrize("is_private", [True, False])
def test_a_key_is_registered_by_its_private_or_its_public_half(tmp_path: Path, is_private: bool) -> None:
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    pem = tmp_path / "key.pem"
    pem.write_bytes(private if is_private else public)
    with exchange("--markets", 1, "--api-key", f"mine={pem}") as (_, _, url):
        at = str(time.time_ns() // 1_000_000)
        signature = key.sign(f"{at}GET/trade-api/v2/account/limits".encode())
        headers = {
            "KALSHI-ACCESS-KEY": "mine",
            "KALSHI-ACCESS-TIMESTAMP": at,
            "KALSHI-ACCESS-SIGNATURE": b64encode(signature).decode(),
        }
        assert httpx.get(f"{url}/account/limits", headers=headers).json()["usage_tier"] == "basic"


def test_a_taken_port_is_one_sentence_and_exit_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run("--port", port)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"exchange: cannot listen on 127.0.0.1:{port}: Address already in use\n"


def test_a_recording_that_is_none_is_one_sentence_and_exit_1(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text("no JSON\n")
    for path, reason in ((broken, "line 1 is not a Market object"), (tmp_path / "absent", "No such file or directory")):
        ended = run("--port", 0, "--recording", path)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert ended.stderr.startswith(f"exchange: cannot replay {path}: ")
        assert reason in ended.stderr
        assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "options",
    [
        ("--markets", "-1"),
        ("--archived", "many"),
        ("--now", "soon"),
        ("--speed", "-1"),
        ("--api-key", "id"),
        ("--api-key", "id=/nosuch"),
        ("--port", "x"),
        ("--tier", "gold"),
        ("--unsigned-rate", "0"),
        ("--rate-limit-body", "none"),
        ("--cost", "/markets"),
        ("--fault", "kind=flood"),
        ("--fault", "latency"),
        ("--fault", "kind=latency,seconds=x"),
    ],
)
def test_an_invalid_option_is_rejected_by_name(options: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(options)
    assert f"argument {options[0]}: " in capsys.readouterr().err


def test_help_tells_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    output = capsys.readouterr().out
    options = ("host", "port", "seed", "markets", "archived", "recording", "now", "speed", "prepare", "prepared")
    for option in (
        *options,
        "api-key",
        "tier",
        "unsigned-rate",
        "rate-limit-body",
        "cost",
        "fault",
        "no-admin",
        "verbose",
    ):
        assert f"--{option} " in output
    assert all(kind in output for kind in KINDS)


def test_requests_are_logged_with_verbose() -> None:
    with exchange("--markets", 5, "--verbose") as (process, _, url):
        httpx.get(f"{url}/exchange/status")
        process.terminate()
        out, errors = process.communicate(timeout=60)
    assert "GET /trade-api/v2/exchange/status" in out + errors
