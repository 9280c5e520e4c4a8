"""What restic's complaints mean: by its own words, and never by a name or an address that stands among them."""

import json
import unittest
from pathlib import Path
from unittest import mock

from room import settings
from room.offsite import Offsite
from room.restic import HOPELESS, Conversation, Offended, Restic, plain
from room.settings import RoomError

CONF = Offsite("s3:https://s3.example.org/b/dev", Path("/key"), 10, 30, "", None, 120)
FULL = "takes nothing more"


def failure(said: str, code: int = 1, gave_up: bool = False, verb: str = "backup") -> RoomError:
    return Restic(settings.load(), CONF).failure(verb, code, said, gave_up)


class Full(unittest.TestCase):
    def test_is_what_the_bucket_answers(self) -> None:
        for said in (
            "Save(<data/1c0ffee1c0>) returned error, retrying after 1.5s: 507 Insufficient Storage",
            "client.PutObject: server response unexpected: 507",
            "HTTP status 507",
            "client.PutObject: QuotaExceeded",
            "client.PutObject: Bucket quota exceeded",
            "Forbidden: Bucket size quota is reached, maximum total size of objects for this bucket: 10",
            "XMinioStorageFull: Storage backend has reached its minimum free drive threshold.",
            "EntityTooLarge",
        ):
            with self.subTest(said):
                self.assertIn(FULL, failure(said).what)
                self.assertIsInstance(failure(said), Offended)
                self.assertTrue(HOPELESS.search(plain(said)))

    def test_is_not_in_a_name_an_address_or_a_time(self) -> None:
        for said in (
            "Load(<data/4507abcdef>, 0, 0) returned error, retrying after 1.507s: i/o timeout",
            "Load(<data/507abcdef0>, 507, 0) returned error, retrying after 507.12ms: i/o timeout",
            'Put "https://quota.example.org/quota-exceeded/507/keys/50755075": i/o timeout',
            json.dumps({"message_type": "error", "error": {"message": 'Get "https://s3.example.org/QuotaExceeded/507": i/o timeout'}}),
            "dial tcp 203.0.113.507: i/o timeout",
            "lookup quota.example.org: no such host",
        ):
            with self.subTest(said):
                self.assertIn("cannot be reached", failure(said).what)
                self.assertNotIsInstance(failure(said), Offended)
                self.assertFalse(HOPELESS.search(plain(said)))


class Patience(unittest.TestCase):
    """When a run is given up: by what restic says, each line at its second."""

    AGAIN = "Load(<data/4507abcdef>, 0, 0) returned error, retrying after 1.5s: i/o timeout"
    MENDED = "Load(<data/4507abcdef>, 0, 0) operation successful after 2 retries"

    def late_after(self, *lines: tuple[float, str]) -> bool:
        conversation = Conversation(mock.Mock(), 10, None)
        for second, line in lines:
            with mock.patch("room.restic.time.monotonic", return_value=1000.0 + second):
                conversation.hear(line, False, [], [])
        return conversation.late

    def test_ends_with_what_goes_on_failing(self) -> None:
        self.assertFalse(self.late_after((0, self.AGAIN), (9, self.AGAIN)))
        self.assertTrue(self.late_after((0, self.AGAIN), (9, self.AGAIN), (11, self.AGAIN)))

    def test_does_not_end_with_a_silence_because_a_check_says_nothing_while_all_goes_well(self) -> None:
        self.assertFalse(self.late_after((0, self.AGAIN), (3600, "[0:10] 5 / 90 packs")))

    def test_begins_anew_when_a_try_went_well_or_something_came_through(self) -> None:
        moved = json.dumps({"message_type": "status", "bytes_done": 7})
        for good in (self.MENDED, moved):
            with self.subTest(good):
                self.assertFalse(self.late_after((0, self.AGAIN), (8, good), (3600, self.AGAIN)))

    def test_does_not_end_what_says_in_the_same_piece_that_it_went_well(self) -> None:
        self.assertFalse(self.late_after((0, self.AGAIN), (11, self.AGAIN), (11, self.MENDED)))
