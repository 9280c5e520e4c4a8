"""An upgrade of PostgreSQL: a write that would be lost ends it, and another version's extensions are no difference."""

import unittest
from pathlib import Path
from typing import Any

from room import catalog, compare

SAME: dict[str, Any] = {"changes": []}


class Written(unittest.TestCase):
    def test_nothing_is_well(self) -> None:
        self.assertIsNone(compare.written({"omniai": 7, "postgres": 0}, {"omniai": 7, "postgres": 0}, SAME))

    def test_a_write_is_seen_also_where_no_table_has_another_number_of_rows(self) -> None:
        self.assertIn("omniai", compare.written({"omniai": 7}, {"omniai": 8}, SAME) or "")
        self.assertIn("other", compare.written({"omniai": 7}, {"omniai": 7, "other": 0}, SAME) or "")

    def test_another_number_of_rows_is_seen(self) -> None:
        changes = [{"table": "omniai: public.users", "backup": 1, "now": 2}]
        self.assertIn("public.users", compare.written({}, {}, {"changes": changes}) or "")

    def test_what_could_not_be_compared_counts_as_written(self) -> None:
        self.assertIn("away", compare.written({}, {}, {"changes": [], "notCompared": "away"}) or "")


class Versions(unittest.TestCase):
    def differences(self, restored: dict[str, str], newer: bool) -> list[str]:
        empty: dict[str, Any] = {"tables": {"public.t": 3}, "objects": {}}
        dumped = {**empty, "name": "omniai", "extensions": {"pg_trgm": "1.6"}}
        return compare.database(dumped, {**empty, "extensions": restored}, newer)

    def test_an_extension_may_be_newer_in_a_newer_server(self) -> None:
        self.assertEqual(self.differences({"pg_trgm": "1.7"}, True), [])

    def test_an_extension_that_is_missing_is_a_difference(self) -> None:
        self.assertEqual(self.differences({}, True), ["omniai: extension pg_trgm: there became none"])

    def test_in_the_same_version_each_is_the_same(self) -> None:
        self.assertEqual(self.differences({"pg_trgm": "1.7"}, False), ["omniai: extension pg_trgm: 1.6 became 1.7"])


class Readable(unittest.TestCase):
    """After an upgrade, the backups of the former version are there as well."""

    def backup(self, kind: str, number: int) -> catalog.Backup:
        found = {"kind": kind, "server": {"versionNumber": number}}
        return catalog.Backup(f"{kind}-{number}", Path(), None, found, {"rows": 1})

    def test_a_base_backup_fits_its_own_version_and_a_dump_goes_forward(self) -> None:
        every = [self.backup(kind, number) for kind in ("base", "dump") for number in (170006, 180001, 190000)]
        self.assertEqual(
            [one.id for one in catalog.readable_by(every, 18)], ["base-180001", "dump-170006", "dump-180001"]
        )

    def test_what_has_no_manifest_is_left_out(self) -> None:
        self.assertEqual(catalog.readable_by([catalog.Backup("base-x", Path(), "damaged")], 18), [])
