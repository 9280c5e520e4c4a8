"""Gives what was restored from a dump of the stack's own server to whom it belonged. The superuser runs nothing for it but statements in
the form of ALTER … OWNER TO."""

from collections.abc import Iterable
from typing import Any

from . import server
from .dump_list import quoted
from .load import Load, restore, run
from .owner_statements import added, split


def of_schemas(load: Load, name: str) -> list[str]:
    """Statements that give the database and its schemas back to whom they belong now."""
    with load.connect(name) as connection:
        schemas = server.rows(
            connection,
            "SELECT format('ALTER SCHEMA %I OWNER TO %I', n.nspname, pg_get_userbyid(n.nspowner)) FROM pg_namespace n WHERE "
            + server.OWN.format(oid="n.oid", catalog="pg_namespace"),
        )
        database = "SELECT format('ALTER DATABASE %I OWNER TO %I', datname, pg_get_userbyid(datdba)) FROM pg_database WHERE datname = current_database()"
        return [statement for (statement,) in (*schemas, *server.rows(connection, database))]


def put_back(load: Load, one: dict[str, Any], role: str, lines: Iterable[str], former: Iterable[str]) -> None:
    """From the role that made it all. Most is one role's, and goes to it at once.

    @param lines of what it has made. @param former what `of_schemas` said before. @throws RoomError
    """
    usual, others = split(lines, load.found["roles"])
    given = [statement for line in others for statement in of_line(load, one, line)]
    # A sequence of a table's goes with the table, and by itself only to whom it went.
    given.sort(key=lambda statement: statement.startswith("ALTER SEQUENCE "))
    rest = [] if usual is None else [f"REASSIGN OWNED BY {role} TO {quoted(usual)}"]
    run(load, one["name"], [*given, *former, *rest], f"What is in database {one['name']} could not be given to its owners")


def of_line(load: Load, one: dict[str, Any], line: str) -> list[str]:
    """What pg_restore itself would run to give it to its owner. @throws RoomError"""
    texts = []
    for options in ((), ("--no-owner",)):
        path = load.target.folder / "statements"
        with path.open("wb") as file:
            restore(load, one, [line], "--no-privileges", *options, into=file)
        texts.append(path.read_bytes().decode(load.codec, "surrogateescape"))
    return added(*texts)
