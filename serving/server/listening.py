"""The port: taken before the model is loaded, and before a web framework is imported."""

import ipaddress
import resource
import socket

from stillroom.errors import UserError

MOST_HANDLES = 65_536
"""Open connections and files; most systems begin with 1,024, which a few idle clients can take all."""


def bind(host: str, port: int) -> socket.socket:
    """A listening socket, taken before the model is loaded, so that a taken port is told at once.

    It begins to listen when the server starts, for KServe's own probe is whether the port is open. Raises UserError.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        # Two that do not listen yet may share a port as long as both allow it, and would find out after their loads.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    except OSError as error:
        bound.close()
        advice = "Choose another with --port, or stop what listens there." if error.errno == 98 else ""
        raise UserError(f"Cannot listen on {host} port {port}: {error.strerror}. {advice}".rstrip()) from error
    except OverflowError as error:
        bound.close()
        raise UserError(f"There is no port {port}; ports go from 0 to 65535.") from error
    bound.set_inheritable(False)
    return bound


def allow_handles() -> None:
    """Let the process have as many open connections as the system allows, within reason."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_HANDLES if hard == resource.RLIM_INFINITY else min(hard, MOST_HANDLES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def is_local(bound: socket.socket) -> bool:
    """Whether only this machine can reach it."""
    return ipaddress.ip_address(bound.getsockname()[0]).is_loopback
