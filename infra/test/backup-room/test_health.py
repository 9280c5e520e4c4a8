"""Health: fresh is healthy, and nothing else is."""

import unittest
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from room.catalog import Backup
from room.health import Situation, problems

NOW = datetime(2026, 5, 5, 12, 0, tzinfo=UTC)
PLENTY = 100 << 30


def backup(
    hours: float, size: int = 1000, verified: bool = True, problem: str | None = None, kind: str = "dump"
) -> Backup:
    taken = NOW - timedelta(hours=hours)
    manifest: dict[str, Any] = {
        "takenAt": taken.isoformat(),
        "day": taken.date().isoformat(),
        "kind": kind,
        "globals": {"bytes": 0},
        "databases": [{"bytes": size}],
        "files": [{"bytes": size}],
    }
    return Backup(f"{kind}-{hours}", Path(), problem, manifest, {"rows": 1} if verified else None)


BASE = backup(3, kind="base")


def situation(*backups: Backup, base: Backup | None = BASE, **more: Any) -> Situation:
    """Of a room that has a fresh base backup, unless a test says otherwise."""
    every = sorted([*backups, *([base] if base else [])], key=lambda one: str(one.taken), reverse=True)
    return replace(Situation(NOW, NOW - timedelta(days=30), every, PLENTY), **more)


class Health(unittest.TestCase):
    def test_fresh_and_proved_is_healthy(self) -> None:
        self.assertEqual(problems(situation(backup(2), backup(26))), [])

    def test_older_than_26_hours_is_not(self) -> None:
        self.assertEqual(problems(situation(backup(25.9))), [])
        self.assertRegex(problems(situation(backup(27)))[0], "27 h old")

    def test_a_newer_one_that_was_not_proved_does_not_help(self) -> None:
        self.assertRegex(problems(situation(backup(1, verified=False), backup(27)))[0], "27 h old")

    def test_a_room_without_any_has_a_day_to_make_one(self) -> None:
        self.assertEqual(problems(situation(base=None, since=NOW - timedelta(hours=5))), [])
        found = problems(situation(base=None, since=NOW - timedelta(hours=30)))
        self.assertRegex("\n".join(found), "no verified dump, 30 h.*\nthere is no verified base backup, 30 h")

    def test_a_fresh_dump_does_not_stand_for_a_base_backup(self) -> None:
        self.assertRegex(problems(situation(backup(2), base=backup(27, kind="base")))[0], "base backup is 27 h old")

    def test_a_date_in_the_future_is_said_and_does_not_count(self) -> None:
        found = problems(situation(backup(-48), backup(30)))
        self.assertRegex(found[0], "30 h old")
        self.assertRegex(found[1], "dated in the future")

    def test_a_size_that_falls_by_half_is_said(self) -> None:
        self.assertEqual(problems(situation(backup(1, size=500), backup(25, size=1000))), [])
        self.assertRegex(problems(situation(backup(1, size=499), backup(25, size=1000)))[0], "less than half")

    def test_space_that_runs_out_is_said_before_the_next_run_needs_it(self) -> None:
        size = 1 << 30
        self.assertEqual(problems(situation(backup(1, size=size), free=3 << 30)), [])
        self.assertRegex(problems(situation(backup(1, size=size), free=2 << 30))[0], "2048 MiB free")

    def test_a_damaged_backup_and_a_failed_run_are_said(self) -> None:
        found = problems(
            situation(backup(1), backup(2, problem="2.dump is missing"), failure={"at": "today", "what": "disk\nfull"})
        )
        self.assertEqual(found, ["the last run failed at today: disk", "2.dump is missing"])

    def test_a_gap_in_the_log_is_said_with_its_reason(self) -> None:
        found = problems(situation(backup(1), gap={"at": "12:00", "what": "the room was away"}))
        self.assertRegex(found[0], r"gap since 12:00 \(the room was away\).*new base backup")
