"""Commands of the README, run unchanged."""

import gzip
import json
import os
import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kalshi_markets.columns import DEFAULT_COLUMNS, Kind
from kalshi_markets.exchange import market_row
from local import ROOT
from local.exchange.catalogue import Order
from local.exchange.clock import Clock
from local.exchange.generated import generate

BLOCKS = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
COMMANDS = [line.split("#")[0].strip() for line in BLOCKS[0].splitlines()]
SECONDS = 240


@contextmanager
def running(command: str, tmp_path: Path, **variables: str) -> Iterator[str]:
    """Yield the address of `make run` after its first crawl; end it with Ctrl+C."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "DB_"))}
    environment |= {"PORT": "0", "DATA_DIR": str(tmp_path / "data"), **variables}
    log = tmp_path / "log"
    with log.open("w") as output:
        make = subprocess.Popen(
            command.split(), cwd=ROOT, env=environment, stdout=output, stderr=output, process_group=0
        )
    try:
        deadline = time.monotonic() + SECONDS
        while "first run has ended" not in log.read_text():
            assert make.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield re.findall(r"gateway +(http://\S+)", log.read_text())[0]
    finally:
        with suppress(ProcessLookupError):
            os.killpg(make.pid, signal.SIGINT)  # as a terminal does: make and its child processes
        make.wait(SECONDS)
    assert log.read_text().splitlines()[-1].startswith("stopped"), log.read_text()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    assert COMMANDS[0] == "make run"
    with running(COMMANDS[0], tmp_path_factory.mktemp("run")) as address:
        yield address


def shell(script: str, address: str) -> str:
    """Return the output of a script. Fails if a command fails or a response is not a 2xx."""
    script = script.replace("http://127.0.0.1:8000", address).replace("curl ", "curl -sS --fail-with-body ")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("command", BLOCKS[1].splitlines())
def test_every_example_answers(service: str, command: str) -> None:
    answer = json.loads(shell(command, service))
    assert answer.get("items") or answer == {"status": "ok", "database": "ok"}


def test_one_market_and_its_candlesticks(service: str) -> None:
    market, candlesticks = shell(BLOCKS[2].replace("\ncurl", "\necho; curl"), service).split("\n", 2)[1:]
    [result] = json.loads(candlesticks)["results"]
    assert result["ticker"] == json.loads(market)["ticker"]
    assert result["error"] is None


def test_the_test_command_runs_tests() -> None:
    assert COMMANDS[1] == "make test"
    command = [*COMMANDS[1].split(), "ARGS=-q tests/unit/test_value_parsers.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_nothing_else_is_promised_of_the_commands() -> None:
    assert len(COMMANDS) == 2
    assert len(BLOCKS) == 3


def get(address: str, path: str) -> Any:
    request = urllib.request.Request(address + path, headers={"accept-encoding": "gzip"})
    with urllib.request.urlopen(request, timeout=SECONDS) as response:
        body = response.read()
    return json.loads(gzip.decompress(body) if response.headers["content-encoding"] else body, parse_float=Decimal)


def expected_item(market: Mapping[str, Any]) -> dict[str, Any]:
    """Return the default item of a Market object, with numbers that compare exactly."""
    row = market_row(market)

    def value(name: str, kind: Kind) -> Any:
        if row[name] is None or kind is Kind.STRING:
            return row[name]
        if kind is Kind.NUMBER:
            return Decimal(str(row[name]))
        seconds, _, fraction = str(row[name]).removesuffix("+00:00").partition(".")
        return seconds + (f".{fraction.rstrip('0')}" if fraction else "") + "Z"

    return {column.name: value(column.name, column.kind) for column in DEFAULT_COLUMNS}


def check_recording(file: Path, markets: Sequence[Mapping[str, Any]], tmp_path: Path) -> None:
    """Check that `make run RECORDING=file` serves exactly these markets."""
    assert "`make run RECORDING=markets.jsonl.gz`" in (ROOT / "README.md").read_text(encoding="utf-8")
    with running("make run", tmp_path, RECORDING=str(file)) as address:
        answer = get(address, "/markets?limit=10000&order_by=ticker&order_direction=asc")
        finalized = get(address, "/markets?limit=10000&status=finalized")
    assert answer["items"] == [expected_item(market) for market in sorted(markets, key=lambda market: market["ticker"])]
    assert finalized["count"] == sum(market["status"] == "finalized" for market in markets) > 0


def test_a_recording_of_generated_markets_is_served_whole(tmp_path: Path) -> None:
    markets = [market.json for _, market in generate(11, 400, Clock()).markets(Order.CREATED, None)]
    file = tmp_path / "recording.jsonl"
    file.write_bytes(b"\n".join(markets))
    objects = [json.loads(market, parse_float=Decimal) for market in markets]
    check_recording(file, [market for market in objects if "mve_collection_ticker" not in market], tmp_path)


@pytest.mark.recordings
def test_a_recording_of_the_exchange_is_served_whole(tmp_path: Path, recordings: Path) -> None:
    file = recordings / "markets.jsonl.gz"
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        markets = [json.loads(line, parse_float=Decimal) for line in lines]
    no_combos = [market for market in markets if "mve_collection_ticker" not in market]
    assert len(no_combos) == 6400
    assert sum(market["status"] == "finalized" for market in no_combos) == 51
    check_recording(file, no_combos, tmp_path)
