"""Servers that the functions reach at host.docker.internal: PostgreSQL, the simulated exchange, Secrets Manager."""

import asyncio
import fcntl
import json
import socket
import struct
import subprocess
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import boto3

from local.child_process import ChildProcess
from local.data_folder import API_USER, CRAWLER_USER, DataFolder
from local.exchange_process import KEY_ID, exchange_process
from local.lambda_runtime.sandbox import REGION
from local.postgres import PostgresServer
from local.sam.cli import BIN, sam_environment
from local.settings import Settings

_BRIDGE_NAME: Final = '{{index .Options "com.docker.network.bridge.name"}}'
_SIOCGIFADDR: Final = 0x8915
"""ioctl request that returns the address of a network interface: man 7 netdevice."""


class NoEngine(Exception):
    """Missing container engine, or one that does not respond. The message is the output of docker."""


def find_containers_host() -> str:
    """Return the address of this machine that containers use as host-gateway. Raises NoEngine."""
    command = ["docker", "network", "inspect", "bridge", "--format", _BRIDGE_NAME]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise NoEngine("docker is not installed") from None
    if result.returncode:
        raise NoEngine((result.stderr.strip().splitlines() or ["docker printed no error"])[-1])
    with socket.socket() as any_socket:
        try:
            answer = fcntl.ioctl(any_socket, _SIOCGIFADDR, struct.pack("256s", result.stdout.strip().encode()))
        except OSError:  # Docker Desktop: the bridge is in its virtual machine, which forwards to the loopback
            return "127.0.0.1"
    return socket.inet_ntoa(answer[20:24])


class Host:
    """PostgreSQL, the simulated exchange and Secrets Manager on one address of this machine.

    The functions' variables name the ports.
    A real exchange in the settings replaces the simulated one.
    exchange_options: more options of the simulated exchange.
    """

    def __init__(
        self, variables: Mapping[str, Mapping[str, str]], settings: Settings, folder: DataFolder, *exchange_options: str
    ) -> None:
        self._variables = variables
        self._settings = settings
        self._folder = folder
        self.address = find_containers_host()
        self.postgres = PostgresServer(
            folder.path / "sam-postgres",
            host=self.address,
            port=int(variables["Parameters"]["DB_PORT"]),
            ends_with_parent=True,
        )
        self.exchange = exchange_process(
            settings,
            folder.exchange_key(),
            *exchange_options,
            host=self.address,
            port=self._port("EXCHANGE_URL"),
        )
        port = str(self._port("AWS_ENDPOINT_URL_SECRETS_MANAGER"))
        moto = [str(BIN / "moto_server"), "--host", self.address, "--port", port]
        self.secrets = ChildProcess("secrets", moto, r"Running on (http://\S+)", environment=sam_environment())

    async def start(self, parts: AsyncExitStack) -> None:
        """Start the servers and register their cleanup on the stack. Raises PostgresError, ChildFailed."""
        parts.push_async_callback(asyncio.to_thread, self.postgres.stop)
        await asyncio.to_thread(self.postgres.start)
        for child in self.children.values():
            parts.push_async_callback(child.close)
            await child.start()
        await asyncio.to_thread(self._create_secrets)

    @property
    def children(self) -> dict[str, ChildProcess]:
        """Child processes beside PostgreSQL, by name."""
        simulated = {} if self._settings.exchange else {"the simulated exchange": self.exchange}
        return {"Secrets Manager": self.secrets, **simulated}

    def _port(self, variable: str) -> int:
        return urlsplit(self._variables["Parameters"][variable]).port or 80

    def _create_secrets(self) -> None:
        manager = boto3.client(
            "secretsmanager",
            endpoint_url=self.secrets.url,
            region_name=REGION,
            aws_access_key_id="local",
            aws_secret_access_key="local",  # noqa: S106  # moto accepts any secret
        )
        for name, value in self._secret_values().items():
            manager.create_secret(Name=name, SecretString=json.dumps(value))
        manager.close()

    def _secret_values(self) -> dict[str, dict[str, str]]:
        """Return the values of the secrets, by the ARNs in the functions' variables."""
        migrator = self._variables["MigratorFunction"]
        key = self._settings.key or {"KEYID": KEY_ID, "KEYFILE": str(self._folder.exchange_key())}
        return {
            migrator["DB_SECRET_ARN"]: {"username": self.postgres.user, "password": self.postgres.password},
            migrator["API_DB_SECRET_ARN"]: self._login(API_USER),
            migrator["CRAWLER_DB_SECRET_ARN"]: self._login(CRAWLER_USER),
            self._variables["Parameters"]["KALSHI_SECRET_ARN"]: {
                "key_id": key["KEYID"],
                "private_key": Path(key["KEYFILE"]).read_text(encoding="utf-8-sig"),
            },
        }

    def _login(self, user: str) -> dict[str, str]:
        return {"username": user, "password": self._folder.password(user)}
