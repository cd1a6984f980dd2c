"""Logins of the database and API keys of the exchange, from secrets of Secrets Manager."""

from dataclasses import dataclass

from kalshi_markets.secrets_manager import CURRENT, SecretVersionMissing, get_secret
from kalshi_markets.variables import SettingsError, parse_ascii, parse_password, parse_text


@dataclass(frozen=True)
class Credentials:
    """User name and password, or key id and private key (PEM)."""

    username: str
    secret: str

    def __repr__(self) -> str:
        return f"Credentials({self.username!r}, secret not shown)"


def read_login(arn: str, *, fresh: bool, stage: str = CURRENT) -> Credentials:
    """Return the database login of a secret (username, password). Raises SettingsError, SecretUnavailable.

    fresh, stage: as in get_secret.
    """
    name, password = _members(arn, "username", "password", fresh=fresh, stage=stage)
    secret = f"the secret {arn}: "
    return Credentials(parse_text(f"{secret}username", name), parse_password(f"{secret}password", password))


def read_version(arn: str, stage: str) -> Credentials | None:
    """Return the database login of a version of a secret. Raises SettingsError, SecretUnavailable.

    It is None if the secret has no such version. A secret without AWSCURRENT is an error.
    """
    try:
        return read_login(arn, fresh=True, stage=stage)
    except SecretVersionMissing:
        if stage == CURRENT:
            raise
        return None


def read_api_key(arn: str, *, fresh: bool) -> Credentials:
    """Return the exchange's API key of a secret (key_id, private_key). Raises SettingsError, SecretUnavailable.

    fresh: skip the cache.
    """
    key_id, private_key = _members(arn, "key_id", "private_key", fresh=fresh)
    return Credentials(parse_ascii(f"the secret {arn}: key_id", key_id), private_key)


def _members(arn: str, name: str, secret: str, *, fresh: bool, stage: str = CURRENT) -> tuple[str, str]:
    fields = get_secret(arn, fresh=fresh, stage=stage)
    members = str(fields.get(name) or "").strip(), str(fields.get(secret) or "")
    if not all(members):
        raise SettingsError(f"the secret {arn} must be a JSON object with {name} and {secret}.")
    return members
