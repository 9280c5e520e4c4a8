"""Who makes which lines of a dump, when it is restored."""

import unittest

from room.choice import missing, names, of_others, of_own


def line(number: int, entry: str, catalog: int = 1) -> str:
    return f"{number}; {catalog} {16000 + number} {entry}"


DATABASE = ["DATABASE - omniai omniai", "DATABASE PROPERTIES - omniai postgres", "COMMENT - DATABASE omniai postgres", "ACL - DATABASE omniai omniai"]
BASE = ["SCHEMA - more omniai", "EXTENSION - hstore ", "EXTENSION - amcheck ", "FOREIGN DATA WRAPPER - far postgres", "SERVER - far postgres"]
REST = [
    *("FUNCTION public f(integer) omniai", "TABLE public kept omniai", "FOREIGN TABLE public far omniai", "TABLE DATA public kept omniai"),
    *("COMMENT public TABLE kept omniai", "TABLE public ACL omniai", "COMMENT x SCHEMA TABLE kept omniai", "TRIGGER public kept t omniai"),
    "MATERIALIZED VIEW DATA public seen omniai",
]
SAID = [
    *("COMMENT - EXTENSION hstore ", "COMMENT - SCHEMA more omniai"),
    *("USER MAPPING - USER MAPPING omniai SERVER far postgres", "PUBLICATION - all_of_it postgres"),
    *("EVENT TRIGGER - event postgres", "COMMENT - EVENT TRIGGER event postgres", "ACL public TABLE kept omniai", "ACL - TABLE DATABASE omniai"),
    *("DEFAULT ACL public DEFAULT PRIVILEGES FOR TABLES omniai", "SECURITY LABEL public TABLE kept omniai"),
]


class Own(unittest.TestCase):
    def test_its_superuser_makes_what_all_stands_on_and_says_what_is_said_of_it_at_the_end(self) -> None:
        # As they come in a dump, they are among each other.
        mixed = [line(number, entry) for number, entry in enumerate(sorted([*DATABASE, *BASE, *REST, *SAID]))]
        chosen = of_own(mixed)
        for lines, wanted in ((chosen.first, [*DATABASE, *BASE]), (chosen.rest, REST), (chosen.last, SAID)):
            self.assertEqual([one.split(" ", 3)[3] for one in lines], sorted(wanted))
            self.assertEqual(lines, [one for one in mixed if one in lines])
        self.assertEqual(chosen.unmade, [])


class OfOthers(unittest.TestCase):
    def chosen(self, **one: object) -> dict[str, list[str]]:
        lines = [line(number, entry) for number, entry in enumerate([*BASE, *REST, *SAID])]
        found = of_others(lines, {"extensions": {"hstore": "1", "amcheck": "1"}, **one}, ["omniai", "postgres"], {"hstore", "amcheck"})
        return {key: [entry.split(" ", 3)[3] for entry in value] for key, value in vars(found).items()}

    def test_its_superuser_makes_nothing_but_schemas_and_extensions_that_are_here(self) -> None:
        chosen = self.chosen(servers=["far"])
        self.assertEqual(chosen["first"], ["SCHEMA - more omniai", "EXTENSION - hstore "])
        self.assertEqual(chosen["last"], [])
        self.assertLess({*REST}, {*chosen["rest"]})
        for entry in ("SERVER - far postgres", "EVENT TRIGGER - event postgres", "COMMENT - EVENT TRIGGER event postgres"):
            self.assertIn(entry, chosen["unmade"])
        every = [*chosen["first"], *chosen["rest"], *chosen["unmade"]]
        self.assertNotIn("EXTENSION - amcheck ", every)
        self.assertNotIn("COMMENT - EXTENSION hstore ", every)
        self.assertEqual(len(every), len({*every}))

    def test_what_is_far_is_made_where_it_is_known_and_filled_nowhere(self) -> None:
        self.assertIn("FOREIGN TABLE public far omniai", self.chosen()["unmade"])
        self.assertNotIn("MATERIALIZED VIEW DATA public seen omniai", self.chosen()["unmade"])
        self.assertIn("MATERIALIZED VIEW DATA public seen omniai", self.chosen(farViews=[["public", "seen"]])["unmade"])

    def test_an_extension_that_is_not_here_is_missing_with_what_it_has_and_the_check_s_is_always(self) -> None:
        one = {"extensions": {"theirs": "1", "amcheck": "1", "hstore": "1"}, "members": {"theirs": [["theirs", "job"]], "hstore": [["-", "more"]]}}
        self.assertEqual(missing(one, {"hstore", "amcheck"}), ["amcheck", "theirs"])
        entries = ["EXTENSION - theirs ", "TABLE DATA theirs job omniai", "COMMENT - SCHEMA more omniai", "TABLE public kept omniai"]
        chosen = of_others([line(number, entry) for number, entry in enumerate(entries)], one, ["omniai"], {"hstore", "amcheck"})
        self.assertEqual((chosen.first, [one.split(" ", 3)[3] for one in chosen.rest], chosen.unmade), ([], ["TABLE public kept omniai"], []))

    def test_lines_are_named_without_their_owner(self) -> None:
        self.assertEqual(names([line(1, "EVENT TRIGGER - event postgres")]), ["event trigger - event"])
