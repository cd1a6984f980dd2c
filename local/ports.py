"""Ports for programs that must be given one."""

import random
import socket
from contextlib import suppress
from typing import Final

PORTS: Final = range(10_000, 32_000)
"""Ports below those that a system gives to outgoing connections and to sockets that ask for any port.

Linux gives the ports from 32768 on (ip_local_port_range), other systems those from 49152 on (RFC 6335, section 6). A
free port from there may be taken before its program listens.
"""


def free_ports(number: int) -> list[int]:
    """Return different ports of the loopback interface that are free and that the system gives to no other socket."""
    ports: set[int] = set()
    while len(ports) < number:
        port = random.choice(PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            ports.add(port)
    return [*ports]
