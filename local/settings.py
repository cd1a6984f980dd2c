"""What `make run` is told: variables of the environment, and of .env where the environment has none."""

import io
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from dotenv.parser import parse_stream

from local import ROOT

_PATHS: Final = ("DATA_DIR", "RECORDING", "KEYFILE", "DB_SSLROOTCERT", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""In these a leading ~ is a home: no shell expands it in .env, or behind `make run`."""
_DATABASE: Final = ("DB_HOST", "DB_PORT", "DB_NAME", "DB_USER", "DB_PASSWORD", "DB_SSLMODE", "DB_SSLROOTCERT")
_PASSED_ON: Final = {
    *("PATH", "HOME", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR", "LOG_LEVEL", "MARKETS_TABLE", "README_URL"),
    *("EXCHANGE_RATE", "RUN_SECONDS", "LIVE_INTERVAL_SECONDS", "CHANGED_INTERVAL_SECONDS", "SETTLED_INTERVAL_SECONDS"),
    *("SLOW_INTERVAL_SECONDS", "ARCHIVE", "COMBOS", "RETENTION_DAYS", "STATEMENT_TIMEOUT_MS"),
}
"""Variables, besides POWERTOOLS_*, that the functions see as they are. Lambda would not hand them the whole shell's."""


class SettingsError(Exception):
    """A variable is wrong; the message names it and says what it takes."""


@dataclass(frozen=True)
class Settings:
    """What to run. port 0: a free one. exchange: a base URL instead of the simulated exchange.

    database: DB_* of a server that is not ours, or nothing. key: KEYID and KEYFILE for a real exchange, or nothing.
    functions: variables handed on to every function.
    """

    port: int
    markets: int
    recording: Path | None
    exchange: str | None
    data_dir: Path
    verbose: bool
    database: Mapping[str, str]
    key: Mapping[str, str]
    functions: Mapping[str, str]

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ, root: Path = ROOT) -> Self:
        """Paths are relative to root. Raises SettingsError."""
        values = _dot_env(root / ".env") | {name: value.strip() for name, value in environment.items() if value.strip()}
        values |= {name: _expanded(name, values[name]) for name in _PATHS if name in values}
        recording, exchange = values.get("RECORDING"), values.get("EXCHANGE")
        if recording and exchange:
            raise SettingsError("RECORDING and EXCHANGE exclude each other: give one of them.")
        if recording and not (root / recording).is_file():
            raise SettingsError(f"RECORDING: there is no file {recording}; give JSON lines of markets, gzipped or not.")
        if exchange and not re.match(r"https?://[^/\s]+", exchange):
            raise SettingsError("EXCHANGE must be a base URL, such as https://external-api.kalshi.com.")
        return cls(
            port=_number(values, "PORT", 8000, 65_535),
            markets=_number(values, "MARKETS", 5_000, 1_000_000),
            recording=root / recording if recording else None,
            exchange=exchange,
            data_dir=root / values.get("DATA_DIR", ".data"),
            verbose=values.get("VERBOSE", "0").lower() not in ("0", "no", "false"),
            database={name: values[name] for name in _DATABASE if name in values} if "DB_HOST" in values else {},
            key=_key(values, root) if exchange else {},
            functions={k: v for k, v in values.items() if k in _PASSED_ON or k.startswith("POWERTOOLS_")},
        )

    @property
    def source(self) -> str:
        """Where the markets come from, in words."""
        if self.exchange:
            return self.exchange
        return f"the recording {self.recording.name}" if self.recording else f"{self.markets:,} markets simulated"


def _dot_env(file: Path) -> dict[str, str]:
    """NAME=value lines as python-dotenv reads them, without its ${...}; an empty variable is an absent one."""
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
        raise SettingsError(f"{name}: there is no home for {path.split('/')[0]}; write the whole path.") from None


def _number(values: Mapping[str, str], name: str, usual: int, most: int) -> int:
    text = values.get(name, str(usual)).replace(",", "").replace("_", "")
    if not (text.isascii() and text.isdecimal() and int(text) <= most):
        raise SettingsError(f"{name} must be a whole number from 0 to {most:,}, not {values[name]!r}.")
    return int(text)


def _key(values: Mapping[str, str], root: Path) -> dict[str, str]:
    if "KEYID" not in values:
        return {}
    if "KEYFILE" not in values:
        raise SettingsError("KEYID needs KEYFILE, the PEM file of that key; or leave both out: market data is public.")
    file = root / values["KEYFILE"]
    if not file.is_file():
        raise SettingsError(f"KEYFILE: there is no file {values['KEYFILE']}.")
    return {"KEYID": values["KEYID"], "KEYFILE": str(file)}
