"""A PostgreSQL that others run: what is not expected of it, and the way to it through the gate."""

import contextlib
import os
import socket
import socketserver
import subprocess
import tempfile
import threading
import unittest
from dataclasses import replace
from pathlib import Path
from unittest import mock

from room import catalog, look, metrics, receiver, serve, settings, wal, way_out
from test_health import backup, situation


class Expected(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        root = Path(temporary.name)
        self.settings = replace(settings.load(), root=root, runtime=root, external="shop")

    def test_the_settings_are_of_the_stack_s_own_server_unless_they_say_otherwise(self) -> None:
        self.assertIsNone(settings.load().external)
        told = {"OMNIAI_EXTERNAL_DATABASE": "shop", "OMNIAI_OFFSITE_PROXY": "http://offsite:8888"}
        with mock.patch.dict(os.environ, told):
            found = settings.load()
        self.assertEqual((found.external, found.gate), ("shop", "http://offsite:8888"))

    def test_only_dumps_are_taken_and_copies_of_a_redis(self) -> None:
        self.assertEqual(catalog.kinds(self.settings), ("dump",))
        self.assertEqual(catalog.kinds(replace(self.settings, redis="redis")), ("dump", "redis"))

    def test_nobody_asks_for_its_log_or_begins_to_receive_it(self) -> None:
        with mock.patch.object(subprocess, "run", side_effect=AssertionError("a program was started")):
            self.assertIsNone(wal.ask(self.settings))
            room = serve.Room(self.settings)
            self.assertEqual(room.receive(), [])
        self.assertIsNone(room.receiver.process)
        self.assertFalse(room.needs_base())

    def test_a_gap_from_when_the_stack_ran_it_itself_is_over(self) -> None:
        receiver.note_gap(self.settings, "2026-05-05T10:00:00+00:00", "the slot is gone")
        self.assertIsNone(look.situation(self.settings, []).gap)
        self.assertIsNotNone(look.situation(replace(self.settings, external=None), []).gap)

    def test_a_day_with_a_verified_dump_needs_nothing_more(self) -> None:
        found = situation(backup(2), base=None, kinds=catalog.kinds(self.settings))
        self.assertEqual(metrics.state(found, None)["problems"], [])
        text = metrics.render(found, None)
        self.assertNotIn("wal_lag", text)
        self.assertNotIn('kind="base"', text)
        self.assertIn("omniai_backup_healthy 1\n", text)
        self.assertIsNone(metrics.state(found, None)["walLagSeconds"])


class Proxy(socketserver.BaseRequestHandler):
    """Answers CONNECT as its server says, and gives back what comes after it."""

    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.request.recv(1)
        self.server.asked.append(head.split(b"\r\n")[0].decode())  # type: ignore[attr-defined]
        self.request.sendall(self.server.answer)  # type: ignore[attr-defined]
        # Whoever was refused does not wait for the end.
        with contextlib.suppress(OSError):
            while piece := self.request.recv(1 << 16):
                self.request.sendall(piece)


class WayOut(unittest.TestCase):
    def setUp(self) -> None:
        self.proxy = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Proxy)
        self.proxy.daemon_threads = True
        self.proxy.asked = []  # type: ignore[attr-defined]
        self.proxy.answer = b"HTTP/1.0 200 Connection established\r\nVia: none\r\n\r\nfirst"  # type: ignore[attr-defined]
        threading.Thread(target=self.proxy.serve_forever, daemon=True).start()
        self.addCleanup(self.proxy.server_close)
        self.addCleanup(self.proxy.shutdown)
        gate = f"http://127.0.0.1:{self.proxy.server_address[1]}"
        self.settings = replace(settings.load(), host="db.example.org", port=6432, external="shop", gate=gate)

    def through(self, **more: object) -> way_out.WayOut:
        way = way_out.through(replace(self.settings, **more))  # type: ignore[arg-type]
        self.addCleanup(way.server_close)
        self.addCleanup(way.shutdown)
        return way

    def said(self, way: way_out.WayOut, sent: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", way.port), 10) as near:
            near.sendall(sent)
            near.shutdown(socket.SHUT_WR)
            found = b""
            while piece := near.recv(1 << 16):
                found += piece
        return found

    def test_leads_to_the_server_and_brings_every_byte_both_ways(self) -> None:
        way = self.through()
        sent = os.urandom(3 << 20)
        self.assertEqual(self.said(way, sent), b"first" + sent)
        self.assertEqual(self.proxy.asked, ["CONNECT db.example.org:6432 HTTP/1.1"])  # type: ignore[attr-defined]
        self.assertIs(self.through(), way)

    def test_writes_an_address_of_ipv6_as_a_proxy_reads_it(self) -> None:
        self.said(self.through(host="2001:db8::1"), b"")
        self.assertEqual(self.proxy.asked, ["CONNECT [2001:db8::1]:6432 HTTP/1.1"])  # type: ignore[attr-defined]

    def test_says_who_did_not_want_it_and_forgets_that_once_it_works(self) -> None:
        way = self.through(host="refused.example.org")
        self.proxy.answer = b"HTTP/1.0 403 Filtered\r\n\r\n"  # type: ignore[attr-defined]
        self.assertEqual(self.said(way, b"x"), b"")
        self.assertEqual(way.refused, "the gate answered 403 Filtered")
        self.proxy.answer = b"HTTP/1.0 200 OK\r\n\r\n"  # type: ignore[attr-defined]
        self.assertEqual(self.said(way, b"x"), b"x")
        self.assertEqual(way.refused, "")

    def test_ends_where_the_gate_is_away_or_says_no_end(self) -> None:
        way = self.through(host="endless.example.org")
        self.proxy.answer = b"HTTP/1.0 200 " + b"x" * 20_000  # type: ignore[attr-defined]
        self.assertEqual(self.said(way, b""), b"")
        self.assertEqual(way.refused, "the gate broke off")
        gone = self.through(gate="http://127.0.0.1:1")
        self.assertEqual(self.said(gone, b""), b"")
        self.assertIn("refused", gone.refused)
