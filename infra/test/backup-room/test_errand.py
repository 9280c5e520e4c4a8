"""Copies off-site: when one is due, and when somebody has to look."""

import contextlib
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

from room import errand, lock, offsite, settings, status
from room.courier import is_due as is_time
from room.errand import is_due, problems, why
from room.offsite import Offsite

NOW = datetime(2026, 5, 5, 12, 0, tzinfo=UTC)
CONF = Offsite("s3:https://s3.example.org/b/dev", Path("/key"), 10, 30, "", None, 120)


def found(minutes: float | None = None, failed: float | None = None, lasting: bool = False) -> dict[str, Any]:
    def at(ago: float) -> str:
        return (NOW - timedelta(minutes=ago)).isoformat()

    return {
        "last": None if minutes is None else {"at": at(minutes), "changed": 1.0},
        "failure": None if failed is None else {"at": at(failed), "what": "it broke\nmore", "lasting": lasting},
    }


class Due(unittest.TestCase):
    def due(self, changed: float = 2.0, **past: Any) -> bool:
        return is_due(NOW, CONF, found(**past), changed)

    def test_the_first_is_due_at_once(self) -> None:
        self.assertTrue(self.due())

    def test_what_is_new_is_sent_after_the_interval(self) -> None:
        self.assertFalse(self.due(minutes=9))
        self.assertTrue(self.due(minutes=10))

    def test_without_anything_new_a_copy_an_hour_shows_that_the_bucket_is_there(self) -> None:
        self.assertFalse(self.due(minutes=30, changed=1.0))
        self.assertTrue(self.due(minutes=60, changed=1.0))

    def test_a_failure_is_tried_again_after_the_interval(self) -> None:
        self.assertFalse(self.due(minutes=60, failed=9))
        self.assertTrue(self.due(minutes=60, failed=10))

    def test_a_clock_that_was_two_days_ahead_holds_nothing_back(self) -> None:
        self.assertTrue(self.due(minutes=-2880))
        self.assertTrue(self.due(minutes=60, failed=-2880))


class Problems(unittest.TestCase):
    def of(self, since: float = 6000, under_way: bool = False, **past: Any) -> list[str]:
        return problems(NOW, CONF, found(**past), NOW - timedelta(minutes=since), under_way)

    def test_a_fresh_copy_is_well(self) -> None:
        self.assertEqual(self.of(minutes=119), [])

    def test_an_old_copy_is_not_unless_the_next_is_under_way(self) -> None:
        self.assertEqual(self.of(minutes=185), ["the newest copy off-site is 3 h old (120 min are allowed)"])
        self.assertEqual(self.of(minutes=185, under_way=True), [])
        self.assertEqual(len(self.of(minutes=60 * 27, under_way=True)), 1)

    def test_the_first_copy_has_a_day(self) -> None:
        self.assertEqual(self.of(since=60 * 25), [])
        self.assertEqual(self.of(since=60 * 27), ["there is no copy off-site after 27 h (26 h are allowed)"])

    def test_a_failure_that_may_pass_is_no_alarm_before_the_copy_is_old(self) -> None:
        self.assertEqual(self.of(minutes=20, failed=5), [])
        self.assertIn("it broke", self.of(minutes=185, failed=5)[1])

    def test_a_failure_that_somebody_has_to_end_is_one_at_once(self) -> None:
        self.assertEqual(len(self.of(minutes=20, failed=5, lasting=True)), 1)

    def test_damage_is_said_until_a_check_is_good(self) -> None:
        damaged = {**found(minutes=5), "damage": {"what": "pack 1 is broken"}}
        self.assertIn("damaged: pack 1", problems(NOW, CONF, damaged, NOW, False)[0])

    def test_what_a_copy_lacks_is_said_until_one_has_it(self) -> None:
        past = found(minutes=5)
        lacking = {**past, "last": {**past["last"], "lacking": "without the certificates"}}
        self.assertEqual(problems(NOW, CONF, lacking, NOW, False), ["without the certificates"])

    def test_a_copy_of_tomorrow_says_that_the_clock_was_wrong(self) -> None:
        self.assertIn("dated in the future", self.of(minutes=-2880)[0])


class Look(unittest.TestCase):
    """What the loop makes of a copy that ends while it looks."""

    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.root = Path(temporary.name)
        self.settings = replace(settings.load(), root=self.root, runtime=self.root)
        key = self.root / "key"
        key.write_text("key")
        self.errand = errand.Errand(self.settings)
        self.errand.conf = replace(CONF, key=key)
        # Of long ago, so that the next copy is due.
        offsite.update(self.settings, since=status.now(), failure={"at": "2026-01-01T00:00:00+00:00", "what": "the one before"})

    def look(self, meanwhile: Callable[[], None] = lambda: None) -> list[Any]:
        """@param meanwhile happens right after the notes were read. @returns what was begun"""
        read, left = offsite.read, [meanwhile]

        def and_then(of: settings.Settings) -> dict[str, Any]:
            notes = read(of)
            if left:
                left.pop()()
            return notes

        begun: list[Any] = []
        with (
            mock.patch.object(offsite, "read", and_then),
            mock.patch.object(self.errand, "has_anything", lambda: True),
            mock.patch.object(errand.subprocess, "Popen", lambda command, **_: begun.append(command)),
        ):
            self.errand.look(True)
        return begun

    def note_failure(self, what: str) -> None:
        offsite.update(self.settings, failure={"at": status.now(), "what": what})

    def child(self, program: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        self.errand.child = subprocess.Popen([sys.executable, "-c", program], stdin=stdin)
        return self.errand.child

    def test_one_that_fails_while_the_notes_are_read_is_not_begun_again_at_once_and_said_by_its_own(self) -> None:
        child = self.child("input(); raise SystemExit(1)", subprocess.PIPE)

        def fails() -> None:
            self.note_failure("the bucket is away")
            child.communicate(b"\n")

        self.assertEqual(self.look(fails), [])
        self.assertEqual(self.errand.said, "")
        self.assertEqual(self.look(), [])
        self.assertEqual(self.errand.said, "the bucket is away")

    def test_one_by_hand_that_fails_while_the_notes_are_read_is_not_begun_again_at_once(self) -> None:
        by_hand = contextlib.ExitStack()
        by_hand.enter_context(lock.held(self.settings, "a copy off-site", "offsite-"))

        def fails() -> None:
            self.note_failure("the bucket is away")
            by_hand.close()

        self.assertEqual(self.look(fails), [])
        self.assertEqual(self.look(), [])

    def test_one_that_is_due_is_begun(self) -> None:
        self.assertEqual(len(self.look()), 1)

    def test_one_that_ends_without_a_note_is_not_said_by_the_note_of_the_one_before(self) -> None:
        self.child("raise SystemExit(1)").wait()
        self.look()
        self.assertEqual(self.errand.said, "it ended with code 1 before it could say why")

    def test_says_why_by_its_own_note_alone(self) -> None:
        begun = "2026-05-05T12:00:00+00:00"
        own, other = {"at": begun, "what": "full"}, {"at": "2026-05-05T11:59:59+00:00", "what": "old"}
        self.assertEqual([why(1, own, begun), why(0, own, begun), why(errand.BUSY, other, begun)], ["full", "", ""])
        self.assertIn("signal 9", why(-9, other, begun))

    def test_who_asks_is_told_that_one_is_under_way_which_ends_meanwhile(self) -> None:
        found: list[bool] = []
        by_hand = contextlib.ExitStack()
        by_hand.enter_context(lock.held(self.settings, "a copy off-site", "offsite-"))

        def read(_: settings.Settings) -> dict[str, Any]:
            by_hand.close()
            return {"since": status.now()}

        def wrong(*given: Any) -> list[str]:
            found.append(given[-1])
            return []

        with (
            mock.patch.object(offsite, "configured", lambda: self.errand.conf),
            mock.patch.object(offsite, "read", read),
            mock.patch.object(errand, "found_wrong", wrong),
        ):
            errand.trouble(self.settings)
        self.assertEqual(found, [True])


class Upkeep(unittest.TestCase):
    def test_it_is_due_after_its_time_and_after_a_wrong_clock(self) -> None:
        day = timedelta(days=1)
        self.assertTrue(is_time(None, NOW, day))
        self.assertFalse(is_time((NOW - timedelta(hours=23)).isoformat(), NOW, day))
        self.assertTrue(is_time((NOW - day).isoformat(), NOW, day))
        self.assertTrue(is_time((NOW + day).isoformat(), NOW, day))


if __name__ == "__main__":
    unittest.main()
