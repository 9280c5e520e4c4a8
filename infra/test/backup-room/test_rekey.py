"""Another key for the copies: which ones go, and when."""

import contextlib
import io
import json
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

from room import lock, offsite, rekey, settings


class Repository:
    """Answers as restic does, for the keys that it is given."""

    def __init__(self, current: str, *others: str) -> None:
        self.current, self.ids, self.removed = current, [current, *others], []

    def run(self, *args: str) -> list[Any]:
        if args == ("key", "list"):
            return [[{"id": one, "current": one == self.current} for one in self.ids]]
        assert args[:2] == ("key", "remove")
        self.removed.append(args[2])
        return []


class Add(unittest.TestCase):
    def test_says_what_it_waits_for(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            root = Path(name)
            conf = offsite.Offsite("s3:https://s3.example.org/b/dev", root / "key", 10, 30, "", None, 120)
            there = replace(settings.load(), root=root, runtime=root)
            said = io.StringIO()
            with (
                lock.held(there, "a copy off-site", "offsite-"),
                mock.patch.object(offsite, "required", lambda: conf),
                mock.patch.object(rekey, "PATIENCE", 1),
                contextlib.redirect_stdout(said),
                self.assertRaises(lock.Busy),
            ):
                rekey.add(there, "new")
        (line,) = said.getvalue().splitlines()
        self.assertRegex(json.loads(line)["text"], "^waiting at most 1 s for another run: a copy off-site since ")


class Retire(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.settings = replace(settings.load(), root=Path(temporary.name))

    def after(self, repository: Repository, *former: str) -> tuple[list[str], list[str]]:
        """A copy was sent. @returns what was removed, and what is still to go"""
        offsite.update(self.settings, retire=list(former))
        rekey.retire(self.settings, repository)  # type: ignore[arg-type]
        return repository.removed, offsite.read(self.settings)["retire"]

    def test_takes_the_former_keys_once_a_copy_was_sent_with_the_new_one(self) -> None:
        self.assertEqual(self.after(Repository("new", "old"), "old"), (["old"], []))

    def test_takes_none_while_the_former_one_is_in_use(self) -> None:
        self.assertEqual(self.after(Repository("old", "new"), "old"), ([], ["old"]))

    def test_takes_what_a_broken_rotation_has_left_with_the_next_one(self) -> None:
        self.assertEqual(self.after(Repository("new", "old", "lost"), "old", "lost"), (["old", "lost"], []))

    def test_without_a_rotation_leaves_a_key_that_somebody_else_has_added(self) -> None:
        self.assertEqual(self.after(Repository("one", "other")), ([], []))
