"""Which base backups count: an incremental is worth no more than each part that it builds on."""

import tempfile
import unittest
from dataclasses import replace
from pathlib import Path

from room import catalog, files, manifest, settings
from room.settings import Settings

DATA = "base.tar.zst"


def put_base(to: Settings, number: int, parent: int | None = None, verified: bool = True, system: str = "7") -> Path:
    """A base backup as the room leaves it, of the minute with that number. @returns its folder"""
    folder = to.bases / f"base-{number}"
    folder.mkdir(parents=True)
    (folder / DATA).write_text("data", "utf-8")
    found = {
        "format": manifest.FORMAT,
        "id": folder.name,
        "kind": "base",
        "parent": None if parent is None else f"base-{parent}",
        "takenAt": f"2026-05-05T02:{number:02}:00+00:00",
        "day": "2026-05-05",
        "server": {"systemId": system, "versionNumber": 170000},
        **{"timeline": 1, "start": "0/2000028"},
        "files": [{"file": DATA, "bytes": 4, "sha256": files.sha256(folder / DATA)}],
    }
    manifest.write(folder, found)
    if verified:
        files.write_json(folder / manifest.VERIFIED, {"checksum": manifest.read(folder)["checksum"]})
    return folder


class Chains(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.settings = replace(settings.load(), root=Path(temporary.name))

    def states(self) -> dict[str, str]:
        return {one.id: one.state for one in catalog.bases(self.settings)}

    def to_build_on(self) -> str | None:
        found = catalog.base_to_build_on(catalog.bases(self.settings), "7")
        return found and found.id

    def test_the_next_backup_builds_on_the_newest_where_all_of_it_is_verified(self) -> None:
        self.assertIsNone(self.to_build_on())
        put_base(self.settings, 1)
        put_base(self.settings, 2, parent=1)
        put_base(self.settings, 3, system="8")
        self.assertEqual(self.to_build_on(), "base-2")

    def test_the_next_backup_is_a_full_one_after_one_whose_proof_was_cut_off(self) -> None:
        put_base(self.settings, 1, verified=False)
        self.assertIsNone(self.to_build_on())
        put_base(self.settings, 2)
        put_base(self.settings, 3, parent=2, verified=False)
        self.assertIsNone(self.to_build_on())

    def test_the_next_backup_is_a_full_one_where_a_part_was_never_proved(self) -> None:
        put_base(self.settings, 1, verified=False)
        put_base(self.settings, 2, parent=1)
        self.assertIsNone(self.to_build_on())

    def test_what_lacks_a_part_is_not_verified(self) -> None:
        put_base(self.settings, 2, parent=1)
        put_base(self.settings, 3, parent=2)
        self.assertEqual(self.states(), {"base-2": "damaged", "base-3": "damaged"})
        self.assertIn("builds on base-1, which is not there", str(catalog.bases(self.settings)[0].problem))
        self.assertIsNone(self.to_build_on())

    def test_what_builds_on_a_damaged_part_is_damaged_until_that_is_good_again(self) -> None:
        full = put_base(self.settings, 1)
        put_base(self.settings, 2, parent=1)
        put_base(self.settings, 3)
        files.write_json(full / manifest.DAMAGED, {"why": "a flipped bit"})
        self.assertEqual(self.states(), {"base-1": "damaged", "base-2": "damaged", "base-3": "verified"})
        self.assertIn("builds on base-1, which is damaged: a flipped bit", str(catalog.bases(self.settings)[1].problem))
        (full / manifest.DAMAGED).unlink()
        self.assertEqual(set(self.states().values()), {"verified"})
