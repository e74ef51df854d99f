"""Which port a local server listens on: the one that was asked for, else a free one."""

from __future__ import annotations

import socket


def free_port(host: str, preferred: int) -> int:
    """`preferred` where it is free on `host`, else a port that the system picks."""
    for port in (preferred, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError(f"{host} has no free port")
