"""Secrets Manager, cached. boto3 costs 250 ms to import, so it is loaded only when a secret is asked for."""

from collections.abc import Mapping
from typing import Any, Final

MAX_AGE_SECONDS: Final = 300


class SecretUnavailable(Exception):
    """Secrets Manager did not give the secret."""


def read_secret(arn: str, *, fresh: bool = False) -> Mapping[str, Any]:
    """The JSON object kept under an ARN or name, at most MAX_AGE_SECONDS old, or asked for anew if `fresh`.

    Raises SecretUnavailable.
    """
    from aws_lambda_powertools.utilities import parameters

    try:
        value = parameters.get_secret(arn, transform="json", max_age=MAX_AGE_SECONDS, force_fetch=fresh)
    except (parameters.GetParameterError, parameters.TransformParameterError) as error:
        # Its cause may quote the secret's text.
        raise SecretUnavailable(f"the secret {arn} cannot be read: {type(error).__name__}.") from None
    if not isinstance(value, dict):
        raise SecretUnavailable(f"the secret {arn} is not a JSON object.")
    return value
