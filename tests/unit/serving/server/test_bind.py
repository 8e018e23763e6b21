"""A port is taken when the server starts, not when its model is loaded."""

import socket

import pytest

pytest.importorskip("kserve", reason="the extra `serve` is not installed")

from serving.server.listening import bind
from stillroom.errors import UserError


def test_two_servers_that_start_together_do_not_take_one_port() -> None:
    with bind("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(UserError, match=f"Cannot listen on 127.0.0.1 port {port}.*Choose another with --port"):
            bind("127.0.0.1", port)


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 70000), ("192.0.2.1", 0), ("no such host", 0)])
def test_a_place_where_nobody_can_listen(host: str, port: int) -> None:
    with pytest.raises(UserError):
        bind(host, port)


def test_an_ipv6_address() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        with bind("::1", 0) as bound:
            assert bound.getsockname()[0] == "::1"
    except UserError:
        pytest.skip("no IPv6 here")
