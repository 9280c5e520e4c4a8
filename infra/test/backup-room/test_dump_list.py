"""What is read out of a dump before any of it is run."""

import unittest

from room.dump_list import (
    OF_SUPERUSERS,
    is_comment_on,
    is_filling,
    is_of_extension,
    is_of_foreign_table,
    is_of_kind,
    is_of_member,
    listed,
    made,
)

MEMBERS = [("-", "own"), ("own", "a job"), ("own", "f")]


class Lines(unittest.TestCase):
    def of_member(self, entry: str) -> bool:
        own = made([f"8; 1259 16391 {line} provider" for line in ("TABLE own a job too", "SEQUENCE own a job s", "TABLE DATA own a job")])
        return is_of_member(f"9; 0 16390 {entry} provider", MEMBERS, own)

    def test_are_of_an_extension_or_of_what_it_made(self) -> None:
        names = ["theirs", "their-own", "of two"]
        for name in names:
            self.assertTrue(is_of_extension(f"3; 3079 16385 EXTENSION - {name} ", names), name)
        for name in ("another", "theirs too", "two"):
            self.assertFalse(is_of_extension(f"3; 3079 16385 EXTENSION - {name} ", names), name)
        # In a comment the name is as in a statement.
        for name in ("theirs", '"their-own"', '"of two"'):
            self.assertTrue(is_comment_on(f"4; 0 0 COMMENT - EXTENSION {name} ", ["EXTENSION"]), name)
        for entry in ("COMMENT x EXTENSION TABLE theirs", "COMMENT public TABLE EXTENSION", "COMMENT - SCHEMA EXTENSION"):
            self.assertFalse(is_comment_on(f"4; 0 0 {entry} tenant", ["EXTENSION"]), entry)
        for entry in ("TABLE DATA own a job", "SEQUENCE SET own a job", "COMMENT own FUNCTION f(integer)", "COMMENT - SCHEMA own"):
            self.assertTrue(self.of_member(entry), entry)
        longer = ("TABLE DATA own a job too", "ROW SECURITY own a job too", "SEQUENCE SET own a job s")
        for entry in ("TABLE DATA own a", "TABLE DATA public a job", "TABLE own a job", "COMMENT own FUNCTION fg()", *longer):
            self.assertFalse(self.of_member(entry), entry)

    def test_are_of_what_only_a_superuser_may_make(self) -> None:
        def is_unfit(entry: str) -> bool:
            line = f"9; 3466 16390 {entry} provider"
            return is_of_kind(line, OF_SUPERUSERS) or is_comment_on(line, OF_SUPERUSERS)

        for entry in ("EVENT TRIGGER - e t", "PUBLICATION TABLE public p kept", "SERVER - s", "COMMENT - PUBLICATION p"):
            self.assertTrue(is_unfit(entry), entry)
        for entry in ("FOREIGN TABLE public far", "COMMENT public FOREIGN TABLE far"):
            self.assertTrue(is_of_foreign_table(f"9; 1259 16390 {entry} provider"), entry)
            self.assertFalse(is_unfit(entry), entry)
        for entry in ("TRIGGER public kept t", "TABLE public SERVER", "COMMENT public TABLE kept", "COMMENT x SERVER TABLE kept"):
            self.assertFalse(is_unfit(entry), entry)
            self.assertFalse(is_of_foreign_table(f"9; 1259 16390 {entry} provider"), entry)

    def test_are_the_superuser_s_only_where_they_make_a_schema_or_an_extension(self) -> None:
        # A schema may be called "x SCHEMA".
        for entry in ("COMMENT x SCHEMA TABLE kept", "COMMENT - SCHEMA x", "COMMENT x EXTENSION FUNCTION f()", "TABLE SCHEMA x"):
            self.assertFalse(is_of_kind(f"9; 0 0 {entry} tenant", ("SCHEMA", "EXTENSION")), entry)

    def test_end_where_pg_restore_ends_them_and_nowhere_within_a_name(self) -> None:
        # What Python takes for an end of a line: after it would stand an entry of the name's own choice.
        names = [f"a{end}222; 2615 1 SCHEMA - y" for end in "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"]
        lines = [f"9; 1259 16390 TABLE public {name} tenant" for name in names]
        self.assertEqual(listed("\n".join([";", "; a comment", *lines, ""])), lines)
        self.assertFalse(any(is_of_kind(line, ("SCHEMA", "EXTENSION")) for line in lines))

    def test_fill_a_materialized_view_or_another_one(self) -> None:
        line = "9; 0 16390 MATERIALIZED VIEW DATA public of far tenant"
        roles = ["tenant", "t\nu"]
        self.assertTrue(is_filling(line, [("public", "of far")], roles))
        self.assertTrue(is_filling(line.replace("tenant", "pg_database_owner"), [("public", "of far")], roles))
        self.assertFalse(is_filling(line, [("other", "of far")], roles))
        self.assertFalse(is_filling(line.replace(" DATA", ""), [("public", "of far")], roles))
        # What begins with its name is another one's.
        self.assertFalse(is_filling(line, [("public", "of")], roles))
        # pg_restore writes no end of a line.
        self.assertTrue(is_filling("9; 0 16390 MATERIALIZED VIEW DATA a b of far t u", [("a\nb", "of\rfar")], roles))
