"""The receiver: when its place in the log is lost, and until when a gap counts."""

import shutil
import subprocess
import sys
import time
import unittest
from pathlib import Path
from unittest import mock

from room import look, receiver, wal
from test_health import NOW, backup
from test_wal import Folder

CONTEXT = Path(receiver.__file__).parent.parent
FIRST, NEXT = "000000010000000000000001", "000000010000000000000002"


class Place(Folder):
    def lost(self) -> bool:
        found = receiver.Receiver(self.settings)
        found.system = "1"
        return found.has_lost_place()

    def test_without_a_slot_goes_on_from_an_unfinished_segment(self) -> None:
        (self.folder / f"archive/{FIRST}.zst").touch()
        (self.folder / f"incoming/{NEXT}.partial").touch()
        self.assertFalse(self.lost())

    def test_without_a_slot_and_without_one_is_lost(self) -> None:
        (self.folder / f"archive/{FIRST}.zst").touch()
        (self.folder / "incoming/00000002.history").touch()
        self.assertTrue(self.lost())

    def test_has_nothing_to_lose_at_first(self) -> None:
        self.assertFalse(self.lost())


class Looked(Folder):
    def running(self, script: str) -> receiver.Receiver:
        """@returns a receiver whose program is this one, which has said something by then"""
        found = receiver.Receiver(self.settings)
        found.system = "1"
        found.process = subprocess.Popen(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.addCleanup(found.stop)
        assert found.process.stdout is not None
        found.process.stdout.read(1)
        return found

    def test_what_it_has_said_itself_is_told_where_its_slot_is_lost_as_well(self) -> None:
        said = "requested WAL segment 000000010000000000000001 has already been removed"
        found = self.running(f"import sys; sys.stderr.write('{said}'); print()")
        assert found.process is not None
        found.process.wait()
        with mock.patch.object(found, "forget"), mock.patch.object(found, "start"):
            lost = found.look(wal.Place("1", 0, None, "lost"))
        self.assertIn("cannot be had any more: " + said, str(lost))

    def test_one_that_hangs_and_does_not_hear_is_ended_without_waiting_long(self) -> None:
        script = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
        found = self.running(script)
        found.known = time.monotonic() - self.settings.hangs - 1
        with mock.patch.object(receiver, "HANGING_SECONDS", 0.1):
            found.watch(wal.Place("1", 0, None, "reserved"))
        self.assertIsNone(found.process)
        self.assertIn("is started again", found.said)


class Gap(Folder):
    def test_counts_until_a_base_backup_was_begun_after_it(self) -> None:
        receiver.note_gap(self.settings, "2026-05-05T12:00:00+00:00", "it was away")
        before, after = "2026-05-05T11:59:59+00:00", "2026-05-05T12:00:00+00:00"
        for newest in (None, before):
            found = receiver.open_gap(self.settings, newest)
            self.assertEqual(found and found["what"], "it was away")
        self.assertIsNone(receiver.open_gap(self.settings, after))

    def test_is_none_where_none_was_noted(self) -> None:
        self.assertIsNone(receiver.open_gap(self.settings, None))

    def test_is_not_closed_by_a_base_backup_of_a_clock_that_ran_ahead(self) -> None:
        ahead, real = backup(-48, kind="base"), backup(5, kind="base")
        found = look.newest_base([ahead, real], NOW)
        self.assertEqual(found, real.manifest)
        self.assertIsNone(look.newest_base([ahead, backup(1), backup(2, verified=False, kind="base")], NOW))


class Fetch(Folder):
    def test_a_segment_that_is_only_being_made_is_not_there_yet(self) -> None:
        target, coming = self.folder / "fetched", self.folder / f"incoming/{FIRST}.partial"
        script = ["sh", str(CONTEXT / "fetch-wal.sh"), str(self.folder), FIRST, str(target)]
        for made in (b"", bytes(1), bytes(4096)):
            coming.write_bytes(made)
            self.assertEqual(subprocess.run(script, check=False).returncode, 1)
            self.assertFalse(target.exists())
        coming.write_bytes(b"\x16\xd1" + bytes(4096))
        self.assertEqual(subprocess.run(script, check=False).returncode, 0)
        self.assertEqual(target.read_bytes(), coming.read_bytes())


@unittest.skipUnless(shutil.which("zstd"), "zstd is not on this machine")
class SetAside(Folder):
    def test_an_unfinished_segment_is_kept_and_does_not_stand_for_the_whole_one(self) -> None:
        target = self.folder / "fetched"

        def fetch() -> str:
            script = ["sh", str(CONTEXT / "fetch-wal.sh"), str(self.folder), FIRST, str(target)]
            subprocess.run(script, check=True)
            return target.read_text("utf-8")

        (self.folder / f"incoming/{FIRST}.partial").write_text("half", "utf-8")
        # setpriv, through which programs are run, may be missing here.
        if shutil.which("setpriv") is None:
            self.skipTest("setpriv is not on this machine")
        receiver.set_aside(self.folder)
        self.assertEqual(list((self.folder / "incoming").iterdir()), [])
        self.assertEqual(fetch(), "half")
        self.assertEqual(wal.newest(self.settings, "1"), FIRST)
        (self.folder / f"incoming/{FIRST}").write_text("whole", "utf-8")
        self.assertEqual(fetch(), "whole")
        wal.archive(self.settings, "1")
        self.assertEqual(fetch(), "whole")
        self.assertEqual(wal.prune(self.settings, "1", NEXT), 2)
