"""The log: how far it lags, which segments there are, and which may go."""

import tempfile
import unittest
from dataclasses import replace
from pathlib import Path

from room import settings, wal


class Alarms(unittest.TestCase):
    def test_come_after_a_minute_and_a_receiver_that_the_server_gave_up_has_half_a_minute(self) -> None:
        found = settings.load()
        self.assertEqual((found.every, found.lag, found.hangs), (10, 60, 30))


class Lag(unittest.TestCase):
    def test_is_nothing_while_all_is_received(self) -> None:
        lag = wal.Lag()
        for now in range(100):
            self.assertEqual(lag.note(now, now, now), 0)

    def test_is_the_age_of_the_oldest_change_that_is_not_received(self) -> None:
        lag = wal.Lag()
        lag.note(0, 100, 100)
        lag.note(10, 200, 100)
        lag.note(20, 300, 100)
        self.assertEqual(lag.note(50, 300, 100), 40)
        # The first of the two has come.
        self.assertEqual(lag.note(51, 300, 200), 31)
        self.assertEqual(lag.note(52, 300, 300), 0)

    def test_counts_from_when_the_receiver_went_though_nothing_changes(self) -> None:
        lag = wal.Lag()
        lag.note(0, 100, 100)
        lag.note(10, 100, None)
        self.assertEqual(lag.note(80, None, None), 70)
        self.assertEqual(lag.note(90, 100, 100), 0)

    def test_goes_on_counting_where_a_receiver_hung_before_it_went(self) -> None:
        lag = wal.Lag()
        lag.note(0, 100, 100)
        lag.note(10, 200, 100)
        self.assertEqual(lag.note(50, 200, None), 40)
        self.assertEqual(lag.note(75, None, None), 65)
        self.assertEqual(lag.note(80, 200, 200), 0)

    def test_does_not_grow_without_end(self) -> None:
        lag = wal.Lag()
        for now in range(5000):
            lag.note(now, now, 0)
        self.assertLess(len(lag.marks), 1100)
        self.assertEqual(lag.note(5000, 5000, 0), 4999)


class Folder(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.settings = replace(settings.load(), root=Path(temporary.name))
        self.folder = wal.folder_of(self.settings, "1")
        for name in ("incoming", "archive"):
            (self.folder / name).mkdir(parents=True)


class Segments(Folder):
    def there(self, *names: str) -> None:
        for name in names:
            (self.folder / name).touch()

    def test_have_their_names_from_the_position(self) -> None:
        self.assertEqual(wal.segment_of(1, "0/3000060"), "000000010000000000000003")
        self.assertEqual(wal.segment_of(2, "1/FF000000"), "0000000200000001000000FF")

    def test_a_gap_is_found_and_an_unfinished_segment_counts(self) -> None:
        self.there(
            "archive/0000000100000000000000FE.zst",
            "archive/0000000100000000000000FF.zst",
            "incoming/000000010000000100000001.partial",
        )
        first = "0000000100000000000000FE"
        self.assertEqual(wal.missing(self.settings, "1", first), ["000000010000000100000000"])
        self.there("archive/000000010000000100000000.zst")
        self.assertEqual(wal.missing(self.settings, "1", first), [])

    def test_one_that_is_not_there_at_all_is_missing(self) -> None:
        first = "0000000100000000000000FE"
        self.assertEqual(wal.missing(self.settings, "1", first), [first])

    def test_only_what_is_older_than_every_kept_base_backup_goes_whatever_its_timeline(self) -> None:
        old, kept, history = "000000010000000000000001", "000000010000000000000002", "00000002.history"
        self.there(*(f"archive/{name}.zst" for name in (old, kept, history)))
        self.assertEqual(wal.prune(self.settings, "1", "000000020000000000000002"), 1)
        left = {path.name for path in (self.folder / "archive").iterdir()}
        self.assertEqual(left, {f"{kept}.zst", f"{history}.zst"})
