"""What `make run` is told: variables of the environment, and of .env where the environment has none."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from local import ROOT

_LINE: Final = re.compile(
    r"""\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(?:"([^"]*)"|'([^']*)'|(.*?))\s*(?:\s#.*)?"""
)
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
    """KEY=VALUE lines, with or without quotes, `export` and comments; an empty variable is an absent one."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f".env cannot be read: {error}.") from None
    values = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not (match := _LINE.fullmatch(line)):
            raise SettingsError(f".env, line {number}: write NAME=value.")
        name, *spellings = match.groups()
        if value := next((spelling for spelling in spellings if spelling), ""):
            values[name] = value
    return values


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
    file = root / Path(values["KEYFILE"]).expanduser()
    if not file.is_file():
        raise SettingsError(f"KEYFILE: there is no file {values['KEYFILE']}.")
    return {"KEYID": values["KEYID"], "KEYFILE": str(file)}
