"""Stands between the room and a real S3 server, and breaks what it is told to: PUT /fault/NAME. Python's own library only."""

import http.client
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BEHIND = sys.argv[1]
fault = {"name": "none", "hits": 0}


def error(code: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                self.send_header(name, value)
        length = (headers or {}).get("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_one(self) -> None:
        if self.path.startswith("/fault/"):
            fault.update(name=self.path.removeprefix("/fault/"), hits=0)
            return self.answer(200, b"")
        if self.path == "/hits":
            return self.answer(200, str(fault["hits"]).encode())
        length = int(self.headers.get("Content-Length") or 0)
        name = str(fault["name"])
        writes = self.command == "PUT" and "/data/" in self.path
        if name == "500" or (name == "full" and writes):
            self.rfile.read(length)
            fault["hits"] += 1
            return self.answer(500, error("InternalError")) if name == "500" else self.answer(403, error("QuotaExceeded"))
        if name == "cut" and writes and fault["hits"] < 3:
            # Half of it arrives, then the line is dead.
            fault["hits"] += 1
            self.rfile.read(length // 2)
            self.close_connection = True
            return self.connection.close()
        if name == "hang" and writes:
            fault["hits"] += 1
            time.sleep(600)
        body = b""
        while len(body) < length:
            chunk = self.rfile.read(min(length - len(body), 16384))
            if not chunk:
                return None
            body += chunk
            if name == "slow":
                fault["hits"] += 1
                time.sleep(0.02)
        behind = http.client.HTTPConnection(BEHIND, timeout=60)
        # The signature covers the name of the host.
        behind.request(self.command, self.path, body or None, dict(self.headers.items()))
        response = behind.getresponse()
        self.answer(response.status, response.read(), dict(response.getheaders()))
        behind.close()

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_one


ThreadingHTTPServer(("0.0.0.0", 9000), Handler).serve_forever()
