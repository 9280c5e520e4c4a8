"""Copies of Redis: what has to lie between two looks at it, and which of them count."""

import unittest
from typing import Any

from room.redis_compare import differences, number, place


def facts(**more: Any) -> dict[str, Any]:
    return {"epoch": "abcd", "count": 10, "last": "100-1", "keys": 1000, "expires": 900, **more}


class Copy(unittest.TestCase):
    def test_of_a_redis_that_nobody_writes_to_is_the_same(self) -> None:
        self.assertEqual(differences(facts(), facts(), facts()), [])

    def test_lies_between_what_was_before_and_after(self) -> None:
        after = facts(count=20, last="200-0", keys=1100)
        self.assertEqual(differences(facts(), after, facts(count=15, last="100-2", keys=1050)), [])
        self.assertRegex(differences(facts(), after, facts(count=9))[0], "newest event: 10 to 20 became 9")
        self.assertRegex(differences(facts(), after, facts(count=10, last="99-9"))[0], "100-1 to 200-0 became 99-9")

    def test_of_another_epoch_is_none_of_this_log(self) -> None:
        self.assertRegex(differences(facts(), facts(), facts(epoch="zzzz"))[0], "epoch .* abcd became zzzz")
        # A log that began anew meanwhile has either.
        self.assertEqual(differences(facts(), facts(epoch="next", count=1), facts(epoch="next", count=0)), [])

    def test_may_lack_what_expires_and_nothing_else(self) -> None:
        self.assertEqual(differences(facts(), facts(), facts(keys=400, expires=300)), [])
        found = differences(facts(keys=9000, expires=0), facts(keys=9000, expires=0), facts(keys=5000, expires=0))
        self.assertRegex(found[0], "do not expire: .* became 5000")

    def test_compares_ids_and_versions_as_numbers(self) -> None:
        self.assertLess(place("99-10"), place("100-9"))
        self.assertLess(number("8.9.1"), number("8.10.0"))
