"""Lambda authorizer of the HTTP API: accepts requests whose header x-api-key has one of the API keys.

It receives payload format 2.0 and returns simple responses
(docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html). API Gateway caches the response
for each key. If the keys cannot be read, the function raises an error instead: the client receives a 500, and a valid
key is not rejected for as long as a response is cached.
"""

import hmac
import time
from contextlib import suppress
from typing import Any, Final

from kalshi_markets.secrets_manager import SecretUnavailable
from kalshi_markets.settings import AuthorizerSettings, SettingsError

MAX_AGE_SECONDS: Final = 60
"""Maximum age of the keys: a key that was removed from the secret is rejected after this time."""
REFRESH_SECONDS: Final = 5
"""Minimum time between two refreshes for unknown keys: guesses do not become requests to Secrets Manager."""


class ApiKeys:
    """Accepted API keys, with the time of their last refresh."""

    def __init__(self) -> None:
        self._keys: list[bytes] = []
        self._refreshed_at = -float("inf")

    def accepts(self, key: str) -> bool:
        """Return whether the key is one of the accepted keys. Raises SettingsError, SecretUnavailable.

        For an unknown key the keys are read again, because it may have been added a moment ago.
        """
        if self._age() > MAX_AGE_SECONDS:
            self.refresh()
        if self._has(key):
            return True
        if self._age() < REFRESH_SECONDS:
            return False
        self.refresh()
        return self._has(key)

    def refresh(self) -> None:
        """Read the keys. Raises SettingsError, SecretUnavailable."""
        self._keys = [key.encode() for key in AuthorizerSettings.from_env().api_keys()]
        self._refreshed_at = time.monotonic()

    def _age(self) -> float:
        return time.monotonic() - self._refreshed_at

    def _has(self, key: str) -> bool:
        # Each comparison takes the same time for every key of a length, and all of them are made.
        given = key.encode("utf-8", "surrogatepass")
        return sum([hmac.compare_digest(given, accepted) for accepted in self._keys]) > 0


_keys = ApiKeys()
# Lambda gives a function more CPU until its first event. An error is raised again by that event.
with suppress(SettingsError, SecretUnavailable):
    _keys.refresh()


def handler(event: dict[str, Any], context: object) -> dict[str, bool]:  # noqa: ARG001  # Lambda's signature
    """Return whether the request is authorized. Raises SettingsError, SecretUnavailable."""
    [key] = event["identitySource"]
    return {"isAuthorized": _keys.accepts(key)}
