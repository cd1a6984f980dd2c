import socket
from contextlib import ExitStack

import pytest

from local import ports
from local.ports import free_ports


def test_ports_are_different_and_free() -> None:
    chosen = free_ports(50)
    assert len(set(chosen)) == 50
    with ExitStack() as stack:
        for port in chosen:
            stack.enter_context(socket.create_server(("127.0.0.1", port)))


def test_a_taken_port_is_not_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    taken, free = free_ports(2)
    monkeypatch.setattr(ports, "PORTS", [taken, free])
    with socket.create_server(("127.0.0.1", taken)):
        assert free_ports(1) == [free]


def test_no_outgoing_connection_takes_a_port_before_its_program_listens() -> None:
    chosen = set(free_ports(500))
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server, ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(server.getsockname())) for _ in range(100)]
        used = {client.getsockname()[1] for client in clients}
    assert len(used) == 100
    assert not chosen & used
