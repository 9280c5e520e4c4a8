"""Names of new backups."""

import tempfile
import unittest
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

from room import files


class Begin(unittest.TestCase):
    def test_a_run_within_the_second_of_another_gets_a_name_and_a_moment_of_its_own(self) -> None:
        moment = datetime(2026, 11, 26, 2, 0, 0, tzinfo=UTC)
        moments = [moment, moment + timedelta(milliseconds=900), moment + timedelta(seconds=1)]
        with tempfile.TemporaryDirectory() as root, mock.patch.object(files, "datetime") as clock:
            clock.now.side_effect = moments
            folder = Path(root) / "dumps"
            _, first = files.begin(folder, "dump")
            (folder / first).mkdir()
            taken, second = files.begin(folder, "dump")
        self.assertEqual([first, second], ["dump-20261126T020000Z", "dump-20261126T020001Z"])
        self.assertEqual(taken, moments[2])
