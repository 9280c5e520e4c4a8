"""The lock of a run: who only looks at it is no run."""

import fcntl
import os
import tempfile
import threading
import unittest
from dataclasses import replace
from pathlib import Path
from unittest import mock

from room import lock, settings


class Looking(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        root = Path(temporary.name)
        self.settings = replace(settings.load(), root=root, runtime=root)

    def looker(self) -> int:
        """One in the middle of its look. @returns what ends it when it is closed"""
        held = []

        def stop(descriptor: int) -> None:
            held.append(os.dup(descriptor))

        close = os.close
        with mock.patch.object(os, "close", lambda descriptor: (stop(descriptor), close(descriptor))):
            lock.is_free(self.settings)
        return held[0]

    def test_keeps_no_run_from_its_lock(self) -> None:
        looker = self.looker()
        gone = threading.Timer(0.2, os.close, [looker])
        gone.start()
        with lock.held(self.settings, "a backup"):
            self.assertFalse(lock.is_free(self.settings))
        gone.join()

    def test_finds_no_run_where_another_looks(self) -> None:
        looker = self.looker()
        self.assertTrue(lock.is_free(self.settings))
        os.close(looker)

    def test_a_run_is_told_of_another_run(self) -> None:
        with mock.patch.object(lock, "LOOK", 0.1), lock.held(self.settings, "a backup"):
            with self.assertRaisesRegex(lock.Busy, "at work: a backup since"), lock.held(self.settings, "a prune"):
                self.fail("two runs at once")
        with lock.held(self.settings, "a prune"):
            pass

    def test_a_lock_by_flock_of_a_shell_counts(self) -> None:
        with open(self.settings.root / "offsite-lock", "w", encoding="ascii") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            self.assertFalse(lock.is_free(self.settings, "offsite-"))
