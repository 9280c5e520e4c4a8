"""When the authority is asked next, and what the room says of itself."""

import tempfile
import unittest
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from certificates import clock, state
from test_certbot import SETTINGS

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


def seconds(tries: state.Tries) -> float:
    assert tries.next is not None
    return (datetime.fromisoformat(tries.next) - NOW).total_seconds()


class Wait(unittest.TestCase):
    def test_doubles_up_to_six_hours(self) -> None:
        waits = [state.wait(failures, SETTINGS, 0) for failures in range(1, 10)]
        self.assertEqual(waits, [300, 600, 1200, 2400, 4800, 9600, 19200, 21600, 21600])
        self.assertEqual(state.wait(10**6, SETTINGS, 1), 21600 * 1.1)

    def test_stays_below_five_failures_an_hour_as_authorities_allow(self) -> None:
        moments, at = [0.0], 0.0
        for failures in range(1, 20):
            at += state.wait(failures, SETTINGS, 0)
            moments.append(at)
        for begin in moments:
            self.assertLess(len([one for one in moments if begin <= one < begin + 3600]), 5)


class Tries(unittest.TestCase):
    def test_that_were_broken_off_wait_after_a_start_as_those_that_failed(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            notes = Path(folder) / "tries.json"
            tries = state.Tries("key")
            state.begin(notes, tries, SETTINGS, NOW)
            self.assertEqual(tries.failures, 0)
            kept = state.load(notes, "key")
            self.assertEqual(kept.failures, 1)
            self.assertFalse(kept.is_due(NOW + timedelta(minutes=4)))

    def test_are_not_begun_where_nothing_can_be_kept(self) -> None:
        with tempfile.NamedTemporaryFile() as file, self.assertRaises(OSError):
            state.begin(Path(file.name) / "tries.json", state.Tries("key"), SETTINGS, NOW)

    def test_begin_at_once_and_count_what_fails(self) -> None:
        tries = state.Tries("key")
        self.assertTrue(tries.is_due(NOW))
        tries.failed(NOW, SETTINGS, "no")
        tries.failed(NOW + timedelta(minutes=5), SETTINGS, "no again")
        self.assertEqual((tries.failures, tries.problem, tries.since), (2, "no again", NOW.isoformat(timespec="seconds")))
        self.assertFalse(tries.is_due(NOW))
        tries.succeeded(NOW, SETTINGS, None)
        self.assertEqual((tries.failures, tries.problem, tries.since), (0, None, None))
        self.assertAlmostEqual(seconds(tries), 3600, delta=10)

    def test_come_again_when_the_authority_wants_to_be_asked_and_not_before(self) -> None:
        tries = state.Tries("key")
        tries.succeeded(NOW, SETTINGS, NOW + timedelta(hours=6))
        self.assertAlmostEqual(seconds(tries), 6 * 3600, delta=10)
        tries.succeeded(NOW, SETTINGS, NOW + timedelta(seconds=1))
        self.assertAlmostEqual(seconds(tries), 3600, delta=10)

    def test_are_kept_for_the_same_settings_alone(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "tries.json"
            tries = state.Tries("key")
            tries.failed(NOW, SETTINGS, "no")
            state.keep(path, tries)
            self.assertEqual(state.load(path, "key"), tries)
            self.assertEqual(state.load(path, "other").failures, 0)
            path.write_text("{", "utf-8")
            self.assertEqual(state.load(path, "key"), state.Tries("key"))

    def test_begin_anew_with_another_token(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            token = Path(folder) / "cloudflare.ini"
            token.write_text("one", "utf-8")
            settings = replace(SETTINGS, cloudflare=str(token))
            before = settings.key
            token.write_text("two", "utf-8")
            self.assertNotEqual(settings.key, before)
            self.assertEqual(settings.name, SETTINGS.name)


class Metrics(unittest.TestCase):
    WITHOUT = state.State(
        hosts=SETTINGS.hosts,
        directory=SETTINGS.directory,
        ends=None,
        fingerprint=None,
        served=None,
        failures=2,
        since=None,
        problem=None,
        tried=NOW.isoformat(),
        next=None,
        at=NOW.isoformat(),
    )

    def test_have_no_end_of_a_certificate_that_is_not_there(self) -> None:
        text = state.render(self.WITHOUT)
        self.assertIn("\nomniai_acme_certificate_present 0\n", text)
        self.assertIn("\nomniai_acme_failures 2\n", text)
        self.assertNotIn("certificate_end", text)
        self.assertNotIn("certificate_served", text)

    def test_say_when_it_ends_and_whether_it_is_served(self) -> None:
        text = state.render(replace(self.WITHOUT, ends=NOW.isoformat(), fingerprint="ab", served=None))
        self.assertIn(f"\nomniai_acme_certificate_end_timestamp_seconds {NOW.timestamp():.0f}\n", text)
        self.assertIn("\nomniai_acme_certificate_served 0\n", text)
        self.assertIn("\nomniai_acme_certificate_served 1\n", state.render(replace(self.WITHOUT, ends=NOW.isoformat(), served=True)))


class Clock(unittest.TestCase):
    def test_is_told_when_it_is_off_by_more_than_a_minute(self) -> None:
        self.assertEqual(clock.told(59), "")
        self.assertRegex(clock.told(86400), "86400 s ahead of the authority's")
        self.assertRegex(clock.told(-120), "120 s behind the authority's")

    def test_is_no_subject_where_nobody_answers(self) -> None:
        self.assertEqual(clock.remark("https://127.0.0.1:1/dir", 1), "")


if __name__ == "__main__":
    unittest.main()
