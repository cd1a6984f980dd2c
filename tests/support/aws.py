"""Moto's server in place of AWS."""

import json
import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from moto.server import ThreadedMotoServer


class Account:
    """Empty AWS account for tests.

    environment: variables for a function that uses the account.
    """

    def __init__(self, url: str) -> None:
        self.environment = {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": url,
        }
        self._manager = boto3.client(
            "secretsmanager",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def create_secret(self, value: object) -> str:
        """Create a secret and return its ARN. A string is stored unchanged, any other value as JSON."""
        text = value if isinstance(value, str) else json.dumps(value)
        created: dict[str, Any] = self._manager.create_secret(Name=f"secret-{uuid.uuid4()}", SecretString=text)
        return str(created["ARN"])

    def rotate(self, arn: str, value: object) -> None:
        """Store a new value of a secret."""
        self._manager.put_secret_value(SecretId=arn, SecretString=json.dumps(value))

    def secret(self, arn: str) -> dict[str, Any]:
        """Return the current value of a secret."""
        value: dict[str, Any] = json.loads(self._manager.get_secret_value(SecretId=arn)["SecretString"])
        return value

    def close(self) -> None:
        """Close the connection."""
        self._manager.close()


@contextmanager
def account() -> Iterator[Account]:
    """Run moto's server with an empty account."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # otherwise it logs every request
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    opened = Account(f"http://{host}:{port}")
    yield opened
    opened.close()
    server.stop()
