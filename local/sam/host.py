"""What the functions reach at host.docker.internal: PostgreSQL, the simulated exchange, Secrets Manager."""

import asyncio
import fcntl
import json
import socket
import struct
import subprocess
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import boto3

from local.child_process import ChildProcess
from local.data_folder import DataFolder
from local.exchange_process import KEY_ID, exchange_process
from local.postgres import PostgresServer
from local.sam.cli import BIN, environment
from local.sandbox import REGION
from local.settings import Settings

_BRIDGE: Final = (
    "docker",
    "network",
    "inspect",
    "bridge",
    "--format",
    '{{index .Options "com.docker.network.bridge.name"}}',
)
_SIOCGIFADDR: Final = 0x8915
"""Asks for an interface's address: man 7 netdevice."""


class NoEngine(Exception):
    """No container engine answers; the message says what it said."""


def containers_host() -> str:
    """The address of this machine that containers know as host-gateway. Raises NoEngine."""
    try:
        asked = subprocess.run(_BRIDGE, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise NoEngine("there is no program docker") from None
    if asked.returncode:
        raise NoEngine((asked.stderr.strip().splitlines() or ["docker said nothing"])[-1])
    with socket.socket() as any_socket:
        try:
            answer = fcntl.ioctl(any_socket, _SIOCGIFADDR, struct.pack("256s", asked.stdout.strip().encode()))
        except OSError:  # Docker Desktop: the bridge is in its virtual machine, which passes on to the loopback
            return "127.0.0.1"
    return socket.inet_ntoa(answer[20:24])


class Host:
    """The three of them, on one address of this machine and the ports that the template's parameters say.

    A real exchange in the settings takes the simulated one's place. exchange_options: more for the simulated one.
    """

    def __init__(
        self, parameters: Mapping[str, str], settings: Settings, folder: DataFolder, *exchange_options: str
    ) -> None:
        self._parameters = parameters
        self._settings = settings
        self._folder = folder
        self.address = containers_host()
        self.postgres = PostgresServer(
            folder.path / "sam-postgres",
            host=self.address,
            port=int(parameters["DatabasePort"]),
            ends_with_parent=True,
        )
        self.exchange = exchange_process(
            settings,
            folder.exchange_key(),
            *exchange_options,
            host=self.address,
            port=self._port("ExchangeUrl"),
        )
        moto = [str(BIN / "moto_server"), "--host", self.address, "--port", str(self._port("SecretsManagerEndpoint"))]
        self.secrets = ChildProcess("secrets", moto, r"Running on (http://\S+)", environment=environment())

    async def start(self, parts: AsyncExitStack) -> None:
        """Puts what it starts on the stack. Raises PostgresError, ChildFailed."""
        parts.push_async_callback(asyncio.to_thread, self.postgres.stop)
        await asyncio.to_thread(self.postgres.start)
        for child in self.children.values():
            parts.push_async_callback(child.close)
            await child.start()
        await asyncio.to_thread(self._create_secrets)

    @property
    def children(self) -> dict[str, ChildProcess]:
        """What runs beside PostgreSQL, by its name."""
        simulated = {} if self._settings.exchange else {"the simulated exchange": self.exchange}
        return {"Secrets Manager": self.secrets, **simulated}

    def _port(self, parameter: str) -> int:
        return urlsplit(self._parameters[parameter]).port or 80

    def _create_secrets(self) -> None:
        """Under the names that `sam local` gives the functions: of parameters the value, of secrets the resource's."""
        manager = boto3.client(
            "secretsmanager",
            endpoint_url=self.secrets.url,
            region_name=REGION,
            aws_access_key_id="local",
            aws_secret_access_key="local",  # noqa: S106  # moto takes any
        )
        for name, value in self._secret_values().items():
            manager.create_secret(Name=name, SecretString=json.dumps(value))

    def _secret_values(self) -> dict[str, dict[str, Any]]:
        table = self._parameters.get("MarketsTable", "kalshi_markets")
        roles = {f"{role}DatabaseSecret": f"{table}_{role.lower()}" for role in ("Api", "Crawler")}
        values = {name: {"username": user, "password": self._folder.password(user)} for name, user in roles.items()}
        owner = {"username": self.postgres.user, "password": self.postgres.password}
        values[self._parameters["DatabaseSecretArn"]] = owner
        if name := self._parameters.get("KalshiSecretArn"):
            key = self._settings.key or {"KEYID": KEY_ID, "KEYFILE": str(self._folder.exchange_key())}
            private = Path(key["KEYFILE"]).read_text(encoding="ascii")
            values[name] = {"key_id": key["KEYID"], "private_key": private}
        return values
