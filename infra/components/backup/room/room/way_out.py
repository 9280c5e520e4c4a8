"""The room's way to a PostgreSQL that others run: a port of this process that leads through the gate to that one server.

libpq knows no HTTP proxy. It connects to this port (`hostaddr`) and checks the certificate for the server's own name (`host`), so
the gate, and whoever is behind it, sees only what is encrypted.
"""

import contextlib
import socket
import socketserver
import threading
from urllib.parse import urlsplit

from .settings import Settings

# So long may the gate take to reach the server, in seconds. libpq itself gives up after 10.
PATIENCE = 10
CHUNK = 1 << 16
# An answer to CONNECT has no body, and a head of a few lines.
LONGEST_HEAD = 8192


def connect(gate: str, host: str, port: int) -> socket.socket:
    """A connection to a host through an HTTP proxy. @throws OSError that says who did not want it"""
    place = urlsplit(gate)
    far = socket.create_connection((place.hostname or "", place.port or 80), timeout=PATIENCE)
    try:
        name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        far.sendall(f"CONNECT {name} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        head = b""
        # Byte by byte: what follows the head is the server's.
        while not head.endswith(b"\r\n\r\n"):
            piece = far.recv(1)
            if not piece or len(head) > LONGEST_HEAD:
                raise OSError("the gate broke off")
            head += piece
        first = head.split(b"\r\n", 1)[0].decode("latin-1")
        if first.split(" ")[1:2] != ["200"]:
            raise OSError(f"the gate answered {first.partition(' ')[2]}")
        far.settimeout(None)
    except BaseException:
        far.close()
        raise
    return far


def pump(source: socket.socket, target: socket.socket) -> None:
    """Until one side ends; the other is told."""
    with contextlib.suppress(OSError):
        while piece := source.recv(CHUNK):
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


class WayOut(socketserver.ThreadingTCPServer):
    """Listens inside of the container only, for as long as this process runs."""

    daemon_threads = True

    def __init__(self, settings: Settings) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.settings = settings
        # Why the last connection did not come about, for whom libpq can only say that it was closed.
        self.refused = ""
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class Handler(socketserver.BaseRequestHandler):
    server: WayOut

    def handle(self) -> None:
        settings = self.server.settings
        try:
            far = connect(settings.gate, settings.host, settings.port)
        except OSError as error:
            self.server.refused = str(error)
            return
        self.server.refused = ""
        with far:
            back = threading.Thread(target=pump, args=(far, self.request), daemon=True)
            back.start()
            pump(self.request, far)
            back.join()


_open: dict[tuple[str, str, int], WayOut] = {}


def through(settings: Settings) -> WayOut:
    """The way of this process, which is opened when it is first wanted."""
    key = (settings.gate, settings.host, settings.port)
    if key not in _open:
        _open[key] = WayOut(settings)
    return _open[key]
