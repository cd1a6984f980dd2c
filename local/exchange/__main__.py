"""python -m local.exchange: the simulated exchange as a program of its own."""

import argparse
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from local.exchange.catalogue import Exchange
from local.exchange.clock import Clock, instant
from local.exchange.generator import generate
from local.exchange.recording import replay
from local.exchange.server import bind, make_server
from local.exchange.signatures import PublicKey, load_public_key


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, lambda *_: sys.exit(0))  # the server takes over, and raises it again when it has stopped
    clock = Clock(options.now)
    try:
        listener, url = bind(options.host, options.port)
    except OSError as error:
        sys.exit(f"exchange: cannot listen on {options.host}:{options.port}: {error.strerror}")
    with listener:
        exchange = _exchange(options, clock)
        print(f"exchange: {len(exchange)} markets at {url}", flush=True)
        make_server(exchange, dict(options.api_key), verbose=options.verbose).run([listener])


def _exchange(options: argparse.Namespace, clock: Clock) -> Exchange:
    if options.recording is None:
        return generate(options.seed, options.markets, clock)
    try:
        return replay(options.recording, clock)
    except (OSError, ValueError) as error:
        sys.exit(f"exchange: cannot replay {options.recording}: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local.exchange",
        description="A simulated Kalshi exchange: the public market data of its REST API, without network or account.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=int, default=9000, help="port to listen on, 0 for a free one (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="what the exchange is made up from (default: %(default)s)")
    parser.add_argument("--markets", type=_count, default=5000, help="how many, besides combos (default: %(default)s)")
    parser.add_argument(
        "--recording", type=Path, help="serve the Market objects of this JSON lines file (gzip or not) instead"
    )
    parser.add_argument("--now", type=_instant, help="when its clock starts, ISO 8601 (default: the present)")
    parser.add_argument(
        "--api-key",
        type=_api_key,
        action="append",
        default=[],
        metavar="ID=FILE",
        help="a customer's key: its id, and its public or private key in PEM; may be repeated",
    )
    parser.add_argument("--verbose", action="store_true", help="log every request")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 on")
    return int(text)


def _instant(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an ISO 8601 time") from None
    return instant(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _api_key(text: str) -> tuple[str, PublicKey]:
    key_id, _, file = text.partition("=")
    try:
        return key_id, load_public_key(Path(file))
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not ID=PEM_FILE: {error}") from None


if __name__ == "__main__":
    main()
