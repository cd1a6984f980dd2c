"""Command line of the simulated exchange: python -m local.exchange."""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from local.exchange.catalogue import Exchange
from local.exchange.clock import Clock
from local.exchange.faults.kinds import KINDS, integer_parser, number_parser, parse_instant
from local.exchange.faults.rules import parse_rule
from local.exchange.generated import generate
from local.exchange.http.app import ServerOptions
from local.exchange.http.prerendered import PageStore, write_pages
from local.exchange.http.rate_limiter import BODIES, TIERS, UNLIMITED
from local.exchange.http.server import bind, make_server
from local.exchange.http.signatures import PublicKey, load_public_key
from local.exchange.recording import replay

# Options that determine the markets. A folder of prepared pages stores their values.
SOURCE_OPTIONS = ("seed", "markets", "archived", "recording", "now")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = make_parser()
    options = parser.parse_args(arguments)
    if options.prepared:
        parser.set_defaults(**options.prepared.source)
        options = parser.parse_args(arguments)
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, lambda *_: sys.exit(0))  # uvicorn replaces it and raises the signal again after shutdown
    clock = Clock(options.now, options.speed)
    if options.prepare:
        _prepare(options, clock)
    else:
        _serve(options, clock)


def _prepare(options: argparse.Namespace, clock: Clock) -> None:
    clock.run(0)  # all pages show the same instant
    exchange = _make_exchange(options, clock)
    source = {name: getattr(options, name) for name in SOURCE_OPTIONS} | {"now": clock.now()}
    if options.recording:
        source["recording"] = str(options.recording.resolve())
    try:
        count = write_pages(exchange, options.prepare, source)
    except OSError as error:
        sys.exit(f"exchange: cannot write {options.prepare}: {error.strerror}")
    print(f"exchange: {count} pages in {options.prepare}")


def _serve(options: argparse.Namespace, clock: Clock) -> None:
    try:
        listener, url = bind(options.host, options.port)
    except OSError as error:
        sys.exit(f"exchange: cannot listen on {options.host}:{options.port}: {error.strerror}")
    with listener:
        exchange = _make_exchange(options, clock)
        try:
            server = make_server(exchange, dict(options.api_key), _server_options(options), verbose=options.verbose)
        except ValueError as error:
            sys.exit(f"exchange: {error}")
        print(f"exchange: {len(exchange)} markets at {url}", flush=True)
        server.run([listener])


def _make_exchange(options: argparse.Namespace, clock: Clock) -> Exchange:
    if options.recording is None:
        return generate(options.seed, options.markets, clock, archived=options.archived)
    try:
        return replay(options.recording, clock)
    except (OSError, ValueError) as error:
        sys.exit(f"exchange: cannot replay {options.recording}: {error}")


def _server_options(options: argparse.Namespace) -> ServerOptions:
    return ServerOptions(
        tier=options.tier,
        unsigned_rate=options.unsigned_rate,
        rate_limit_body=options.rate_limit_body,
        seed=options.seed,
        faults=options.fault,
        costs=dict(options.cost),
        prepared=options.prepared,
        admin=options.admin,
    )


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local.exchange",
        description="Simulated Kalshi exchange: the public market data of its REST API, without network or account.",
        epilog="kinds of faults: " + ", ".join(KINDS) + ". See docs/exchange.md.",
    )
    _add_market_options(parser.add_argument_group("markets and clock"))
    _add_client_options(parser.add_argument_group("clients and faults"))
    _add_server_options(parser.add_argument_group("server"))
    return parser


def _add_market_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--seed", type=int, default=1, help="seed of the generated markets (default: %(default)s)")
    group.add_argument(
        "--markets",
        type=_option_type(integer_parser(0)),
        default=5000,
        metavar="N",
        help="approximate number of live markets, without combos (default: %(default)s)",
    )
    group.add_argument(
        "--archived",
        type=_option_type(integer_parser(0)),
        default=0,
        metavar="N",
        help="number of archived markets when the clock starts (default: %(default)s)",
    )
    group.add_argument(
        "--recording",
        type=Path,
        metavar="FILE",
        help="serve the Market objects of this JSON lines file (gzip or plain) instead",
    )
    group.add_argument(
        "--now",
        type=_option_type(parse_instant),
        metavar="TIME",
        help="start time of the clock, ISO 8601 (default: now)",
    )
    group.add_argument(
        "--speed",
        type=_option_type(number_parser(0, 1e6)),
        default=1.0,
        metavar="X",
        help="speed of the clock, 0 stops it (default: %(default)s)",
    )
    group.add_argument(
        "--prepare",
        type=Path,
        metavar="DIR",
        help="write the pages of all listings to this folder and exit",
    )
    group.add_argument(
        "--prepared",
        type=_prepared,
        metavar="DIR",
        help="serve the pages of a prepared folder from disk; missing pages are computed",
    )


def _add_client_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--api-key",
        type=_api_key,
        action="append",
        default=[],
        metavar="ID=FILE",
        help="API key: its id and the PEM file of its public or private key; may be repeated",
    )
    group.add_argument(
        "--tier",
        choices=(UNLIMITED, *TIERS),
        default=UNLIMITED,
        help="rate limit tier of each key (default: %(default)s, no limits)",
    )
    group.add_argument(
        "--unsigned-rate",
        type=_option_type(integer_parser(1, 1_000_000)),
        default=100,
        metavar="TOKENS",
        help="with a tier: tokens per second and burst of an address without a key (default: %(default)s)",
    )
    group.add_argument(
        "--rate-limit-body",
        choices=BODIES,
        default="either",
        help="body of a 429: the observed object or the documented string (default: %(default)s)",
    )
    group.add_argument(
        "--cost",
        type=_cost,
        action="append",
        default=[],
        metavar="PATH=TOKENS",
        help="cost of a request of a path, such as /markets=20; the default cost is 10 tokens; may be repeated",
    )
    group.add_argument(
        "--fault",
        type=_fault,
        action="append",
        default=[],
        metavar="kind=K,NAME=VALUE,…",
        help="fault rule, such as kind=latency,path=/markets,probability=0.1,seconds=2; may be repeated",
    )


def _add_server_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    group.add_argument(
        "--port", type=int, default=9000, help="port to listen on, 0 for a free one (default: %(default)s)"
    )
    group.add_argument("--no-admin", dest="admin", action="store_false", help="disable the /admin endpoints")
    group.add_argument("--verbose", action="store_true", help="log every request")


def _option_type(parse: Callable[[object], Any]) -> Callable[[str], Any]:
    """Return an option type that applies a parser of fault parameters and reports its error as a sentence."""

    def parse_option(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text!r} is not {error}") from None

    return parse_option


def _api_key(text: str) -> tuple[str, PublicKey]:
    key_id, _, file = text.partition("=")
    try:
        return key_id, load_public_key(Path(file))
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not ID=PEM_FILE: {error}") from None


def _cost(text: str) -> tuple[str, str]:
    path, separator, tokens = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not PATH=TOKENS")
    return path, tokens


def _fault(text: str) -> dict[str, str]:
    rule = {name: value for name, _, value in (part.partition("=") for part in text.split(","))}
    try:
        parse_rule(rule)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return rule


def _prepared(text: str) -> PageStore:
    try:
        return PageStore(Path(text))
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a folder of prepared pages: {error}") from None


if __name__ == "__main__":
    main()
