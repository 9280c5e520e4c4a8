"""What a superuser runs of the roles of a server that others run."""

import unittest

from room.role_statements import created, is_about_parameters, is_about_roles, of_role, statements

# pg_dumpall copies these two from the server's answers as they are.
LIMIT = "ALTER ROLE x WITH NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB LOGIN NOREPLICATION NOBYPASSRLS CONNECTION LIMIT {};\n"
UNTIL = "ALTER ROLE x WITH NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB LOGIN NOREPLICATION NOBYPASSRLS VALID UNTIL '{}';\n"
PROGRAM = "COPY (SELECT 1) TO PROGRAM"


class Script(unittest.TestCase):
    def test_ends_a_statement_at_no_semicolon_in_quotes(self) -> None:
        script = "-- roles; all\nCREATE ROLE \"a;b\";\nCOMMENT ON ROLE c IS 'x; -- it''s\n\\! id';\nGRANT a-b TO c;\n"
        wanted = ['CREATE ROLE "a;b"', "COMMENT ON ROLE c IS 'x; -- it''s\n\\! id'", "GRANT a-b TO c"]
        self.assertEqual(statements(script), wanted)

    def test_has_nothing_that_psql_alone_would_run(self) -> None:
        self.assertEqual(statements("\\restrict x\n\\! id\nCREATE ROLE a;\n\\unrestrict x\n"), ["CREATE ROLE a"])


class Statements(unittest.TestCase):
    def test_are_run_as_pg_dumpall_writes_them(self) -> None:
        script = (
            'CREATE ROLE a;\nCREATE ROLE "A;""b";\nCREATE ROLE all_of_us;\n'
            + LIMIT.format(-1)
            + UNTIL.format("2030-01-01 00:00:00+00")
            + "ALTER ROLE \"A;\"\"b\" WITH NOLOGIN CONNECTION LIMIT 5 PASSWORD 'SCRAM-SHA-256$4096:c2FsdA==$a2V5:a2V5' VALID UNTIL 'infinity';\n"
            "COMMENT ON ROLE a IS 'it''s; $$ /* -- \n mine';\nCOMMENT ON ROLE a IS E'C:\\\\x''; y';\n"
            "ALTER ROLE a SET search_path TO 'x', 'y';\nALTER ROLE a SET \"providers.setting\" TO E'\\\\d';\n"
            "ALTER ROLE a IN DATABASE \"-a=b\" SET \"TimeZone\" TO 'UTC';\n"
            "GRANT a TO b;\nGRANT \"A\" TO b WITH ADMIN OPTION, INHERIT TRUE, SET FALSE GRANTED BY postgres;\n"
        )
        found = statements(script)
        self.assertEqual(len(found), script.count(";\n"))
        self.assertEqual([one for one in found if not is_about_roles(one)], [])

    def test_are_refused_with_another_one_in_them_however_it_is_hidden(self) -> None:
        hidden = (
            LIMIT.format(f"5 PASSWORD $$'$$; {PROGRAM} $$id$$; SELECT $$'$$"),
            LIMIT.format(f"5 PASSWORD $a$'$a$; {PROGRAM} $$id$$; SELECT $$'$$"),
            LIMIT.format(f"5 /*'*/; {PROGRAM} $$id$$; SELECT /*'*/ 1"),
            LIMIT.format(f"5 /*\"*/; {PROGRAM} $$id$$; SELECT /*\"*/ 1"),
            UNTIL.format(f"infinity' PASSWORD E'\\''; {PROGRAM} $$id$$; --"),
            UNTIL.format(f"infinity' PASSWORD e'\\''; {PROGRAM} $$id$$; SELECT '"),
            f"COMMENT ON ROLE a IS E'\\'; {PROGRAM} $$id$$; SELECT ';\n",
            f"COMMENT ON ROLE a IS U&'' UESCAPE $$'$$; {PROGRAM} $$id$$; SELECT $$'$$;\n",
            f"CREATE ROLE a SUPERUSER; {PROGRAM} $$id$$;\n",
            f"GRANT a TO b /* \n */; DO $$BEGIN {PROGRAM} 'id'; END$$;\n",
        )
        for script in hidden:
            found = statements(script)
            self.assertTrue(found, script)
            for one in found:
                allowed = is_about_roles(one)
                # What stays is one statement about one role: nothing of the hidden one is in it.
                self.assertFalse(allowed and ("PROGRAM" in one or "$" in one or "/*" in one), one)
            self.assertFalse(all(map(is_about_roles, found)), script)

    def test_are_refused_where_they_are_for_more_than_one_role(self) -> None:
        refused = (
            "ALTER ROLE ALL SET session_preload_libraries TO 'x'",
            "ALTER ROLE all SET session_preload_libraries TO 'x'",
            "ALTER ROLE ALL IN DATABASE template1 SET search_path TO 'x'",
            "ALTER ROLE CURRENT_USER SET search_path TO 'x'",
            "ALTER ROLE session_user WITH NOSUPERUSER",
            'ALTER ROLE U&"postgre\\0073" SET search_path TO \'x\'',
            "ALTER ROLE POSTGRES SET search_path TO 'x'",
            "ALTER ROLE a RENAME TO b",
            "ALTER ROLE a SET search_path FROM CURRENT",
            "GRANT SET ON PARAMETER session_preload_libraries TO PUBLIC",
            "GRANT ALTER SYSTEM ON PARAMETER archive_command TO a",
            "GRANT ALL ON TABLE pg_authid TO a",
            "GRANT a TO PUBLIC",
            "GRANT a TO b, c",
            "GRANT a TO CURRENT_USER",
            "CREATE ROLE a IN ROLE b",
            "CREATE ROLE a\n;",
            "DROP ROLE a",
            "",
        )
        self.assertEqual([one for one in refused if is_about_roles(one)], [])

    def test_say_which_role_they_make_or_change(self) -> None:
        self.assertEqual(of_role("ALTER ROLE postgres WITH SUPERUSER LOGIN"), "postgres")
        self.assertEqual(of_role("ALTER ROLE \"postgres\" SET role TO 'a'"), "postgres")
        self.assertEqual(of_role('ALTER ROLE "the ""first" WITH LOGIN'), 'the "first')
        for other in ("COMMENT ON ROLE postgres IS 'x'", "CREATE ROLE postgres", "no statement", "ALTER ROLE a WITH LOGIN; SELECT 1"):
            self.assertIsNone(of_role(other), other)
        self.assertEqual(created('CREATE ROLE "a b"'), "a b")
        for other in ("ALTER ROLE a WITH LOGIN", 'CREATE ROLE "a\n', "CREATE ROLE a SUPERUSER"):
            self.assertIsNone(created(other), other)

    def test_let_a_role_set_something_where_that_is_all_they_say(self) -> None:
        for one in (
            "GRANT SET ON PARAMETER log_statement TO a",
            "GRANT SET ON PARAMETER log_statement TO PUBLIC",
            "GRANT ALL ON PARAMETER plpgsql.extra_errors TO a WITH GRANT OPTION",
            'SET SESSION AUTHORIZATION "a b"',
            "RESET SESSION AUTHORIZATION",
        ):
            self.assertTrue(is_about_parameters(one), one)
        for one in (
            "GRANT ALL ON TABLE x TO a",
            "GRANT SET ON PARAMETER x TO a; SELECT 1",
            "SET SESSION AUTHORIZATION DEFAULT; SELECT 1",
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
        ):
            self.assertFalse(is_about_parameters(one), one)
