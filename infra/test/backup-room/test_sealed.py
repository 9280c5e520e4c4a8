"""The stack's state, sealed: it follows the operator's key, and somebody hears of it where it does not."""

import tempfile
import unittest
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

from room import errand, outgoing, sealed, settings
from room.offsite import Offsite
from room.restic import WRONG_KEY, Missing, Restic, WrongKey
from room.settings import RoomError

NOW = datetime(2026, 5, 5, 12, 0, tzinfo=UTC)


class Sealed(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.root = Path(temporary.name) / "backup"
        self.settings = replace(settings.load(), root=self.root)
        self.key = Path(temporary.name) / "key"
        self.conf = Offsite("s3:https://s3.example.org/b/dev", self.key, 10, 30, "", None, 120)
        self.full = False
        self.enterContext(mock.patch.object(sealed.offsite, "configured", lambda: self.conf))
        self.enterContext(mock.patch.object(Restic, "run", lambda repository, *args, **more: self.restic(repository, *args, **more)))
        self.key.write_text("first", "utf-8")

    def restic(self, repository: Restic, verb: str, *_: str, stdin: bytes = b"", **__: Any) -> list[Any]:
        """As far as it matters here: `config` says with which key a repository was made."""
        folder = Path(repository.repository)
        config = folder / "config"
        if verb == "init":
            folder.mkdir()
            config.write_text(self.key.read_text("utf-8"), "utf-8")
            return []
        if not config.exists():
            raise Missing("there is none")
        if config.read_text("utf-8") != self.key.read_text("utf-8"):
            raise repository.failure(verb, WRONG_KEY, "wrong password", False)
        if verb == "backup":
            if self.full:
                raise RoomError("The backup volume is full.\nmore")
            (folder / f"version-{len(list(folder.iterdir()))}").write_bytes(stdin)
            return [{"message_type": "summary", "snapshot_id": "0123456789"}]
        return []

    def content(self) -> list[str]:
        return sorted(path.read_text("utf-8") for path in (self.root / outgoing.SEALED).iterdir())

    def wrong(self, hours: float = 0) -> list[str]:
        since = {"since": (NOW - timedelta(hours=hours)).isoformat(), "last": {"at": NOW.isoformat()}}
        return errand.found_wrong(self.settings, NOW, self.conf, since, False)

    def test_keeps_one_more_version_under_the_same_key(self) -> None:
        sealed.seal(self.settings, b"one")
        sealed.seal(self.settings, b"two")
        self.assertEqual(self.content(), ["first", "one", "two"])
        self.assertEqual(self.wrong(hours=9), [])

    def test_is_made_anew_under_another_key_and_nothing_of_the_old_one_stays(self) -> None:
        sealed.seal(self.settings, b"one")
        self.key.write_text("second", "utf-8")
        self.assertIn("another key", self.wrong()[0])
        self.assertEqual(sealed.seal(self.settings, b"two"), {"id": "01234567", "bytes": 3})
        self.assertEqual(self.content(), ["second", "two"])
        self.assertEqual([path.name for path in self.root.iterdir() if path.is_dir()], [outgoing.SEALED])
        self.assertEqual(self.wrong(), [])

    def test_stays_as_it_is_where_the_new_one_cannot_be_made(self) -> None:
        sealed.seal(self.settings, b"one")
        self.key.write_text("second", "utf-8")
        self.full = True
        with self.assertRaises(RoomError):
            sealed.seal(self.settings, b"two")
        self.assertEqual(self.content(), ["first", "one"])
        # What that left is in nobody's way.
        self.full = False
        sealed.seal(self.settings, b"two")
        self.assertEqual(self.content(), ["second", "two"])

    def test_is_missed_an_hour_after_copies_were_asked_for(self) -> None:
        self.root.mkdir()
        self.assertEqual(self.wrong(hours=0.9), [])
        self.assertIn("is not among its copies off-site", self.wrong(hours=1.1)[0])

    def test_that_failed_is_a_problem_until_one_is_good(self) -> None:
        self.full = True
        with self.assertRaises(RoomError):
            sealed.seal(self.settings, b"one")
        self.assertRegex(self.wrong()[0], r"could not be sealed .*: The backup volume is full\.$")
        self.full = False
        sealed.seal(self.settings, b"one")
        self.assertEqual(self.wrong(), [])

    def test_of_a_room_that_noted_nothing_yet_is_no_problem(self) -> None:
        sealed.seal(self.settings, b"one")
        (self.root / outgoing.SEAL).unlink()
        self.assertEqual(self.wrong(hours=9), [])

    def test_is_linked_whole_where_another_takes_its_place_meanwhile(self) -> None:
        sealed.seal(self.settings, b"one")
        self.key.write_text("second", "utf-8")
        link, todo = outgoing.os.link, [b"two"]

        def late(source: Path, target: Path) -> None:
            link(source, target)
            if Path(source).parent.name == outgoing.SEALED and todo:
                sealed.seal(self.settings, todo.pop())

        with mock.patch.object(outgoing.os, "link", late):
            linked = outgoing.make(self.settings) / outgoing.SEALED
        self.assertEqual(sorted(path.read_text("utf-8") for path in linked.iterdir()), ["second", "two"])

    def test_says_which_way_to_go_where_the_key_is_another(self) -> None:
        other = WrongKey("another one", "name another folder")
        with mock.patch.object(Restic, "text", side_effect=other), self.assertRaises(RoomError) as caught:
            sealed.unseal(self.settings)
        self.assertIn("npm run up", caught.exception.remedy)
