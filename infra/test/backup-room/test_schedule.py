"""The schedule: one run for each date of the zone, whatever clocks do."""

import unittest
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from room import schedule

STEP = timedelta(minutes=30)


def runs(zone: str, start: datetime, days: int, at: str = "02:00") -> list[tuple[datetime, date]]:
    """What a loop that looks every half hour would do, each run being good at once."""
    done: list[date] = []
    found = []
    now = start
    while now < start + timedelta(days=days):
        day = schedule.is_due(now, zone, at, done)
        if day is not None:
            done.append(day)
            found.append((now, day))
        now += STEP
    return found


class Schedule(unittest.TestCase):
    def test_every_day_of_a_year_has_one_run_in_every_kind_of_zone(self) -> None:
        # Clocks that change at 02:00, at midnight and by half an hour, and a date that one zone left out (2011-12-30).
        for zone in ("Europe/Berlin", "America/New_York", "Africa/Cairo", "Australia/Lord_Howe", "Pacific/Apia", "UTC"):
            with self.subTest(zone):
                found = runs(zone, datetime(2026, 1, 1, tzinfo=UTC), 365)
                days = [day for _, day in found]
                self.assertEqual(len(days), len(set(days)), "a day is done twice")
                # The first is of the day before, which was missed; all later ones follow without a gap.
                self.assertEqual(days, [days[0] + timedelta(days=index) for index in range(len(days))])
                self.assertIn(len(days), (365, 366))

    def test_runs_at_the_hour_of_the_zone(self) -> None:
        for moment, day in runs("Europe/Berlin", datetime(2026, 6, 1, 12, tzinfo=UTC), 5)[1:]:
            local = moment.astimezone(ZoneInfo("Europe/Berlin"))
            self.assertEqual((local.date(), local.hour, local.minute), (day, 2, 0))

    def test_an_hour_that_is_skipped_in_spring_counts_at_once_after_the_gap(self) -> None:
        found = runs("Europe/Berlin", datetime(2026, 3, 28, 12, tzinfo=UTC), 2, at="02:30")
        self.assertEqual(found[1], (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), date(2026, 3, 29)))

    def test_an_hour_that_comes_twice_in_autumn_counts_once(self) -> None:
        found = runs("Europe/Berlin", datetime(2026, 10, 24, 12, tzinfo=UTC), 2, at="02:30")
        self.assertEqual([day for _, day in found[1:]], [date(2026, 10, 25), date(2026, 10, 26)])
        self.assertEqual(found[1][0], datetime(2026, 10, 25, 0, 30, tzinfo=UTC))

    def test_what_was_missed_is_caught_up_at_once(self) -> None:
        now = datetime(2026, 5, 5, 1, 0, tzinfo=UTC)
        self.assertEqual(schedule.is_due(now, "UTC", "02:00", [date(2026, 5, 1)]), date(2026, 5, 4))

    def test_nothing_is_due_twice(self) -> None:
        now = datetime(2026, 5, 5, 3, 0, tzinfo=UTC)
        self.assertIsNone(schedule.is_due(now, "UTC", "02:00", [date(2026, 5, 5)]))

    def test_a_failure_is_tried_again_after_a_pause(self) -> None:
        now = datetime(2026, 5, 5, 3, 0, tzinfo=UTC)
        self.assertIsNone(schedule.is_due(now, "UTC", "02:00", [], now - timedelta(minutes=5)))
        self.assertEqual(schedule.is_due(now, "UTC", "02:00", [], now - schedule.RETRY), date(2026, 5, 5))

    def test_backups_and_failures_of_a_clock_that_ran_ahead_hold_nothing_back(self) -> None:
        now = datetime(2026, 5, 5, 3, 0, tzinfo=UTC)
        ahead = now + timedelta(days=2)
        self.assertEqual(schedule.is_due(now, "UTC", "02:00", [ahead.date()], ahead), date(2026, 5, 5))
