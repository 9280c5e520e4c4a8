"""The loop: what it makes of a run that ended."""

import contextlib
import io
import subprocess
import sys
import tempfile
import time
import unittest
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

from room import catalog, files, lock, look, offsite, schedule, serve, settings, status


class Ended(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        root = Path(temporary.name)
        self.settings = replace(settings.load(), root=root, runtime=root)

    def after(self, code: int, said: str = "") -> Any:
        """@param said what the run has noted itself. @returns the failure that is noted after it ended with this code"""
        room = serve.Room(self.settings)
        if said:
            status.failed(self.settings, said)
        room.child = subprocess.Popen([sys.executable, "-c", f"raise SystemExit({code})"])
        room.child.wait()
        with contextlib.redirect_stdout(io.StringIO()):
            room.look_after_child()
        self.assertIsNone(room.child)
        return status.read(self.settings).get("failure")

    def test_a_run_that_failed_without_a_note_gets_one_and_is_not_begun_again_at_once(self) -> None:
        status.update(self.settings, failure={"at": "2026-01-01T00:00:00+00:00", "what": "an old one"})
        failure = self.after(1)
        self.assertIn("ended with code 1", failure["what"])
        at = datetime.fromisoformat(failure["at"])
        # At the time of the failure, and not now: between the two it may be midnight.
        self.assertIsNone(schedule.is_due(at, "UTC", "00:00", [], at))

    def test_a_run_that_has_said_why_it_failed_is_believed(self) -> None:
        self.assertEqual(self.after(1, "the volume is full")["what"], "the volume is full")

    def test_one_that_found_another_run_under_way_has_not_failed(self) -> None:
        self.assertIsNone(self.after(serve.BUSY))

    def test_one_that_fails_while_the_server_is_asked_is_not_begun_again_at_once(self) -> None:
        room = serve.Room(self.settings)
        begun: list[object] = []

        def asked(_: settings.Settings) -> None:
            # The notes are of whole seconds.
            time.sleep(1.1)
            status.failed(self.settings, "somebody's run, the volume is full")

        with mock.patch.object(serve.wal, "ask", asked), mock.patch.object(room, "start", begun.append):
            with contextlib.redirect_stdout(io.StringIO()):
                room.tick()
        self.assertEqual(begun, [])

    def test_one_that_ends_while_the_loop_begins_was_not_interrupted(self) -> None:
        by_hand = contextlib.ExitStack()
        by_hand.enter_context(lock.held(self.settings, "a backup"))
        free = lock.is_free

        def ended(of: settings.Settings) -> bool:
            by_hand.close()
            return free(of)

        with mock.patch.object(lock, "is_free", ended), contextlib.redirect_stdout(io.StringIO()):
            serve.Room(self.settings).notice_interrupted()
        self.assertEqual(status.read(self.settings), {})

    def test_one_that_was_killed_with_the_room_was(self) -> None:
        files.write_json(self.settings.running, {"what": "a backup", "since": "12:00", "pid": 1})
        with contextlib.redirect_stdout(io.StringIO()):
            serve.Room(self.settings).notice_interrupted()
        self.assertTrue(status.read(self.settings)["interrupted"])
        self.assertFalse(self.settings.running.exists())


class Clock(unittest.TestCase):
    """A note that is compared with the clock is read before the clock is: one of a moment later would lie ahead of it."""

    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        root = Path(temporary.name)
        self.settings = replace(settings.load(), root=root, runtime=root)

    def read_last(self) -> tuple[list[float], contextlib.ExitStack]:
        """@returns when notes were read, and what ends the listening"""
        times: list[float] = []
        patches = contextlib.ExitStack()
        for module, name in ((status, "read"), (offsite, "read"), (catalog, "within")):
            of = getattr(module, name)

            def read(*given: Any, of: Any = of) -> Any:
                found = of(*given)
                times.append(time.time())
                return found

            patches.enter_context(mock.patch.object(module, name, read))
        configured = offsite.Offsite("s3:https://s3.example.org/b/dev", Path("/key"), 10, 30, "", None, 120)
        patches.enter_context(mock.patch.object(offsite, "configured", lambda: configured))
        return times, patches

    def test_of_what_the_room_knows(self) -> None:
        times, patches = self.read_last()
        with patches:
            now = look.situation(self.settings, []).now
        self.assertGreaterEqual(now.timestamp(), max(times))

    def test_of_whether_a_backup_is_due(self) -> None:
        times, patches = self.read_last()
        asked: list[datetime] = []
        with patches, mock.patch.object(schedule, "is_due", lambda now, *_: asked.append(now)):
            serve.Room(self.settings).due()
        self.assertGreaterEqual(asked[0].timestamp(), max(times))
