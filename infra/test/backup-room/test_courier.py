"""Copies off-site: what a check of the repository says about it."""

import tempfile
import unittest
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

from room import courier, offsite, settings, status
from room.offsite import Offsite
from room.restic import Damaged, Offended, Restic
from room.settings import RoomError

CONF = Offsite("s3:https://s3.example.org/b/dev", Path("/key"), 10, 30, "", None, 120)


class Owner(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.settings = replace(settings.load(), root=Path(temporary.name), stack="prod")
        status.add_system(self.settings, "8")

    def refused(self, **more: Any) -> str:
        with self.assertRaises(Offended) as caught:
            courier.check_owner(replace(self.settings, **more), [{"hostname": "prod", "tags": ["omniai", "system-7"]}])
        return caught.exception.remedy

    def test_is_told_what_helps_with_the_server_that_it_has(self) -> None:
        self.assertIn("restore -- --latest --replace", self.refused())
        # There it would be refused as well.
        remedy = self.refused(external="shop")
        self.assertNotIn("--replace", remedy)
        self.assertIn("npm run backup -- fetch", remedy)

    def test_fetched_copies_are_its_own_from_then_on(self) -> None:
        target = self.settings.root / "fetching"
        target.mkdir()
        courier.merge(replace(self.settings, external="shop"), target, {"systems": ["7"]})
        status.add_system(self.settings, "8")
        courier.check_owner(self.settings, [{"hostname": "prod", "tags": ["omniai", "system-7"]}])


class Check(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.settings = replace(settings.load(), root=Path(temporary.name))
        self.repository = Restic(self.settings, CONF)

    def check(self, said: str, gave_up: bool = False, code: int = 1) -> RoomError:
        """A weekly check of which restic says this. @returns how it failed"""

        def fails(verb: str, *_: Any) -> list[Any]:
            raise self.repository.failure(verb, code, said, gave_up)

        with mock.patch.object(self.repository, "run", fails), self.assertRaises(RoomError) as caught:
            courier.check(self.settings, self.repository, 1)
        return caught.exception

    def damage(self) -> Any:
        return offsite.read(self.settings).get("damage")

    def test_notes_damage_where_restic_found_it(self) -> None:
        error = self.check("pack 12 contains errors: ciphertext verification failed\nFatal: repository contains errors")
        self.assertIsInstance(error, Damaged)
        self.assertIn("is damaged", self.damage()["what"])

    def test_notes_no_damage_where_the_repository_was_not_read(self) -> None:
        for said, gave_up, code in (
            ("dial tcp 192.0.2.1:443: i/o timeout", False, 1),
            ("Load failed: unexpected EOF\nFatal: repository contains errors", True, 130),
            ("Stat: Access Denied.", False, 1),
            ("x509: certificate signed by unknown authority", False, 1),
            ("The specified bucket does not exist", False, 1),
            ("wrong password or no key found", False, 12),
            ("unable to create lock in backend", False, 11),
            ("signal: killed", False, 137),
        ):
            with self.subTest(said):
                self.check(said, gave_up, code)
                self.assertIsNone(self.damage())

    def test_leaves_damage_that_was_found_until_a_check_is_good(self) -> None:
        self.check("pack 12 is damaged")
        self.check("dial tcp 192.0.2.1:443: i/o timeout")
        self.assertIsNotNone(self.damage())
        with mock.patch.object(self.repository, "run", lambda *_: []):
            courier.check(self.settings, self.repository, 2)
        self.assertIsNone(self.damage())


class Needed(unittest.TestCase):
    NOW = datetime(2026, 3, 1, tzinfo=UTC)

    def needed(self, **ago: timedelta) -> bool:
        at = {key: (self.NOW - age).isoformat() for key, age in ago.items()}
        damage = {"damage": {"at": at.pop("damage"), "what": "damaged"}} if "damage" in at else {}
        return courier.needs_check({**at, **damage}, self.NOW)

    def test_a_check_is_needed_at_first_and_each_week(self) -> None:
        self.assertTrue(self.needed())
        self.assertFalse(self.needed(checkedAt=timedelta(days=6)))
        self.assertTrue(self.needed(checkedAt=timedelta(days=7)))

    def test_what_is_damaged_is_not_read_back_with_every_copy(self) -> None:
        for checked in ({}, {"checkedAt": timedelta(days=30)}):
            with self.subTest(checked):
                self.assertFalse(self.needed(**checked, damage=timedelta(minutes=10)))
                self.assertTrue(self.needed(**checked, damage=timedelta(hours=24)))
