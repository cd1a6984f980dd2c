"""Secrets Manager, cached. botocore takes 200 ms to begin, so it is loaded only when a secret is asked for."""

import json
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

MAX_AGE_SECONDS: Final = 300
TIMEOUT_SECONDS: Final = 2
"""For a connection, and for an answer; both twice at most, so that a request is answered before its own time is up."""

_cache: dict[str, tuple[float, Mapping[str, Any]]] = {}
"""By ARN or name: when it was fetched, and its members."""


class SecretUnavailable(Exception):
    """Secrets Manager did not give the secret."""


def get_secret(arn: str, *, fresh: bool = False) -> Mapping[str, Any]:
    """The JSON object kept under an ARN or name, at most MAX_AGE_SECONDS old, or asked for anew if `fresh`.

    Raises SecretUnavailable.
    """
    fetched_at, value = _cache.get(arn, (-float("inf"), {}))
    if fresh or time.monotonic() - fetched_at > MAX_AGE_SECONDS:
        value = _fetch(arn)
        _cache[arn] = time.monotonic(), value
    return value


def clear_cache() -> None:
    """Drops what is kept, the client too."""
    _cache.clear()
    _client.cache_clear()


def _fetch(arn: str) -> Mapping[str, Any]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        value = json.loads(_client().get_secret_value(SecretId=arn)["SecretString"])
    except ClientError as error:
        raise SecretUnavailable(f"the secret {arn} cannot be read: {error.response['Error']['Code']}.") from None
    except (BotoCoreError, KeyError, ValueError) as error:
        # Its cause may quote the secret's text.
        raise SecretUnavailable(f"the secret {arn} cannot be read: {type(error).__name__}.") from None
    if not isinstance(value, dict):
        raise SecretUnavailable(f"the secret {arn} is not a JSON object.")
    return value


@lru_cache(maxsize=1)
def _client() -> Any:
    # Not boto3: what it adds takes 60 ms more.
    from botocore.config import Config
    from botocore.session import get_session

    config = Config(connect_timeout=TIMEOUT_SECONDS, read_timeout=TIMEOUT_SECONDS, retries={"total_max_attempts": 2})
    return get_session().create_client("secretsmanager", config=config)
