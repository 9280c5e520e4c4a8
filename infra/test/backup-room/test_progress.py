"""What is said of a program that failed."""

import unittest

from room.progress import last_lines


class LastLines(unittest.TestCase):
    def test_begin_with_the_error_where_a_long_statement_follows_it(self) -> None:
        statement = [f"line {number} of the statement" for number in range(20)]
        said = last_lines("\n".join(["pg_restore: error: ERROR:  no such function", "LINE 3: x", *statement]))
        self.assertEqual(said.splitlines()[0], "pg_restore: error: ERROR:  no such function")
        self.assertEqual(said.splitlines()[1:], statement[-5:])

    def test_are_the_last_ones_where_the_error_is_among_them_or_there_is_none(self) -> None:
        self.assertEqual(last_lines("a\nb\nERROR:  c\nd", 2), "ERROR:  c\nd")
        self.assertEqual(last_lines("a\nb\nc", 2), "b\nc")
