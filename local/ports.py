"""Ports for programs that must be given one."""

import random
import socket
from contextlib import suppress
from typing import Final

# Linux gives ports from 32768 on to outgoing connections and to sockets that ask for any port, other systems ports
# from 49152 on (RFC 6335, section 6). A free port from there may be taken before its program listens.
PORTS: Final = range(10_000, 32_000)


def free_ports(number: int) -> list[int]:
    """Return different ports of the loopback interface that are free and that the system gives to no other socket."""
    ports: set[int] = set()
    while len(ports) < number:
        port = random.choice(PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            ports.add(port)
    return [*ports]
