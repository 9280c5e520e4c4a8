"""A manifest that was changed in any byte is refused."""

import tempfile
import unittest
from pathlib import Path

from room import manifest
from room.settings import RoomError

CONTENT = {"format": manifest.FORMAT, "id": "dump-1", "globals": {"file": "g", "bytes": 1, "sha256": "0"}, "databases": []}


class Manifest(unittest.TestCase):
    def setUp(self) -> None:
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.folder = Path(self.temporary.name) / "dump-1"
        self.folder.mkdir()
        manifest.write(self.folder, dict(CONTENT))
        self.file = self.folder / manifest.NAME

    def refused(self, pattern: str) -> None:
        with self.assertRaisesRegex(RoomError, pattern):
            manifest.read(self.folder)

    def test_is_read_as_it_was_written(self) -> None:
        found = manifest.read(self.folder)
        self.assertEqual({key: found[key] for key in CONTENT}, CONTENT)

    def test_a_flipped_bit_anywhere_is_noticed(self) -> None:
        good = self.file.read_bytes()
        for index in range(len(good)):
            flipped = bytearray(good)
            flipped[index] ^= 1
            self.file.write_bytes(flipped)
            try:
                found = manifest.read(self.folder)
            except RoomError:
                continue
            # White space between values is the only thing that may differ and mean the same.
            self.assertEqual({key: found[key] for key in CONTENT}, CONTENT, f"byte {index}")

    def test_a_shorter_or_empty_one_is_noticed(self) -> None:
        good = self.file.read_bytes()
        for length in (0, 1, len(good) // 2, len(good) - 3):
            self.file.write_bytes(good[:length])
            self.refused("no readable manifest")

    def test_the_manifest_of_another_backup_is_noticed(self) -> None:
        self.folder.rename(self.folder.with_name("dump-2"))
        self.folder = self.folder.with_name("dump-2")
        self.refused("holds the manifest of backup dump-1")

    def test_another_format_is_refused(self) -> None:
        manifest.write(self.folder, {**CONTENT, "format": 99})
        self.refused("format 99")
