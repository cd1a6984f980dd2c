"""What the environment says, as types. Only this module reads it; an empty variable is an absent one."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final, Literal, Self, get_args

from kalshi_markets.secrets import read_secret

SslMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
KALSHI_URL: Final = "https://external-api.kalshi.com"
API_PATH: Final = "/trade-api/v2"
MIN_RATE: Final = 0.1
MAX_RATE: Final = 10_000
"""Requests a second that make sense."""
LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class SettingsError(Exception):
    """A variable is missing or wrong; the message names it and says what it takes."""


@dataclass(frozen=True)
class Credentials:
    """Who logs in: a user (or key id) and its password (or private key in PEM)."""

    name: str
    secret: str

    def __repr__(self) -> str:
        return f"Credentials({self.name!r}, secret not shown)"


@dataclass(frozen=True)
class DatabaseSettings:
    """Where the database is and who logs in. MARKETS_TABLE is a plain identifier, so it may stand in SQL."""

    host: str
    port: int
    name: str
    sslmode: SslMode
    sslrootcert: str | None
    table: str
    user: str | None
    password: str | None
    secret_arn: str | None

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Raises SettingsError."""
        read = _Reader(environment)
        table = read.text("MARKETS_TABLE", "kalshi_markets")
        if not re.fullmatch(r"[a-z_][a-z0-9_]{0,39}", table):
            raise SettingsError(
                "MARKETS_TABLE must be a plain identifier: at most 40 of a-z, 0-9 and _, no digit first."
            )
        on_aws = read.optional("AWS_LAMBDA_FUNCTION_NAME") and not read.optional("AWS_SAM_LOCAL")
        sslmode = read.text("DB_SSLMODE", "verify-full" if on_aws else "prefer")
        if sslmode not in get_args(SslMode):
            raise SettingsError(f"DB_SSLMODE must be one of {', '.join(get_args(SslMode))}.")
        return cls(
            host=read.required("DB_HOST"),
            port=read.whole("DB_PORT", "5432", most=65535),
            name=read.text("DB_NAME", "postgres"),
            sslmode=sslmode,  # type: ignore[arg-type]  # one of them, as the lines above made sure
            sslrootcert=read.optional("DB_SSLROOTCERT"),
            table=table,
            user=read.optional("DB_USER"),
            password=read.optional("DB_PASSWORD"),
            secret_arn=read.optional("DB_SECRET_ARN"),
        )

    def credentials(self, *, fresh: bool = False) -> Credentials:
        """From Secrets Manager (username, password) when DB_SECRET_ARN is set, else from DB_USER and DB_PASSWORD.

        fresh: ask Secrets Manager again, as after a rotation. Raises SettingsError, SecretUnavailable.
        """
        if self.secret_arn:
            return _credentials(self.secret_arn, "username", "password", fresh=fresh)
        if not self.user:
            raise SettingsError("DB_USER is not set: give it and DB_PASSWORD, or DB_SECRET_ARN.")
        return Credentials(self.user, self.password or "")


@dataclass(frozen=True)
class ExchangeSettings:
    """Which exchange is asked, how often, and with which key, if any: market data is public."""

    url: str
    rate: float | None
    """requests per second, of all processes together; None: what the account permits"""
    key_id: str | None
    key_file: str | None
    secret_arn: str | None

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Raises SettingsError."""
        read = _Reader(environment)
        url = read.text("EXCHANGE_URL", KALSHI_URL).rstrip("/")
        if not re.match(r"https?://[^/]", url):
            raise SettingsError("EXCHANGE_URL must begin with https:// (or http://) and name a host.")
        key_id, secret_arn = read.optional("KEYID"), read.optional("KALSHI_SECRET_ARN")
        key_file = read.required("KEYFILE") if key_id else None
        # Without a key the exchange tells no rate, and public measurements found 429s from 8 a second.
        account = (key_id or secret_arn) and not read.optional("EXCHANGE_RATE")
        return cls(
            url=url if url.endswith(API_PATH) else url + API_PATH,
            rate=None if account else float(read.number("EXCHANGE_RATE", "5", least=str(MIN_RATE), most=MAX_RATE)),
            key_id=key_id,
            key_file=key_file,
            secret_arn=secret_arn,
        )

    def credentials(self, *, fresh: bool = False) -> Credentials | None:
        """The key id and its PEM: from Secrets Manager (key_id, private_key), from KEYFILE, or none.

        Raises SettingsError, SecretUnavailable.
        """
        if self.secret_arn:
            return _credentials(self.secret_arn, "key_id", "private_key", fresh=fresh)
        if not self.key_id or not self.key_file:
            return None
        try:
            return Credentials(self.key_id, Path(self.key_file).read_text(encoding="ascii"))
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"KEYFILE cannot be read as a PEM file: {type(error).__name__}.") from error


@dataclass(frozen=True)
class CrawlerSettings:
    """How long a run goes on, in seconds; how often each job is due; what is kept."""

    run_seconds: float
    live_interval: timedelta
    changed_interval: timedelta
    settled_interval: timedelta
    slow_interval: timedelta
    archive: bool
    combos: bool
    kept: timedelta | None
    """how long settled markets are kept; None: for ever"""

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Raises SettingsError."""
        read = _Reader(environment)
        return cls(
            run_seconds=float(read.number("RUN_SECONDS", "55", least="10", most=840)),
            live_interval=read.seconds("LIVE_INTERVAL_SECONDS", "300"),
            changed_interval=read.seconds("CHANGED_INTERVAL_SECONDS", "45"),
            settled_interval=read.seconds("SETTLED_INTERVAL_SECONDS", "45"),
            slow_interval=read.seconds("SLOW_INTERVAL_SECONDS", "3600"),
            archive=read.switch("ARCHIVE", "true"),
            combos=read.switch("COMBOS", "false"),
            kept=timedelta(days=days) if (days := read.whole("RETENTION_DAYS", "0", most=36_500)) else None,
        )


@dataclass(frozen=True)
class ApiSettings:
    """Limits of the HTTP side."""

    statement_timeout_ms: int
    candle_cache_mb: int
    """MiB that the cache of candlesticks may take; 0: there is none"""
    readme_url: str | None

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Raises SettingsError, for an invalid log level too, which would raise while the function is imported."""
        read = _Reader(environment)
        log_level(environment)
        return cls(
            statement_timeout_ms=read.whole("STATEMENT_TIMEOUT_MS", "3000", least="10", most=25_000),
            candle_cache_mb=read.whole("CANDLE_CACHE_MB", "512", most=1_000_000),
            readme_url=read.optional("README_URL"),
        )


@dataclass(frozen=True)
class MigratorSettings:
    """The login roles to make, by function: `api`, `crawler`; none where one user serves for all."""

    roles: Mapping[str, Credentials]

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """From API_DB_SECRET_ARN, or API_DB_USER with API_DB_PASSWORD; for the crawler from CRAWLER_DB_… alike.

        The secrets are asked for afresh: it is after a rotation that the roles are renewed.

        Raises SettingsError, SecretUnavailable.
        """
        read = _Reader(environment)
        roles = {"api": read.role("API_DB_SECRET_ARN", "API_DB_USER", "API_DB_PASSWORD")}
        roles["crawler"] = read.role("CRAWLER_DB_SECRET_ARN", "CRAWLER_DB_USER", "CRAWLER_DB_PASSWORD")
        return cls({function: role for function, role in roles.items() if role})


def log_level(environment: Mapping[str, str] = os.environ) -> str:
    """Return the log level: POWERTOOLS_LOG_LEVEL, else LOG_LEVEL, else INFO. Raises SettingsError."""
    read = _Reader(environment)
    name = "POWERTOOLS_LOG_LEVEL" if read.optional("POWERTOOLS_LOG_LEVEL") else "LOG_LEVEL"
    level = read.text(name, "INFO").strip().upper()
    if level not in LOG_LEVELS:
        raise SettingsError(f"{name} must be one of {', '.join(LOG_LEVELS)}.")
    return level


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def optional(self, name: str) -> str | None:
        value = self._environment.get(name, "")
        return value if value.strip() else None

    def text(self, name: str, usual: str) -> str:
        return self.optional(name) or usual

    def required(self, name: str) -> str:
        if value := self.optional(name):
            return value
        raise SettingsError(f"{name} is not set.")

    def role(self, secret_arn: str, user: str, password: str) -> Credentials | None:
        if arn := self.optional(secret_arn):
            return _credentials(arn, "username", "password", fresh=True)
        if name := self.optional(user):
            return Credentials(name, self.required(password))
        return None

    def switch(self, name: str, usual: str) -> bool:
        value = self.text(name, usual).lower()
        if value not in ("true", "false"):
            raise SettingsError(f"{name} must be true or false.")
        return value == "true"

    def seconds(self, name: str, usual: str) -> timedelta:
        return timedelta(seconds=float(self.number(name, usual, least="1", most=86_400)))

    def whole(self, name: str, usual: str, *, least: str = "0", most: int) -> int:
        value = self.number(name, usual, least=least, most=most)
        if value % 1:
            raise SettingsError(f"{name} must be a whole number.")
        return int(value)

    def number(self, name: str, usual: str, *, least: str = "0", most: int) -> Decimal:
        try:
            value = Decimal(self.text(name, usual))
            if Decimal(least) <= value <= most:
                return value
        except InvalidOperation:
            pass
        raise SettingsError(f"{name} must be a number from {least} to {most:,}.")


def _credentials(arn: str, name: str, secret: str, *, fresh: bool) -> Credentials:
    fields = read_secret(arn, fresh=fresh)
    if not fields.get(name) or not fields.get(secret):
        raise SettingsError(f"the secret {arn} must be a JSON object with {name} and {secret}.")
    return Credentials(str(fields[name]), str(fields[secret]))
