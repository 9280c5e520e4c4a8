"""What goes off-site, while other runs remove some of it."""

import os
import shutil
import tempfile
import unittest
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

from room import catalog, outgoing, settings
from test_catalog import put_base

SEGMENTS = [f"0000000100000000000000{number:02X}.zst" for number in range(1, 5)]


class Outgoing(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.root = Path(temporary.name)
        self.settings = replace(settings.load(), root=self.root)

    def put(self, *names: str) -> None:
        for name in names:
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(name, "utf-8")

    def before_link(self, of: str, act: Callable[[], Any]) -> None:
        """Has something happen after a folder was listed, and before that file of it is linked: once."""
        link = os.link
        todo = [act]

        def late(source: Path, target: Path) -> None:
            if Path(source).name == of and todo:
                todo.pop()()
            link(source, target)

        self.enterContext(mock.patch.object(os, "link", late))

    def made(self, folder: str) -> list[str]:
        found = outgoing.make(self.settings) / folder
        return sorted(str(path.relative_to(found)) for path in found.rglob("*") if path.is_file())

    def test_has_the_rest_of_the_log_where_a_segment_is_cleared_meanwhile(self) -> None:
        self.put(*(f"wal/7/archive/{name}" for name in (*SEGMENTS, "half.zst.partial")))
        self.before_link(SEGMENTS[1], (self.root / "wal/7/archive" / SEGMENTS[1]).unlink)
        self.assertEqual(self.made("wal/7/archive"), [SEGMENTS[0], *SEGMENTS[2:]])

    def test_has_the_copy_of_the_certificates_and_tells_when_that_changes(self) -> None:
        folder = outgoing.make(self.settings)
        self.assertEqual(outgoing.add_certificates(folder), "")
        source = self.root / "elsewhere" / "certificates.tar"
        self.enterContext(mock.patch.dict(os.environ, {"OMNIAI_CERTIFICATES_COPY": str(source)}))
        self.assertEqual(outgoing.add_certificates(folder), "")
        self.assertFalse((folder / "certificates").exists())
        self.put("elsewhere/certificates.tar")
        self.assertEqual(outgoing.add_certificates(folder), "")
        self.assertEqual([path.name for path in (folder / "certificates").iterdir()], ["certificates.tar"])
        before = outgoing.newest_change(self.settings)
        os.utime(source, (before + 60, before + 60))
        self.assertEqual(outgoing.newest_change(self.settings), before + 60)

    def test_goes_without_a_copy_of_the_certificates_that_cannot_be_read_and_says_so(self) -> None:
        folder = outgoing.make(self.settings)
        # A folder in its place cannot be read as a file, whoever runs this test; nor can anything below a file.
        self.put("elsewhere/certificates.tar/part")
        for source in ("elsewhere/certificates.tar", "elsewhere/certificates.tar/part/below"):
            with mock.patch.dict(os.environ, {"OMNIAI_CERTIFICATES_COPY": str(self.root / source)}):
                self.assertRegex(outgoing.add_certificates(folder), "^the copies off-site are without the authority's certificates: ")
                self.assertGreaterEqual(outgoing.newest_change(self.settings), 0)
            self.assertFalse((folder / "certificates").exists())

    def test_leaves_out_a_backup_that_is_removed_meanwhile_as_a_whole(self) -> None:
        self.put("base/one/a", "base/one/b")
        self.before_link("b", (self.root / "base/one/b").unlink)
        outgoing.link_tree(self.root / "base/one", self.root / "copy")
        self.assertFalse((self.root / "copy").exists())

    def test_takes_along_what_an_incremental_builds_on_also_where_that_was_never_proved_by_itself(self) -> None:
        put_base(self.settings, 1, verified=False)
        put_base(self.settings, 2, parent=1)
        put_base(self.settings, 3, parent=2, verified=False)
        self.assertEqual({name.split("/")[0] for name in self.made("base")}, {"base-1", "base-2"})
        self.assertEqual(catalog.within(self.settings.root / outgoing.NAME / "base")[0].state, "verified")

    def test_has_no_incremental_that_lacks_a_part(self) -> None:
        put_base(self.settings, 2, parent=1)
        self.assertEqual(self.made("."), ["copy.json"])

    def test_leaves_out_what_builds_on_a_part_that_is_cleared_meanwhile(self) -> None:
        full = put_base(self.settings, 1)
        put_base(self.settings, 2, parent=1)
        self.before_link("manifest.json", lambda: shutil.rmtree(full))
        self.assertEqual(self.made("."), ["copy.json"])
