#!/usr/bin/python3
"""What an SSH key for the drift check may do: look at the engine, and nothing else.

It is the forced command of that key (authorized_keys: restrict,command="/usr/local/lib/omniai/engine-reader" ssh-…).
A client of `docker system dial-stdio` speaks HTTP on standard input and output; each request is read whole and
written anew, so that nothing but what is understood here reaches the socket. ops opens one connection, which it holds
by a session of its own, and one such session in it for each client: each of them starts this program.
"""

import os
import re
import selectors
import signal
import socket
import sys

SOCKET = "/var/run/docker.sock"
# What ops' connection is held by, to the letter (ops/engine/ssh/master.ts). It is answered here and never run.
HOLD = (
    "docker context inspect --format '{{.Endpoints.docker.Host}}' || echo unix:///var/run/docker.sock; cat >/dev/null"
)
LONGEST_HEAD = 16 * 1024
# What looks at things. Not among it: files of a container or an image (archive, export, get), logs, attach, secrets.
NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
IMAGE = r"[A-Za-z0-9][A-Za-z0-9_./:@-]*"
ALLOWED = re.compile(
    r"(?:/v1\.\d{1,3})?/(?:_ping|version|info|"
    rf"containers/json|containers/{NAME}/json|images/json|images/{IMAGE}/json|"
    rf"networks|networks/{NAME}|volumes|volumes/{NAME})"
)
QUERY = re.compile(r"[A-Za-z0-9%&=._~+-]*")


class Refused(Exception):
    """The request may not pass; the text says why."""


def rewritten(head: bytes) -> bytes:
    """Pure: the request as the engine gets it."""
    line, *headers = head.decode("latin-1").split("\r\n")
    parts = line.split(" ")
    if len(parts) != 3 or parts[2] not in ("HTTP/1.1", "HTTP/1.0"):
        raise Refused("no HTTP request")
    method, target, _ = parts
    path, _, query = target.partition("?")
    if method not in ("GET", "HEAD") or not ALLOWED.fullmatch(path) or ".." in path or not QUERY.fullmatch(query):
        raise Refused(f"{method} {path} is more than looking")
    for header in headers:
        name, _, value = header.partition(":")
        if name.lower() == "transfer-encoding" or name.lower() == "upgrade":
            raise Refused(f"{name} is not allowed")
        if name.lower() == "content-length" and value.strip() != "0":
            raise Refused("a request with a body is more than looking")
    return f"{method} {target} HTTP/1.1\r\nHost: docker\r\nUser-Agent: engine-reader\r\n\r\n".encode("latin-1")


def refusal(reason: str) -> bytes:
    body = f'{{"message":"this SSH key may only look at the engine: {reason}"}}'.encode("ascii", "replace")
    head = f"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode("ascii") + b"Connection: close\r\n\r\n" + body


def write_whole(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def serve() -> None:
    engine = socket.socket(socket.AF_UNIX)
    engine.connect(SOCKET)
    selector = selectors.DefaultSelector()
    selector.register(0, selectors.EVENT_READ)
    selector.register(engine, selectors.EVENT_READ)
    waiting = b""
    while True:
        for key, _ in selector.select():
            if key.fileobj is engine:
                answer = engine.recv(65536)
                if not answer:
                    return
                write_whole(1, answer)
                continue
            asked = os.read(0, 65536)
            if not asked:
                # The client has said all; the engine closes when it has answered.
                selector.unregister(0)
                engine.shutdown(socket.SHUT_WR)
                continue
            waiting += asked
            while b"\r\n\r\n" in waiting:
                head, waiting = waiting.split(b"\r\n\r\n", 1)
                engine.sendall(rewritten(head))
            if len(waiting) > LONGEST_HEAD:
                raise Refused("the request is too long")


def hold() -> None:
    """Says where the engine is, and lasts as long as its input, whatever that is."""
    write_whole(1, f"unix://{SOCKET}\n".encode("ascii"))
    while os.read(0, 65536):
        pass


def main() -> int:
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    asked = os.environ.get("SSH_ORIGINAL_COMMAND", "")
    if asked == HOLD:
        hold()
        return 0
    if not re.fullmatch(r"'?docker'? '?system'? '?dial-stdio'?", asked.strip()):
        sys.stderr.write("This SSH key may only look at the engine: docker -H ssh://USER@HOST ps\n")
        return 126
    try:
        serve()
    except Refused as reason:
        # quotes and backslashes would end the text of the answer
        write_whole(1, refusal(re.sub(r'["\\]', "'", str(reason))))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
