"""What is said of a program that failed."""

import io
import unittest

from room.progress import LINES, WIDTH, first_lines, last_lines, printable


class LastLines(unittest.TestCase):
    def test_begin_with_the_error_where_a_long_statement_follows_it(self) -> None:
        statement = [f"line {number} of the statement" for number in range(20)]
        said = last_lines("\n".join(["pg_restore: error: ERROR:  no such function", "LINE 3: x", *statement]))
        self.assertEqual(said.splitlines()[0], "pg_restore: error: ERROR:  no such function")
        self.assertEqual(said.splitlines()[1:], statement[-5:])

    def test_are_the_last_ones_where_the_error_is_among_them_or_there_is_none(self) -> None:
        self.assertEqual(last_lines("a\nb\nERROR:  c\nd", 2), "ERROR:  c\nd")
        self.assertEqual(last_lines("a\nb\nc", 2), "b\nc")


class FirstLines(unittest.TestCase):
    def test_are_few_short_and_without_what_a_terminal_obeys(self) -> None:
        said = first_lines(io.BytesIO("\n".join(f"{number} \x1b[2J\x07\u2028{'x' * 1000}" for number in range(50)).encode()))
        self.assertLessEqual(len(said.splitlines()), LINES)
        self.assertTrue(all(len(line) <= WIDTH for line in said.splitlines()))
        self.assertTrue(said.startswith("0  [2J  xx"), said[:20])
        self.assertEqual(first_lines(io.BytesIO(b'btree index "a.b.c":\n    ERROR:  damaged \xff\n')), 'btree index "a.b.c":\n    ERROR:  damaged \ufffd')

    def test_are_whole_where_every_character_is_seen(self) -> None:
        self.assertEqual(printable("größe 1\n\u202e2\r"), "größe 1\n 2 ")
