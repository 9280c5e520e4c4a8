"""What counts as a difference between a restored server and the one that it was made of."""

import copy
import unittest
from typing import Any

from room.compare import SLACK, WITHOUT_HANGING, database, differences, named


def facts(**tables: int) -> dict[str, Any]:
    return {
        "roles": {"omniai": {"rights": "t"}},
        "databases": {
            "omniai": {
                "tables": dict(tables),
                "sequences": {"s": 5},
                "extensions": {"plpgsql": "1.0"},
                "objects": {"functions": 3},
                "writes": dict.fromkeys(tables, 0),
            }
        },
    }


class Compare(unittest.TestCase):
    def test_a_statement_names_roles_in_quotes_and_without(self) -> None:
        roles = ("tenant", "rds admin", 'a"b', "other")
        self.assertEqual(named("ALTER ROLE tenant SET x TO 'y';", roles), {"tenant"})
        self.assertEqual(named('GRANT "rds admin" TO tenant GRANTED BY "a""b";', roles), {"rds admin", "tenant", 'a"b'})
        self.assertEqual(named("CREATE ROLE tenants;", roles), set())

    def test_a_dump_is_compared_by_what_its_manifest_has_counted(self) -> None:
        same = {"tables": {}, "sequences": {}, "extensions": {}}
        restored = {**same, "objects": {"triggers": 5}, "counts": {"triggers": 2, "large objects": 1, "policies": 0}}
        one = {"name": "shop", **same}
        # Of older rooms; of a few versions; of now, whose objects an older room compares as it always did.
        for good in (
            {"objects": {"triggers": 5}},
            {"objects": {"triggers": 2}, WITHOUT_HANGING: True},
            {"objects": {"triggers": 9}, "counts": restored["counts"]},
        ):
            self.assertEqual(database({**one, **good}, restored, newer=False), [], good)
        lacking = {"objects": {"triggers": 5}, "counts": {**restored["counts"], "large objects": 2}}
        self.assertEqual(database({**one, **lacking}, restored, newer=False), ["shop: number of large objects: 2 became 1"])

    def test_a_name_is_the_same_with_the_quotes_that_a_newer_version_wants(self) -> None:
        same: dict[str, Any] = {"extensions": {}, "objects": {}, "sequences": {}}
        one = {"name": "shop", **same, "tables": {"public.json_table": 1, 'public."B"': 2}}
        self.assertEqual(database(one, {**same, "counts": {}, "tables": {'public."json_table"': 1, 'public."B"': 2}}, newer=True), [])
        lines = database(one, {**same, "counts": {}, "tables": {"public.json_table": 1, "public.b": 2}}, newer=True)
        self.assertEqual(len(lines), 2)

    def test_the_same_is_the_same(self) -> None:
        self.assertEqual(differences(facts(a=5), facts(a=5), facts(a=5)), [])

    def test_one_row_less_in_a_quiet_table_is_a_difference(self) -> None:
        self.assertEqual(differences(facts(a=5), facts(a=5), facts(a=4)), ["omniai: rows of a: 5 became 4"])

    def test_a_busy_table_may_lie_between_but_not_far_away(self) -> None:
        before, after = facts(a=5000), facts(a=5100)
        after["databases"]["omniai"]["writes"]["a"] = 100
        self.assertEqual(differences(before, after, facts(a=5050)), [])
        self.assertEqual(len(differences(before, after, facts(a=5000 - 101 - SLACK))), 1)

    def test_a_missing_table_database_role_extension_and_function_is_a_difference(self) -> None:
        whole = facts(a=5)
        for change, found in (
            (lambda one: one["databases"]["omniai"]["tables"].clear(), "rows of a: 5 became none"),
            (lambda one: one["databases"].clear(), "database omniai is missing"),
            (lambda one: one["roles"].clear(), "role omniai"),
            (lambda one: one["databases"]["omniai"]["extensions"].clear(), "extension plpgsql"),
            (lambda one: one["databases"]["omniai"]["objects"].update(functions=2), "number of functions: 3 became 2"),
        ):
            restored = copy.deepcopy(whole)
            change(restored)
            self.assertRegex("\n".join(differences(whole, whole, restored)), found)

    def test_a_sequence_may_be_ahead_by_what_the_log_allows_and_never_behind(self) -> None:
        for value, count in ((5, 0), (37, 0), (38, 1), (4, 1)):
            restored = facts(a=5)
            restored["databases"]["omniai"]["sequences"]["s"] = value
            self.assertEqual(len(differences(facts(a=5), facts(a=5), restored)), count, value)
