"""What is read out of a dump before any of it is run."""

import unittest

from room.dump_list import OF_SUPERUSERS, is_of_extension, is_of_kind, is_of_member, statements

MEMBERS = [("-", "own"), ("own", "a job"), ("own", "f")]


class Script(unittest.TestCase):
    def test_ends_a_statement_at_no_semicolon_in_quotes(self) -> None:
        script = "-- roles; all\nCREATE ROLE \"a;b\";\nCOMMENT ON ROLE c IS 'x; -- it''s\n\\! id';\nGRANT a-b TO c;\n"
        wanted = ['CREATE ROLE "a;b"', "COMMENT ON ROLE c IS 'x; -- it''s\n\\! id'", "GRANT a-b TO c"]
        self.assertEqual(statements(script), wanted)

    def test_has_nothing_that_psql_alone_would_run(self) -> None:
        self.assertEqual(statements("\\restrict x\n\\! id\nCREATE ROLE a;\n\\unrestrict x\n"), ["CREATE ROLE a"])


class Lines(unittest.TestCase):
    def of_member(self, entry: str) -> bool:
        return is_of_member(f"9; 0 16390 {entry} provider", MEMBERS)

    def test_are_of_an_extension_or_of_what_it_made(self) -> None:
        self.assertTrue(is_of_extension("3; 3079 16385 EXTENSION - theirs", ["theirs"]))
        self.assertTrue(is_of_extension("4; 0 0 COMMENT - EXTENSION theirs", ["theirs"]))
        self.assertFalse(is_of_extension("3; 3079 16385 EXTENSION - another", ["theirs"]))
        for entry in ("TABLE DATA own a job", "SEQUENCE SET own a job", "COMMENT own FUNCTION f(integer)", "COMMENT - SCHEMA own"):
            self.assertTrue(self.of_member(entry), entry)
        for entry in ("TABLE DATA own a", "TABLE DATA public a job", "TABLE own a job", "COMMENT own FUNCTION fg()"):
            self.assertFalse(self.of_member(entry), entry)

    def test_are_of_what_only_a_superuser_may_make(self) -> None:
        for entry in ("EVENT TRIGGER - e t", "PUBLICATION TABLE public p kept", "SERVER - s", "FOREIGN TABLE public far", "COMMENT - PUBLICATION p", "COMMENT public FOREIGN TABLE far"):
            self.assertTrue(is_of_kind(f"9; 3466 16390 {entry} provider", OF_SUPERUSERS), entry)
        for entry in ("TRIGGER public kept t", "TABLE public SERVER", "COMMENT public TABLE kept"):
            self.assertFalse(is_of_kind(f"9; 1259 16390 {entry} provider", OF_SUPERUSERS), entry)
