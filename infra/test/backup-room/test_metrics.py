"""What the room says of itself: ages of verified backups only, in a form that programs read."""

import os
import tempfile
import unittest
import urllib.error
import urllib.request
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from unittest import mock

from room import look, metrics, offsite, settings
from test_health import NOW, backup, situation


class Metrics(unittest.TestCase):
    def test_have_the_age_of_the_newest_verified_of_each_kind(self) -> None:
        text = metrics.render(situation(backup(1, verified=False), backup(2, size=500), backup(26)), 7)
        for line in (
            'omniai_backup_age_seconds{kind="dump"} 7200',
            'omniai_backup_age_seconds{kind="base"} 10800',
            'omniai_backup_size_bytes{kind="dump"} 500',
            'omniai_backup_verified{kind="dump"} 2',
            "omniai_backup_wal_lag_seconds 7",
            "omniai_backup_healthy 1",
            "omniai_backup_last_run_failed 0",
        ):
            self.assertIn(f"{line}\n", text)

    def test_have_no_age_where_none_is_verified(self) -> None:
        text = metrics.render(situation(backup(1, verified=False)), 0)
        self.assertNotIn('age_seconds{kind="dump"}', text)
        self.assertIn('omniai_backup_verified{kind="dump"} 0\n', text)

    def test_are_unhealthy_with_all_that_is_wrong(self) -> None:
        found = situation(backup(30), more=["the log was last received 90 s ago"])
        text, state = metrics.render(found, 90), metrics.state(found, 90)
        self.assertIn("omniai_backup_healthy 0\n", text)
        self.assertIn("omniai_backup_problems 2\n", text)
        self.assertFalse(state["healthy"])
        self.assertEqual(len(state["problems"]), 2)
        self.assertEqual([one["kind"] for one in state["newest"]], ["dump", "base"])

    def test_have_the_age_of_the_newest_copy_off_site_where_there_is_one(self) -> None:
        self.assertNotIn("offsite", metrics.render(situation(backup(1)), 0))
        for minutes, seconds in ((10, 600), (-5, 0)):
            found = situation(backup(1), offsite=NOW - timedelta(minutes=minutes))
            self.assertIn(f"\nomniai_backup_offsite_age_seconds {seconds}\n", metrics.render(found, 0))

    def test_look_for_the_newest_copy_off_site_only_where_the_stack_keeps_any(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            there = replace(settings.load(), root=Path(folder))
            for conf, last, at in (
                ("s3:https://s3.example.org/b/dev", {"at": NOW.isoformat()}, NOW),
                ("s3:https://s3.example.org/b/dev", None, None),
                ("", {"at": NOW.isoformat()}, None),
            ):
                offsite.update(there, last=last)
                with mock.patch.dict(os.environ, {"OMNIAI_OFFSITE_REPOSITORY": conf}):
                    self.assertEqual(look.newest_offsite(there), at)
                    self.assertEqual(look.situation(there, []).offsite, at)

    def test_each_is_declared_once_before_its_values(self) -> None:
        names = [line.split()[2] for line in metrics.render(situation(backup(1)), 0).splitlines() if line.startswith("# TYPE")]
        self.assertEqual(len(names), len(set(names)))


class Server(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.settings = replace(settings.load(), runtime=Path(temporary.name))
        self.server = metrics.serve(self.settings, 0)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.server.server_port}{path}") as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, ""

    def test_answers_with_what_the_loop_has_found(self) -> None:
        metrics.write(self.settings, situation(backup(1)), 3)
        self.assertIn("omniai_backup_wal_lag_seconds 3", self.get("/metrics")[1])
        self.assertIn('"healthy": true', self.get("/status")[1])
        self.assertEqual(self.get("/../settings.py")[0], 404)

    def test_does_not_answer_with_what_is_not_true_any_more(self) -> None:
        self.assertEqual(self.get("/metrics")[0], 503)
        metrics.write(self.settings, situation(backup(1)), 3)
        os.utime(self.settings.runtime / "metrics", (0, 0))
        self.assertEqual(self.get("/metrics")[0], 503)
