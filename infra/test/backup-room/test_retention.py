"""Retention: what is kept, whatever happened to the dates."""

import random
import unittest
from datetime import UTC, datetime, timedelta

from room.retention import LEAST, Kept, to_remove

START = datetime(2026, 5, 1, 2, 0, tzinfo=UTC)


def backup(days: float, verified: bool = True) -> Kept:
    taken = START + timedelta(days=days)
    return Kept(f"dump-{days}-{verified}", taken, taken.date(), verified)


class Retention(unittest.TestCase):
    def kept(self, backups: list[Kept], days: int = 7) -> list[str]:
        gone = set(to_remove(backups, days))
        return [one.id for one in backups if one.id not in gone]

    def test_keeps_one_of_each_of_the_newest_days(self) -> None:
        backups = [backup(day) for day in range(10)]
        self.assertEqual(self.kept(backups), [one.id for one in backups[3:]])

    def test_keeps_as_many_days_as_it_says_not_one_more(self) -> None:
        for days in range(LEAST, 20):
            self.assertEqual(len(self.kept([backup(day) for day in range(30)], days)), days)

    def test_a_pause_of_a_month_removes_nothing_but_what_the_new_day_pushes_out(self) -> None:
        backups = [*[backup(day) for day in range(7)], backup(40)]
        self.assertEqual(to_remove(backups, 7), [backups[0].id])

    def test_a_clock_two_days_ahead_pushes_out_one_backup_and_no_more(self) -> None:
        backups = [*[backup(day) for day in range(7)], backup(8.9)]
        self.assertEqual(to_remove(backups, 7), [backups[0].id])

    def test_never_fewer_than_the_newest_three_that_are_verified(self) -> None:
        backups = [backup(0), backup(0.1), backup(0.2), *[backup(day, verified=False) for day in range(1, 9)]]
        self.assertEqual(self.kept(backups, 1)[:3], [one.id for one in backups[:3]])

    def test_what_is_not_verified_neither_counts_nor_stays(self) -> None:
        backups = [backup(0), backup(1, verified=False), backup(2)]
        self.assertEqual(to_remove(backups, 7), [backups[1].id])

    def test_the_newest_stays_while_it_may_still_be_verified(self) -> None:
        backups = [backup(0), backup(1, verified=False)]
        self.assertEqual(to_remove(backups, 7), [])

    def test_holds_for_whatever_there_is(self) -> None:
        chance = random.Random(7)
        for _ in range(500):
            backups = [backup(round(chance.uniform(0, 20), 3), chance.random() < 0.7) for _ in range(chance.randrange(25))]
            days = chance.randrange(1, 10)
            kept = set(self.kept(backups, days))
            verified = sorted((one for one in backups if one.verified), key=lambda one: one.taken, reverse=True)
            self.assertTrue({one.id for one in verified[:LEAST]} <= kept)
            # What is left is left alone when it is looked at again.
            rest = [one for one in backups if one.id in kept]
            self.assertEqual(to_remove(rest, days), [])


if __name__ == "__main__":
    unittest.main()
