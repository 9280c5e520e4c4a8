"""A PostgreSQL that others run: what is not expected of it, and the way to it through the gate."""

import contextlib
import os
import socket
import socketserver
import subprocess
import tempfile
import threading
import time
import unittest
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

from room import catalog, files, health, look, manifest, metrics, origin, receiver, serve, settings, status, wal, way_out, work
from test_catalog import put_base
from test_health import backup, situation

OTHER = "db.former.example.org"


def put_dump(to: settings.Settings, day: str, size: int = 4) -> Path:
    """A verified dump of the server that the settings name, of two in the morning of that day. @returns its folder"""
    folder = to.dumps / f"dump-{day}-{to.host}"
    folder.mkdir(parents=True)
    part = {"bytes": size, "sha256": ""}
    for name in ("globals", "1.dump"):
        (folder / name).write_bytes(b"x" * size)
    found = {
        "format": manifest.FORMAT,
        "id": folder.name,
        "kind": "dump",
        "takenAt": f"{day}T02:00:00+00:00",
        "day": day,
        "server": {"systemId": origin.identity(to) if to.external else "7", "versionNumber": 170000},
        "globals": {"file": "globals", **part},
        "databases": [{"name": "shop", "file": "1.dump", **part}],
        **({"external": {"host": to.host, "database": to.external}} if to.external else {}),
    }
    manifest.write(folder, found)
    files.write_json(folder / manifest.VERIFIED, {"checksum": manifest.read(folder)["checksum"]})
    return folder


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


class Former(unittest.TestCase):
    """What another server has left is kept, and says nothing of the one of now."""

    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        root = Path(temporary.name)
        self.own = replace(settings.load(), root=root, runtime=root, host="postgres")
        self.now = replace(self.own, host="db.example.org", external="shop")

    def test_its_dump_of_today_keeps_nobody_from_taking_one(self) -> None:
        for before in (self.own, replace(self.now, host=OTHER), replace(self.now, external="other")):
            put_dump(before, "2026-05-05")
            self.assertEqual(work.done_days(self.now, "dump"), [])
            files.remove(self.now.dumps)
        put_dump(self.now, "2026-05-05")
        self.assertEqual(work.done_days(self.now, "dump"), ["2026-05-05"])
        self.assertEqual(work.done_days(self.own, "dump"), [])

    def test_its_dumps_are_neither_fresh_nor_larger_than_expected(self) -> None:
        put_dump(replace(self.now, host=OTHER), "2026-05-05", size=1000)
        self.assertEqual(self.problems(hours=26), [])
        self.assertRegex("".join(self.problems(hours=27)), "no verified dump, 27 h")
        put_dump(self.now, "2026-05-06", size=10)
        self.assertEqual(self.problems(hours=27), [])

    def problems(self, hours: int) -> list[str]:
        """On the seventh of May at two, so many hours after the room was given this server."""
        now = datetime(2026, 5, 7, 2, tzinfo=UTC)
        found = look.situation(self.now, [])
        return health.problems(replace(found, now=now, since=now - timedelta(hours=hours), free=100 << 30))

    def test_its_dumps_are_not_counted_in_the_metrics(self) -> None:
        put_dump(self.own, "2026-05-05")
        text = metrics.render(look.situation(self.now, []), None)
        self.assertIn('omniai_backup_verified{kind="dump"} 0\n', text)
        self.assertNotIn("age_seconds{", text)

    def test_a_copy_of_redis_and_what_is_damaged_are_of_no_former_server(self) -> None:
        (put_dump(self.own, "2026-05-05") / manifest.NAME).write_text("{", "utf-8")
        self.assertEqual(len(origin.present(self.now, catalog.dumps(self.now))), 1)
        self.assertTrue(origin.is_present(self.now, backup(1, kind="redis")))

    def test_its_base_backups_and_its_log_stay_until_the_dumps_of_now_fill_the_shelf(self) -> None:
        put_base(self.own, 1)
        put_base(self.own, 2, parent=1)
        log = self.own.root / "wal" / "7"
        log.mkdir(parents=True)
        to = replace(self.now, days=3)
        for day in ("2026-05-06", "2026-05-07"):
            put_dump(to, day)
        put_dump(replace(to, host=OTHER), "2026-05-08")
        self.assertEqual(work.prune_now(to), [])
        self.assertTrue(log.exists())
        put_dump(to, "2026-05-08")
        self.assertEqual(work.prune_now(to), ["base-1", "base-2"])
        self.assertFalse(log.exists())

    def test_another_server_has_a_day_for_its_first_dump(self) -> None:
        with mock.patch.object(status, "now", return_value="2026-05-05T02:00:00+00:00"):
            status.begin(self.own)
        for one in (self.now, self.own, self.now):
            self.assertNotEqual(status.begin(one)["since"], "2026-05-05T02:00:00+00:00")
            status.update(one, since="2026-05-05T02:00:00+00:00")
            self.assertEqual(status.begin(one)["since"], "2026-05-05T02:00:00+00:00")


class Proxy(socketserver.BaseRequestHandler):
    """Answers CONNECT as its server says, and gives back what comes after it."""

    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.request.recv(1)
        self.server.asked.append(head.split(b"\r\n")[0].decode())  # type: ignore[attr-defined]
        self.request.sendall(self.server.answer)  # type: ignore[attr-defined]
        if self.server.hangs:  # type: ignore[attr-defined]
            self.request.recv(1 << 16, socket.MSG_WAITALL)
            return
        # Whoever was refused does not wait for the end.
        with contextlib.suppress(OSError):
            while piece := self.request.recv(1 << 16):
                self.request.sendall(piece)


class WayOut(unittest.TestCase):
    def setUp(self) -> None:
        self.proxy = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Proxy)
        self.proxy.daemon_threads = True
        self.proxy.hangs = False  # type: ignore[attr-defined]
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

    def test_gives_up_what_says_nothing_any_more_and_not_what_one_side_says(self) -> None:
        self.proxy.hangs = True  # type: ignore[attr-defined]
        way = self.through(host="silent.example.org")
        # The pauses are much shorter than what counts as quiet, as a busy machine makes them longer.
        with mock.patch.object(way_out, "QUIET", 2), socket.create_connection(("127.0.0.1", way.port), 10) as near:
            begun = time.monotonic()
            self.assertEqual(near.recv(5), b"first")
            for _ in range(6):
                time.sleep(0.4)
                near.sendall(b"x")
            self.assertEqual(near.recv(1), b"")
            self.assertGreater(time.monotonic() - begun, 4.3)
            # Whoever asks next says why; the thread that gave up may not have said it at once.
            while not way.refused and time.monotonic() < begun + 60:
                time.sleep(0.01)
        self.assertEqual(way.refused, "nothing was heard of the server for 2 s")

    def test_ends_where_the_gate_is_away_or_says_no_end(self) -> None:
        way = self.through(host="endless.example.org")
        self.proxy.answer = b"HTTP/1.0 200 " + b"x" * 20_000  # type: ignore[attr-defined]
        self.assertEqual(self.said(way, b""), b"")
        self.assertEqual(way.refused, "the gate broke off")
        gone = self.through(gate="http://127.0.0.1:1")
        self.assertEqual(self.said(gone, b""), b"")
        self.assertIn("refused", gone.refused)
