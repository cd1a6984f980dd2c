"""Ports for programs that must be given one."""

import random
import socket
from contextlib import suppress


def free_ports(number: int) -> list[int]:
    """Return different ports that are free now. No system gives ports of this range to sockets that ask for any."""
    ports: set[int] = set()
    while len(ports) < number:
        port = random.randrange(10_000, 32_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            ports.add(port)
    return [*ports]
