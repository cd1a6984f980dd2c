"""Typed settings from environment variables. Only this module reads them. An empty variable counts as missing."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal, Self, get_args

from kalshi_markets.credentials import Credentials, read_api_key, read_login, read_version
from kalshi_markets.lake.storage import open_storage
from kalshi_markets.secrets_manager import CURRENT, PENDING, get_secret
from kalshi_markets.variables import SettingsError as SettingsError
from kalshi_markets.variables import Variables

SslMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
KALSHI_URL: Final = "https://external-api.kalshi.com"
API_PATH: Final = "/trade-api/v2"
MIN_RATE: Final = 0.1
MAX_RATE: Final = 10_000
"""Bounds of the request rate, in requests per second."""
LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@dataclass(frozen=True)
class DatabaseSettings:
    """Settings of the database connection. `table` is a plain identifier, so SQL may contain it unquoted."""

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
    def from_env(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Return the settings of the database connection. Raises SettingsError."""
        variables = Variables(environment)
        table = variables.string("MARKETS_TABLE", "kalshi_markets")
        if not re.fullmatch(r"[a-z_][a-z0-9_]{0,39}", table):
            raise SettingsError(
                "MARKETS_TABLE must be an identifier: at most 40 of a-z, 0-9 and _, not starting with a digit."
            )
        on_aws = variables.optional("AWS_LAMBDA_FUNCTION_NAME") and not variables.optional("AWS_SAM_LOCAL")
        sslmode = variables.string("DB_SSLMODE", "verify-full" if on_aws else "prefer")
        if sslmode not in get_args(SslMode):
            raise SettingsError(f"DB_SSLMODE must be one of {', '.join(get_args(SslMode))}.")
        sslrootcert = variables.path("DB_SSLROOTCERT")
        if sslrootcert and sslmode != "disable" and not Path(sslrootcert).is_file():
            raise SettingsError("DB_SSLROOTCERT must be a PEM file of certificate authorities: file not found.")
        return cls(
            host=variables.required("DB_HOST"),
            port=variables.integer("DB_PORT", "5432", maximum=65535),
            name=variables.string("DB_NAME", "postgres"),
            sslmode=sslmode,  # type: ignore[arg-type]  # checked above
            sslrootcert=sslrootcert,
            table=table,
            user=variables.optional("DB_USER"),
            password=variables.password("DB_PASSWORD"),
            secret_arn=variables.ascii("DB_SECRET_ARN"),
        )

    def credentials(self, *, fresh: bool = False) -> Credentials:
        """Return the database login. Raises SettingsError, SecretUnavailable.

        It comes from Secrets Manager (username, password) if DB_SECRET_ARN is set, else from DB_USER and DB_PASSWORD.
        fresh: skip the cache, as after a rotation.
        """
        if self.secret_arn:
            return read_login(self.secret_arn, fresh=fresh)
        if not self.user:
            raise SettingsError("DB_USER is not set: set DB_USER and DB_PASSWORD, or DB_SECRET_ARN.")
        return Credentials(self.user, self.password or "")

    def logins(self) -> Iterator[Credentials]:
        """Yield the logins to try, until one succeeds. Raises SettingsError, SecretUnavailable.

        During a rotation the password is that of AWSPENDING before AWSCURRENT moves to it. AWSCURRENT is the last one
        again, because it may have moved after it was read first. At every moment one of them is valid.
        """
        tried = [self.credentials()]
        yield tried[0]
        for stage in (CURRENT, PENDING, CURRENT) if self.secret_arn else ():
            login = read_version(str(self.secret_arn), stage)
            if login and login not in tried:
                tried.append(login)
                yield login


@dataclass(frozen=True)
class ExchangeSettings:
    """Settings of the exchange client: URL, request rate and optional API key. Market data is public."""

    url: str
    rate: float | None
    """Requests per second of all processes together; None: the rate of the account."""
    key_id: str | None
    key_file: str | None
    secret_arn: str | None

    @classmethod
    def from_env(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Return the settings of the exchange client. Raises SettingsError."""
        variables = Variables(environment)
        url = (variables.ascii("EXCHANGE_URL") or KALSHI_URL).rstrip("/")
        if not re.match(r"https?://[^/]", url):
            raise SettingsError("EXCHANGE_URL must start with https:// or http:// and contain a host.")
        key_id, secret_arn = variables.ascii("KEYID"), variables.ascii("KALSHI_SECRET_ARN")
        key_file = variables.path("KEYFILE")
        if key_id and not key_file:
            raise SettingsError("KEYFILE is not set: KEYID requires it.")
        if (authorities := variables.path("SSL_CERT_FILE")) and not Path(authorities).is_file():
            raise SettingsError("SSL_CERT_FILE must be a PEM file of certificate authorities: file not found.")
        if (authorities := variables.path("SSL_CERT_DIR")) and not Path(authorities).is_dir():
            raise SettingsError("SSL_CERT_DIR must be a folder of certificate authorities: folder not found.")
        # Without a key the exchange reports no rate. Public measurements found 429s from 8 requests per second.
        account = (key_id or secret_arn) and not variables.optional("EXCHANGE_RATE")
        return cls(
            url=url if url.endswith(API_PATH) else url + API_PATH,
            rate=None
            if account
            else float(variables.number("EXCHANGE_RATE", "5", minimum=str(MIN_RATE), maximum=MAX_RATE)),
            key_id=key_id,
            key_file=key_file,
            secret_arn=secret_arn,
        )

    def credentials(self, *, fresh: bool = False) -> Credentials | None:
        """Return the key id and its PEM, or None without an API key. Raises SettingsError, SecretUnavailable.

        They come from Secrets Manager (key_id, private_key) if KALSHI_SECRET_ARN is set, else from KEYID and KEYFILE.
        fresh: skip the cache, as after a rotation.
        """
        if self.secret_arn:
            return read_api_key(self.secret_arn, fresh=fresh)
        if not self.key_id or not self.key_file:
            return None
        try:
            return Credentials(self.key_id, Path(self.key_file).read_text(encoding="utf-8-sig"))
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"KEYFILE cannot be read as a PEM file: {type(error).__name__}.") from error


@dataclass(frozen=True)
class CrawlerSettings:
    """Settings of the crawler: duration of a run, interval of each job, and what is stored."""

    run_seconds: float
    live_interval: timedelta
    changed_interval: timedelta
    settled_interval: timedelta
    maintenance_interval: timedelta
    archive: bool
    combos: bool
    retention: timedelta | None
    """Time after its settlement when a market is deleted; None: never."""
    lake_url: str | None
    """URL of the lake, such as s3://bucket/prefix or file:///folder; None: there is no lake."""
    outbox_mb: int
    """Maximum size of the lake's outbox, in MiB. Above it, the oldest changes give way to a gap record."""

    @classmethod
    def from_env(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Return the settings of the crawler. Raises SettingsError, also for an invalid log level."""
        log_level(environment)
        variables = Variables(environment)
        return cls(
            run_seconds=float(variables.number("RUN_SECONDS", "55", minimum="10", maximum=840)),
            live_interval=variables.seconds("LIVE_INTERVAL_SECONDS", "300"),
            changed_interval=variables.seconds("CHANGED_INTERVAL_SECONDS", "45"),
            settled_interval=variables.seconds("SETTLED_INTERVAL_SECONDS", "45"),
            maintenance_interval=variables.seconds("MAINTENANCE_INTERVAL_SECONDS", "3600"),
            archive=variables.boolean("ARCHIVE", "true"),
            combos=variables.boolean("COMBOS", "false"),
            retention=timedelta(days=days)
            if (days := variables.integer("RETENTION_DAYS", "0", maximum=36_500))
            else None,
            lake_url=lake_url(environment),
            outbox_mb=variables.integer("LAKE_OUTBOX_MB", "2048", minimum="1", maximum=1_000_000),
        )


@dataclass(frozen=True)
class ApiSettings:
    """Settings of the API."""

    statement_timeout_ms: int
    candle_cache_mb: int
    """Maximum size of the candlestick cache, in MiB; 0: no cache."""
    readme_url: str | None
    lake_url: str | None
    """URL of the lake that GET /lake lists; None: there is no lake."""
    lake_signed_urls: bool
    """Permission for GET /lake to have signed URLs, which give every client access to the objects of a lake in S3."""

    @classmethod
    def from_env(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Return the settings of the API. Raises SettingsError, also for an invalid log level."""
        log_level(environment)
        variables = Variables(environment)
        return cls(
            statement_timeout_ms=variables.integer("STATEMENT_TIMEOUT_MS", "3000", minimum="10", maximum=25_000),
            candle_cache_mb=variables.integer("CANDLE_CACHE_MB", "512", maximum=1_000_000),
            readme_url=variables.optional("README_URL"),
            lake_url=lake_url(environment),
            lake_signed_urls=variables.boolean("LAKE_SIGNED_URLS", "false"),
        )


@dataclass(frozen=True)
class RoleLogin:
    """Login of a role that the migrator creates: a secret, or a user with a password."""

    secret_arn: str | None = None
    user: Credentials | None = None

    def credentials(self) -> Credentials:
        """Return the user and the password that the role must have. Raises SettingsError, SecretUnavailable.

        During a rotation it is the pending password: the functions try it too, and with another one the rotation would
        end with a password that is not the role's.
        """
        if self.user:
            return self.user
        arn = str(self.secret_arn)
        return read_version(arn, PENDING) or read_login(arn, fresh=True)


@dataclass(frozen=True)
class MigratorSettings:
    """Settings of the migrator: the login roles to create, by function (`api`, `crawler`).

    A function without its own role logs in as the database's user.
    """

    roles: Mapping[str, RoleLogin]

    @classmethod
    def from_env(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Return the settings of the migrator. Raises SettingsError, also for an invalid log level.

        The login of the API comes from API_DB_SECRET_ARN, or from API_DB_USER and API_DB_PASSWORD. The login of the
        crawler comes from the same variables with the prefix CRAWLER_DB_.
        """
        log_level(environment)
        variables = Variables(environment)
        roles = {"api": _role(variables, "API_DB_SECRET_ARN", "API_DB_USER", "API_DB_PASSWORD")}
        roles["crawler"] = _role(variables, "CRAWLER_DB_SECRET_ARN", "CRAWLER_DB_USER", "CRAWLER_DB_PASSWORD")
        return cls({function: role for function, role in roles.items() if role})


@dataclass(frozen=True)
class AuthorizerSettings:
    """Settings of the authorizer: the source of the API keys that requests may have."""

    secret_arn: str | None
    key: str | None

    @classmethod
    def from_env(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Return the settings of the authorizer. Raises SettingsError."""
        variables = Variables(environment)
        settings = cls(variables.ascii("API_KEYS_SECRET_ARN"), variables.ascii("API_KEY"))
        if not settings.secret_arn and not settings.key:
            raise SettingsError("API_KEYS_SECRET_ARN is not set.")
        return settings

    def api_keys(self) -> list[str]:
        """Return the accepted keys. Raises SettingsError, SecretUnavailable.

        They are the values of the secret, which is not cached here, if API_KEYS_SECRET_ARN is set, else API_KEY.
        """
        if not self.secret_arn:
            return [self.key or ""]
        values = get_secret(self.secret_arn, fresh=True).values()
        keys = [value.strip() for value in values if isinstance(value, str) and value.strip()]
        if not keys:
            raise SettingsError(f"the secret {self.secret_arn} must be a JSON object with an API key as each value.")
        return keys


def lake_url(environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the URL of the lake, from LAKE_URL; None: there is no lake. Raises SettingsError."""
    url = Variables(environment).ascii("LAKE_URL")
    if url:
        open_storage(url)
    return url


def log_level(environment: Mapping[str, str] = os.environ) -> str:
    """Return the log level of the functions, as a name of the module logging; INFO by default. Raises SettingsError.

    POWERTOOLS_LOG_LEVEL takes precedence over LOG_LEVEL, as in Powertools.
    """
    variables = Variables(environment)
    for name in ("POWERTOOLS_LOG_LEVEL", "LOG_LEVEL"):
        if level := variables.string(name, "").upper():
            if level not in LOG_LEVELS:
                raise SettingsError(f"{name} must be one of {', '.join(LOG_LEVELS)}.")
            return level
    return "INFO"


def _role(variables: Variables, secret_arn: str, user: str, password: str) -> RoleLogin | None:
    if arn := variables.ascii(secret_arn):
        return RoleLogin(secret_arn=arn)
    if name := variables.optional(user):
        return RoleLogin(user=Credentials(name, variables.password(password) or variables.required(password)))
    return None
