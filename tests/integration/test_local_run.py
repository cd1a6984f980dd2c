"""`make run` in full: python -m local with all its parts, in a copy of the sources without a .env file."""

import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from local import ROOT
from local.exchange.clock import Clock
from local.exchange.generated import generate
from local.exchange.http.app import ServerOptions
from local.exchange.http.server import ExchangeServer
from tests.integration.proxy import Proxy
from tests.support.certificates import certificate_for
from tests.support.program import Program

SECONDS = 120.0
"""Limit of one wait. It is generous for a machine with other load."""


class Run(Program):
    """Process of `python -m local` on a free port."""

    def __init__(self, root: Path, **environment: str) -> None:
        variables = {"PATH": os.environ["PATH"], "PORT": "0", "MARKETS": "300", **environment}
        super().__init__([sys.executable, "-m", "local"], folder=root, environment=variables, seconds=SECONDS)

    @property
    def url(self) -> str:
        """Address of the gateway. Waits until it is printed."""
        return self.wait_for_line(r"gateway +(http://\S+)")

    def end(self, number: signal.Signals) -> int:
        """Send a signal, wait for the process and return its exit code."""
        self.process.send_signal(number)
        return self.wait()


Start = Callable[..., Run]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("checkout")
    for folder in ("local", "functions", "layers"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("node_modules", ".node"))
    return root


@pytest.fixture
def start(root: Path) -> Iterator[Start]:
    runs: list[Run] = []

    def start(**environment: str) -> Run:
        runs.append(Run(root, **environment))
        return runs[-1]

    yield start
    for run in runs:
        if run.process.poll() is None:
            run.end(signal.SIGTERM)
    assert processes_of(root) == []


def processes_of(root: Path) -> list[str]:
    """Return the processes that use the folder, after some time in which they may end."""
    deadline = time.monotonic() + SECONDS
    while (commands := list(_commands_of(root))) and time.monotonic() < deadline:
        time.sleep(0.05)
    return commands


def _commands_of(root: Path) -> Iterator[str]:
    wanted = str(root).encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            texts = [process.joinpath(name).read_bytes() for name in ("cmdline", "environ")]
            texts.append(str((process / "cwd").readlink()).encode())
        except OSError:
            continue
        if any(wanted in text for text in texts):
            yield texts[0].replace(b"\0", b" ").decode()


def is_exchange(process: psutil.Process) -> bool:
    with suppress(psutil.Error):  # it has just ended
        return "local.exchange" in process.cmdline()
    return False


def count(url: str) -> int:
    return int(httpx.get(f"{url}/markets", params={"limit": 10_000}, timeout=SECONDS).json()["count"])


def test_a_run_serves_crawled_markets_stops_at_ctrl_c_and_resumes_with_the_same_data(start: Start) -> None:
    first = start()
    url = first.url
    assert httpx.get(f"{url}/health", timeout=SECONDS).status_code == 200
    first.wait_for_line(r"crawler +the first run has ended")
    served = count(url)
    assert served > 150
    assert first.wait_for_line(r"curl '(\S+)'") == f"{url}/markets?limit=5"
    first.wait_for_line(r"-d '\{\"tickers\": \[\"KX")
    first.wait_for_line(r"gateway +GET /health 200 \d+ ms")

    assert first.end(signal.SIGINT) == 0
    assert first.lines[-1] == "stopped:   all processes stopped, the data remains in .data"

    second = start(MARKETS="301")
    assert count(second.url) >= served
    second.wait_for_line("also holds markets of another source .300 markets simulated.")
    assert second.end(signal.SIGTERM) == 0
    assert "Traceback" not in "\n".join(first.lines + second.lines)


def test_a_taken_port_and_a_taken_data_folder_are_reported_before_anything_starts(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        second = start(PORT=str(port))
        assert second.wait() == 1
    assert second.lines == [
        f"make run: port {port} is taken: stop the other program or choose another with PORT={port + 1} make run"
    ]
    running = start()
    running.wait_for_line("postgres")
    second = start()
    assert second.wait() == 1
    assert second.lines == ["make run: .data is in use: stop the other run, or choose another with DATA_DIR=.data-2"]


@pytest.mark.parametrize("seconds", [1.0, 2.0])
def test_ctrl_c_during_the_start_leaves_nothing(start: Start, seconds: float) -> None:
    run = start(DATA_DIR=f".data-{seconds}")
    time.sleep(seconds)
    assert run.end(signal.SIGINT) in (0, -signal.SIGINT)
    assert "Traceback" not in "\n".join(run.lines)


@pytest.fixture(params=["setpriv", "guard"])
def path(request: pytest.FixtureRequest) -> str:
    """Return a PATH with setpriv, and one without it, as on macOS."""
    return os.environ["PATH"] if request.param == "setpriv" else "/nonexistent"


def test_a_killed_supervisor_leaves_no_process_and_the_next_one_goes_on(start: Start, root: Path, path: str) -> None:
    killed = start(PATH=path)
    assert killed.url
    killed.end(signal.SIGKILL)
    assert processes_of(root) == []

    run = start()
    assert httpx.get(f"{run.url}/health", timeout=SECONDS).status_code == 200


def test_a_part_that_ends_by_itself_ends_the_run(start: Start) -> None:
    run = start()
    run.wait_for_line("exchange")
    [exchange] = [child for child in psutil.Process(run.process.pid).children() if is_exchange(child)]
    exchange.kill()
    assert run.wait() == 1
    assert any("the simulated exchange exited unexpectedly" in line for line in run.lines)


def test_a_second_ctrl_c_ends_everything_at_once(start: Start, root: Path, path: str) -> None:
    run = start(PATH=path)
    assert run.url
    [pid_file] = (root / ".data").rglob("postmaster.pid")
    postmaster = int(pid_file.read_text().split()[0])
    os.kill(postmaster, signal.SIGSTOP)  # so that the first one does not end everything before the second one
    try:
        run.process.send_signal(signal.SIGINT)
        run.wait_for_line("stopping")
        assert run.end(signal.SIGINT) == 130
    finally:
        os.kill(postmaster, signal.SIGCONT)
    assert processes_of(root) == []


def test_an_unreachable_database_is_reported_in_a_sentence(start: Start) -> None:
    run = start(DB_HOST="127.0.0.1", DB_PORT="1", DB_USER="nobody", DATA_DIR=".data-external")
    assert run.wait() == 1
    assert run.lines[-1].startswith("make run: the database could not be prepared: ")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PORT", "http", "PORT must be an integer between 0 and 65535."),
        ("LOG_LEVEL", "trace", "LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL."),
        ("EXCHANGE_URL", "https://b", "EXCHANGE_URL is for functions on AWS: use EXCHANGE instead, or remove it."),
        ("SSL_CERT_FILE", "x", "SSL_CERT_FILE must be a PEM file of certificate authorities: file not found."),
    ],
)
def test_an_invalid_variable_is_reported_by_name(start: Start, name: str, value: str, message: str) -> None:
    run = start(**{name: value})
    assert run.wait() == 2
    assert run.lines == [f"make run: {message}"]


def test_a_proxy_is_used_for_the_exchange_and_for_nothing_on_this_machine(start: Start, tmp_path: Path) -> None:
    certificate, key = certificate_for("exchange.example", tmp_path)
    with (
        ExchangeServer(generate(7, 50, Clock(speed=0)), options=ServerOptions(unsigned_rate=12_000)) as exchange,
        Proxy(("127.0.0.1", urlsplit(exchange.url).port or 0), certificate, key) as proxy,
    ):
        proxies = dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"), proxy.url)
        run = start(
            EXCHANGE="https://exchange.example",
            EXCHANGE_RATE="100",
            SSL_CERT_FILE=str(certificate),
            DATA_DIR=".data-proxy",
            **proxies,
        )
        run.wait_for_line(r"crawler +the first run has ended")
        assert count(run.url) > 0
        assert set(proxy.requests) == {"CONNECT exchange.example:443 HTTP/1.1"}


def test_a_host_of_no_proxy_is_requested_directly(start: Start, certificate: tuple[Path, Path]) -> None:
    with socket.create_server(("127.0.0.2", 0)) as exchange, Proxy(("127.0.0.1", 1), *certificate) as proxy:
        exchange.settimeout(SECONDS)
        url = f"http://127.0.0.2:{exchange.getsockname()[1]}"
        start(EXCHANGE=url, HTTP_PROXY=proxy.url, NO_PROXY="x.example,127.0.0.2", DATA_DIR=".data-direct")
        connection, _ = exchange.accept()
        with connection:
            assert connection.recv(4).startswith(b"GET ")
        assert proxy.requests == []


def test_an_exchange_that_cannot_start_is_reported_with_its_own_message(start: Start, root: Path) -> None:
    (root / "broken.jsonl").write_text("not JSON\n")
    run = start(RECORDING="broken.jsonl", DATA_DIR=".data-broken")
    assert run.wait() == 1
    assert run.lines[-1].startswith("make run: the simulated exchange did not start: ")


def replace_npm(root: Path, folder: Path, script: str) -> str:
    """Remove the pages and their packages and return a PATH on which npm is a shell script."""
    for name in ("explorer_assets", "src/vendor"):
        shutil.rmtree(root / "layers" / "explorer" / name, ignore_errors=True)
    (folder / "npm").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "npm").chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_if_the_modules_of_the_pages_cannot_be_fetched_the_api_runs_and_the_pages_say_what_to_do(
    start: Start, root: Path, tmp_path: Path
) -> None:
    run = start(PATH=replace_npm(root, tmp_path, "echo 'npm error code ENOTFOUND' >&2; exit 1"))
    run.wait_for_line("explorer +fetching esbuild")
    run.wait_for_line("explorer +npm cannot reach its registry")
    run.wait_for_line("explorer +the pages are not available in a browser; the API is")
    assert httpx.get(f"{run.url}/health", timeout=SECONDS).status_code == 200
    assert httpx.get(f"{run.url}/", timeout=SECONDS).status_code == 200
    page = httpx.get(f"{run.url}/explore", timeout=SECONDS)
    assert page.status_code == 503
    assert "python3 layers/explorer/fetch.py" in page.text
    assert run.end(signal.SIGINT) == 0


def test_ctrl_c_while_the_modules_of_the_pages_are_fetched_ends_npm(start: Start, root: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "started")
    run = start(PATH=replace_npm(root, tmp_path, f"echo > {tmp_path}/started; cd {root}; exec sleep 600"))
    (tmp_path / "started").read_text()
    assert run.end(signal.SIGINT) == 0
    assert processes_of(root) == []
