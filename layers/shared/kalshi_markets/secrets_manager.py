"""Cached secrets of AWS Secrets Manager.

botocore takes 200 ms to import, so it is imported when the first secret is fetched.
"""

import json
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

MAX_AGE_SECONDS: Final = 300
TIMEOUT_SECONDS: Final = 2
"""Timeout of a connection and of a response. There are at most two attempts, so a request ends within its deadline."""

CURRENT: Final = "AWSCURRENT"
PENDING: Final = "AWSPENDING"
"""Staging labels of the version in use, and of the next one during a rotation."""

_cache: dict[str, tuple[float, Mapping[str, Any]]] = {}
"""Fetch time (time.monotonic()) and members of each secret, by ARN or name."""


class SecretUnavailable(Exception):
    """Secret that could not be read from Secrets Manager."""


class SecretVersionMissing(SecretUnavailable):
    """Version that a secret does not have, such as AWSPENDING outside a rotation; or missing secret."""


def get_secret(arn: str, *, fresh: bool = False, stage: str = CURRENT) -> Mapping[str, Any]:
    """Return the JSON object of a secret, cached for MAX_AGE_SECONDS. Raises SecretUnavailable.

    arn: ARN or name of the secret.
    fresh: skip the cache.
    stage: staging label of the version. Any other than CURRENT skips the cache, and its version is cached from then on.
    """
    fetched_at, value = _cache.get(arn, (-float("inf"), {}))
    if fresh or stage != CURRENT or time.monotonic() - fetched_at > MAX_AGE_SECONDS:
        value = fetch_version(arn, VersionStage=stage)
        _cache[arn] = time.monotonic(), value
    return value


def fetch_version(arn: str, **version: str) -> Mapping[str, Any]:
    """Return the JSON object of one version of a secret. Raises SecretUnavailable.

    version: VersionId, VersionStage or both.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        value = json.loads(client().get_secret_value(SecretId=arn, **version)["SecretString"])
    except ClientError as error:
        code = error.response["Error"]["Code"]
        kind = SecretVersionMissing if code == "ResourceNotFoundException" else SecretUnavailable
        raise kind(f"the secret {arn} cannot be read: {code}.") from None
    except (BotoCoreError, KeyError, ValueError) as error:
        # The cause may quote the secret.
        raise SecretUnavailable(f"the secret {arn} cannot be read: {type(error).__name__}.") from None
    if not isinstance(value, dict):
        raise SecretUnavailable(f"the secret {arn} is not a JSON object.")
    return value


@lru_cache(maxsize=1)
def client() -> Any:
    """Return the client of Secrets Manager, created on first use."""
    # Not boto3, which takes 60 ms more to import.
    from botocore.config import Config
    from botocore.session import get_session

    config = Config(connect_timeout=TIMEOUT_SECONDS, read_timeout=TIMEOUT_SECONDS, retries={"total_max_attempts": 2})
    return get_session().create_client("secretsmanager", config=config)
