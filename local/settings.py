"""Settings of `make run`: environment variables, and .env for variables that the environment does not set."""

import io
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from dotenv.parser import parse_stream

from kalshi_markets.credentials import Credentials
from kalshi_markets.settings import (
    ApiSettings,
    CrawlerSettings,
    DatabaseSettings,
    ExchangeSettings,
    log_level,
)
from kalshi_markets.settings import SettingsError as SettingsError
from kalshi_markets.variables import parse_ascii
from local import ROOT
from local.lambda_runtime.client_command import RUNTIME_CLIENTS

_PATHS: Final = ("DATA_DIR", "LAKE", "RECORDING", "KEYFILE", "DB_SSLROOTCERT", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""Path variables in which a leading ~ is expanded: no shell expands it in .env, or after `make run`."""
_DATABASE: Final = ("DB_HOST", "DB_PORT", "DB_NAME", "DB_USER", "DB_PASSWORD", "DB_SSLMODE", "DB_SSLROOTCERT")
_PASSED_ON: Final = {
    *("PATH", "HOME", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR", "LOG_LEVEL", "MARKETS_TABLE", "README_URL"),
    *("EXCHANGE_RATE", "RUN_SECONDS", "LIVE_INTERVAL_SECONDS", "CHANGED_INTERVAL_SECONDS", "SETTLED_INTERVAL_SECONDS"),
    *("MAINTENANCE_INTERVAL_SECONDS", "ARCHIVE", "COMBOS", "RETENTION_DAYS", "STATEMENT_TIMEOUT_MS", "CANDLE_CACHE_MB"),
    *("LAKE_OUTBOX_MB", "LAKE_SIGNED_URLS", "RUNTIME_CLIENT"),
}
"""Variables for the functions, besides POWERTOOLS_* and proxies. Lambda does not pass the whole shell environment."""
_FILES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR", "DB_SSLROOTCERT")
_ON_AWS: Final = {
    "API_KEYS_SECRET_ARN": "API_KEY",
    "EXCHANGE_URL": "EXCHANGE",
    "KALSHI_SECRET_ARN": "KEYID and KEYFILE",
    "LAKE_URL": "LAKE",
    **dict.fromkeys(("DB_SECRET_ARN", "API_DB_SECRET_ARN", "CRAWLER_DB_SECRET_ARN"), "DB_USER and DB_PASSWORD"),
    **dict.fromkeys(("API_DB_USER", "API_DB_PASSWORD"), "DB_USER and DB_PASSWORD"),
    **dict.fromkeys(("CRAWLER_DB_USER", "CRAWLER_DB_PASSWORD"), "DB_USER and DB_PASSWORD"),
}
"""Variables that the functions accept on AWS alone, and their replacements for a run on this machine."""
_PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
LOOPBACK: Final = "127.0.0.1,localhost,::1"


@dataclass(frozen=True)
class Settings:
    """Settings of a run.

    port: 0 selects a free port.
    markets: number of simulated markets.
    recording: file of markets to replay.
    exchange: base URL of a real exchange.
    database: DB_* variables of an external server, or empty.
    key: KEYID and KEYFILE for a real exchange, or empty.
    api_key: key that requests must have; None: requests need none.
    functions: variables for every function.
    """

    port: int
    markets: int
    recording: Path | None
    exchange: str | None
    data_dir: Path
    verbose: bool
    database: Mapping[str, str]
    key: Mapping[str, str]
    api_key: str | None
    functions: Mapping[str, str]

    @classmethod
    def from_env(cls, environment: Mapping[str, str] = os.environ, root: Path = ROOT) -> Self:
        """Return the settings of an environment. Paths are relative to root. Raises SettingsError."""
        values = _dot_env(root / ".env")
        values |= {name: _stripped(name, value) for name, value in environment.items() if value.strip()}
        values |= {name: _expanded(name, values[name]) for name in _PATHS if name in values}
        _reject_unused(values)
        recording, exchange = values.get("RECORDING"), values.get("EXCHANGE")
        if recording and exchange:
            raise SettingsError("RECORDING cannot be combined with EXCHANGE: remove one of them.")
        if recording and not (root / recording).is_file():
            raise SettingsError(
                f"RECORDING: file {recording} not found; it must be JSON lines of markets, gzip or plain."
            )
        if exchange and not re.match(r"https?://[^/\s]+", parse_ascii("EXCHANGE", exchange)):
            raise SettingsError("EXCHANGE must be a base URL, such as https://external-api.kalshi.com.")
        if values.get("RUNTIME_CLIENT", RUNTIME_CLIENTS[0]) not in RUNTIME_CLIENTS:
            raise SettingsError(f"RUNTIME_CLIENT must be one of {', '.join(RUNTIME_CLIENTS)}.")
        values |= {name: str(root / values[name]) for name in _FILES if name in values}
        functions = {k: v for k, v in values.items() if k in _PASSED_ON or k.startswith("POWERTOOLS_")}
        if "LAKE" in values:
            functions["LAKE_URL"] = lake_url(values["LAKE"], root)
        settings = cls(
            port=_number(values, "PORT", 8000, 65_535),
            markets=_number(values, "MARKETS", 5_000, 1_000_000),
            recording=root / recording if recording else None,
            exchange=exchange,
            data_dir=root / values.get("DATA_DIR", ".data"),
            verbose=values.get("VERBOSE", "0").lower() not in ("0", "no", "false"),
            database={name: values[name] for name in _DATABASE if name in values},
            key=_key(values, root) if exchange else {},
            api_key=parse_ascii("API_KEY", values["API_KEY"]) if "API_KEY" in values else None,
            functions=functions | (_proxies(values) if exchange else {}),
        )
        settings._check_functions()
        return settings

    def _check_functions(self) -> None:
        """Check the variables with the functions' own settings. Raises SettingsError."""
        database = self.database or {"DB_HOST": "127.0.0.1", "DB_USER": "postgres"}
        exchange = {"EXCHANGE_URL": self.exchange} if self.exchange else {}
        variables = {**self.functions, **database, **self.key, **exchange}
        log_level(variables)
        DatabaseSettings.from_env(variables).credentials()
        if key := ExchangeSettings.from_env(variables).credentials():
            _check_key(key)
        CrawlerSettings.from_env(variables)
        ApiSettings.from_env(variables)

    @property
    def source(self) -> str:
        """Description of the source of the markets."""
        if self.exchange:
            return self.exchange
        return f"the recording {self.recording.name}" if self.recording else f"{self.markets:,} markets simulated"


def lake_url(lake: str, root: Path = ROOT) -> str:
    """Return the URL of a lake that LAKE names: a folder, relative to root, or s3://bucket/prefix."""
    return lake if "://" in lake else (root / lake).resolve().as_uri()


def _dot_env(file: Path) -> dict[str, str]:
    """Return the NAME=value pairs of a .env file. Raises SettingsError.

    Lines are parsed as by python-dotenv, without its ${...}. Empty variables are left out.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f".env cannot be read: {error}.") from None
    values = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.error or (binding.key and binding.value is None):
            string, line = binding.original
            line += string[: len(string) - len(string.lstrip())].count("\n")
            raise SettingsError(f'.env, line {line}: write NAME=value, or NAME="value" with \\" for a quote in it.')
        if binding.key and binding.value:
            values[binding.key] = binding.value
    return values


def _expanded(name: str, path: str) -> str:
    try:
        return str(Path(path).expanduser())
    except RuntimeError:
        raise SettingsError(f"{name}: no home folder for {path.split('/')[0]}; use an absolute path.") from None


def _stripped(name: str, value: str) -> str:
    return value if name == "DB_PASSWORD" else value.strip()


def _reject_unused(values: Mapping[str, str]) -> None:
    for name, instead in _ON_AWS.items():
        if name in values:
            raise SettingsError(f"{name} is for functions on AWS: use {instead} instead, or remove it.")
    for name in _DATABASE:
        if name in values and "DB_HOST" not in values:
            raise SettingsError(f"{name} requires DB_HOST: the local PostgreSQL has its own login.")


def _proxies(values: Mapping[str, str]) -> dict[str, str]:
    """Return the proxy variables in lower case, which takes precedence over upper case. The loopback is excluded."""
    proxies = {}
    for name in _PROXIES:
        if proxy := values.get(name.lower()) or values.get(name):
            if not re.fullmatch(r"(https?://)?[^/\s]+/?", parse_ascii(name, proxy)):
                raise SettingsError(f"{name} must be the address of an HTTP proxy, such as http://proxy.example:3128.")
            proxies[name.lower()] = proxy
    without = (values.get("no_proxy") or values.get("NO_PROXY"), LOOPBACK)
    return proxies and proxies | {"no_proxy": ",".join(filter(None, without))}


def _check_key(key: Credentials) -> None:
    from kalshi_markets.exchange import Signer  # slow import, and few runs have a key

    try:
        Signer(key)
    except SettingsError as error:
        raise SettingsError(f"KEYFILE: {error}") from None


def _number(values: Mapping[str, str], name: str, default: int, maximum: int) -> int:
    text = values.get(name, str(default)).replace(",", "").replace("_", "")
    if not (text.isascii() and text.isdecimal() and int(text) <= maximum):
        raise SettingsError(f"{name} must be an integer between 0 and {maximum}.")
    return int(text)


def _key(values: Mapping[str, str], root: Path) -> dict[str, str]:
    if "KEYID" not in values:
        return {}
    if "KEYFILE" not in values:
        raise SettingsError("KEYID requires KEYFILE, the PEM file of the key; or remove both: market data is public.")
    file = root / values["KEYFILE"]
    if not file.is_file():
        raise SettingsError(f"KEYFILE: file {values['KEYFILE']} not found.")
    return {"KEYID": values["KEYID"], "KEYFILE": str(file)}
