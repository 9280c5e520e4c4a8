"""The copy of the account and the certificates, for a host that is rebuilt."""

import tempfile
import unittest
from pathlib import Path

from certificates.copy import NAME, Copy


class CopyTest(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)
        for name in ("root", "other", "copy"):
            (self.folder / name).mkdir()
        self.root = self.folder / "root"
        self.copy = Copy(self.folder / "copy", self.root)

    def fill(self, certificate: str = "one") -> None:
        for name, text in {
            "accounts/ca/directory/1/private_key.json": "secret",
            f"archive/name/{certificate}.pem": certificate,
            "renewal/name.conf": "version = 5\n",
            "tries.json": "{}",
            "csr/left.pem": "no part of it",
        }.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(text, "utf-8")
        link = self.root / "live/name/cert.pem"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(f"../../archive/name/{certificate}.pem")

    def test_brings_everything_back_into_a_volume_without_an_account(self) -> None:
        self.fill()
        self.assertTrue(self.copy.keep())
        other = self.folder / "other"
        self.assertTrue(Copy(self.folder / "copy", other).bring_back())
        self.assertEqual((other / "accounts/ca/directory/1/private_key.json").read_text("utf-8"), "secret")
        self.assertEqual((other / "live/name/cert.pem").read_text("utf-8"), "one")
        self.assertTrue((other / "live/name/cert.pem").is_symlink())
        self.assertFalse((other / "csr").exists())

    def test_never_takes_the_place_of_an_account(self) -> None:
        self.fill()
        self.copy.keep()
        (self.root / "tries.json").write_text("newer", "utf-8")
        self.assertFalse(self.copy.bring_back())
        self.assertEqual((self.root / "tries.json").read_text("utf-8"), "newer")

    def test_is_written_when_something_has_changed_and_otherwise_not(self) -> None:
        self.fill()
        self.assertTrue(self.copy.keep())
        self.assertFalse(self.copy.keep())
        # Another room of the same volume, after a restart.
        self.assertFalse(Copy(self.folder / "copy", self.root).keep())
        self.fill("two")
        self.assertTrue(self.copy.keep())
        self.assertEqual([path.name for path in (self.folder / "copy").iterdir()], [NAME])

    def test_can_be_read_by_the_group_of_its_folder_and_by_nobody_else(self) -> None:
        self.fill()
        self.copy.keep()
        self.assertEqual((self.folder / "copy" / NAME).stat().st_mode & 0o777, 0o440)

    def test_is_written_anew_where_somebody_has_put_another_one_there(self) -> None:
        self.fill()
        self.copy.keep()
        place = self.folder / "copy" / NAME
        whole = place.read_bytes()
        place.unlink()
        self.assertTrue(self.copy.keep())
        place.unlink()
        place.write_bytes(b"an older one")
        self.assertTrue(self.copy.keep())
        self.assertEqual(place.read_bytes(), whole)

    def test_that_cannot_be_written_is_told_each_time(self) -> None:
        self.fill()
        lost = Copy(self.folder / "none", self.root)
        for _ in range(2):
            self.assertRaises(FileNotFoundError, lost.keep)
        self.assertFalse(Copy(self.folder / "none", self.folder / "other").bring_back())

    def test_is_none_where_nothing_goes_off_site(self) -> None:
        self.fill()
        self.assertFalse(Copy(None, self.root).keep())
        self.assertFalse(Copy(None, self.folder / "other").bring_back())


if __name__ == "__main__":
    unittest.main()
