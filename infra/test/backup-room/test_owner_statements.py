"""To whom what was restored is given."""

import unittest

from room.owner_statements import added, has_owner, split
from room.settings import RoomError

HEAD = """--
-- PostgreSQL database dump
--

SET search_path = '';

--
-- Name: {name}; Type: TABLE; Schema: public; Owner: {owner}
--

{made}

"""
TAIL = """--
-- PostgreSQL database dump complete
--

"""


def script(made: str, owner: str, statement: str = "", name: str = "t") -> str:
    return HEAD.format(made=made, owner=owner, name=name) + (f"{statement}\n\n\n" if statement else "") + TAIL


class Added(unittest.TestCase):
    def test_is_what_comes_after_the_statement_itself(self) -> None:
        # Whatever is in it: the same in both.
        for made in (
            "CREATE TABLE public.t ();",
            "CREATE FUNCTION public.f() AS $$\n\n-- Name: x; Owner: -\nALTER FUNCTION f() OWNER TO postgres;\n\n" + TAIL + "$$;",
        ):
            statement = 'ALTER TABLE public.t OWNER TO "a; role"'
            self.assertEqual(added(script(made, "a; role", f"{statement};"), script(made, "-")), [statement])
            self.assertEqual(added(script(made, "x"), script(made, "-")), [])

    def test_may_have_names_over_several_lines_and_be_several(self) -> None:
        statements = ['ALTER TABLE public."a\n\n-- Name: b\n--" OWNER TO x', "ALTER LARGE OBJECT 3 OWNER TO x"]
        made = 'CREATE TABLE public."a\n\n-- Name: b\n--" ();'
        self.assertEqual(added(script(made, "x", ";\n\n".join(statements) + ";"), script(made, "-")), statements)

    def test_is_nothing_else_than_a_change_of_owner(self) -> None:
        for statement in ("DROP TABLE public.t;", "ALTER TABLE public.t OWNER TO x; SELECT f();", "ALTER TABLE t OWNER TO CURRENT_USER;"):
            with self.assertRaises(RoomError):
                added(script("CREATE TABLE public.t ();", "x", statement), script("CREATE TABLE public.t ();", "-"))
        with self.assertRaises(RoomError):
            added(script("CREATE TABLE public.t ();", "x"), script("CREATE TABLE public.u ();", "-"))


def roles(*names: str) -> dict[str, dict[str, str]]:
    """Of which the first is a superuser."""
    return {name: {"rights": "f,t" if number else "t,t"} for number, name in enumerate(names)}


class Split(unittest.TestCase):
    def test_most_is_one_role_s_and_the_others_are_named(self) -> None:
        lines = [f"{number}; 1259 1{number} TABLE public t{number} omniai" for number in range(3)]
        other = "9; 1259 19 TABLE public other postgres"
        rows = "8; 0 18 TABLE DATA public other postgres"
        self.assertEqual(split([*lines, other, rows], roles("postgres", "omniai")), ("omniai", [other]))
        self.assertEqual(split([rows], roles("postgres", "omniai")), (None, []))
        for line in (rows, "7; 1259 17 INDEX public i postgres", "6; 2606 16 FK CONSTRAINT public t f postgres", "5; 2604 15 DEFAULT public t id postgres"):
            self.assertFalse(has_owner(line), line)
        self.assertTrue(has_owner("4; 3381 14 STATISTICS public s postgres"))

    def test_what_may_be_another_s_is_asked_for(self) -> None:
        # A role's name that ends with another one's.
        line = "1; 1259 11 TABLE public t a omniai"
        plain = "2; 1259 12 TABLE public t omniai"
        self.assertEqual(split([line, plain], roles("postgres", "omniai", "a omniai")), ("omniai", [line]))
        # One that the manifest does not have.
        odd = "3; 1259 13 TABLE public t somebody"
        self.assertEqual(split([odd, plain], roles("postgres", "omniai")), ("omniai", [odd]))

    def test_no_superuser_gets_what_nobody_has_named(self) -> None:
        lines = [f"{number}; 1259 1{number} TABLE public t{number} postgres" for number in range(3)]
        self.assertEqual(split(lines, roles("postgres", "omniai")), (None, lines))
        own = "9; 1259 19 TABLE public t omniai"
        self.assertEqual(split([*lines, own], roles("postgres", "omniai")), ("omniai", lines))
