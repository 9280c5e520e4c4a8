"""Pure: to whom the entries of a dump belong, by its list and by what pg_restore writes of them."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from .dump_list import as_listed, entry_of, is_of_kind
from .role_statements import NAME, statements
from .settings import RoomError

OWNER_TO = re.compile(rf"ALTER (?P<kind>[A-Z]+(?: [A-Z]+)*) .+ OWNER TO {NAME}", re.DOTALL)
# Whose owner is that of the table that they are of.
OF_TABLES = (
    *("INDEX", "CONSTRAINT", "CHECK CONSTRAINT", "FK CONSTRAINT", "DEFAULT", "TRIGGER", "RULE", "POLICY", "ROW SECURITY"),
    *("TABLE ATTACH", "SEQUENCE OWNED BY"),
)
# pg_restore writes the name of an entry, without an end of a line in it, before its statements, and this after the last one.
BEFORE, AFTER = "\n-- Name: ", "--\n-- PostgreSQL database dump complete\n"


def split(lines: Iterable[str], roles: Mapping[str, Mapping[str, Any]]) -> tuple[str | None, list[str]]:
    """Pure: to whom most belongs that is no superuser's, and the lines of what belongs, or may belong, to somebody else. A line ends
    with the owner, and a role's name may end with another one's.

    @param roles of the server by name, as `server.roles` gives them. What code of the dump has made while it was restored goes to whom
    most belongs as well, so no superuser is that.
    """
    names = {role: f" {as_listed(role)}" for role in roles}
    ends = {line: [role for role, end in names.items() if entry_of(line).endswith(end)] for line in lines if has_owner(line)}
    counted = Counter(found[0] for found in ends.values() if len(found) == 1 and not roles[found[0]]["rights"].startswith("t"))
    usual = counted.most_common(1)[0][0] if counted else None
    return usual, [line for line, found in ends.items() if found != [usual]]


def has_owner(line: str) -> bool:
    """Pure: whether a line of a dump's list makes something that has one: "9; 1259 16390 TABLE …", and neither rows nor comments, which are in no
    catalog of their own: "9; 0 16390 TABLE DATA …", nor a part of a table."""
    return line.partition("; ")[2].partition(" ")[0] != "0" and not is_of_kind(line, OF_TABLES)


def added(text: str, without: str) -> list[str]:
    """Pure: the statements about owners in what pg_restore writes of one entry. @param without the same with --no-owner.
    @throws RoomError for what is not in that form"""
    whole, start = (one.partition(BEFORE)[2].partition("\n")[2].rpartition(AFTER)[0] for one in (text, without))
    found = statements(whole.removeprefix(start))
    if not whole.startswith(start) or not all(OWNER_TO.fullmatch(statement) for statement in found):
        raise RoomError(f"To whom something belongs cannot be told from what pg_restore writes: {found[:1]}")
    return found
