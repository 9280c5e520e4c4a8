"""Gives what was restored from a dump of the stack's own server to whom it belonged. The superuser runs nothing for it but statements in
the form of ALTER … OWNER TO."""

from collections.abc import Iterable
from typing import Any

from . import server
from .dump_list import quoted
from .load import Load, restore, run
from .owner_statements import added, split
from .settings import RoomError


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


# Everything that the role owns and somebody else has rights to. Every database has a schema that all may use from its beginning.
GRANTED = """SELECT DISTINCT what FROM (
    SELECT 'relation ' || c.oid::regclass, c.relacl, c.relowner FROM pg_class c
    UNION ALL SELECT 'column ' || a.attrelid::regclass || '.' || a.attname, a.attacl, c.relowner FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    UNION ALL SELECT 'function ' || p.oid::regprocedure, p.proacl, p.proowner FROM pg_proc p
    UNION ALL SELECT 'type ' || t.oid::regtype, t.typacl, t.typowner FROM pg_type t
    UNION ALL SELECT 'schema ' || n.nspname, n.nspacl, n.nspowner FROM pg_namespace n
    UNION ALL SELECT 'large object ' || l.oid, l.lomacl, l.lomowner FROM pg_largeobject_metadata l
  ) every (what, acl, owner), aclexplode(acl) given
  WHERE owner = %s::regrole AND given.grantee <> owner
    AND NOT (what = 'schema public' AND given.grantee = 0 AND given.privilege_type = 'USAGE')
  ORDER BY what"""


def refuse_granted(load: Load, name: str, role: str) -> None:
    """The rights that a dump has are granted when all is there. Before that only code in it can have granted some, of what was all one
    role's then, and they would stay. @throws RoomError"""
    with load.connect(name) as connection:
        found = [what for (what,) in server.rows(connection, GRANTED, role)]
    if found:
        raise RoomError(
            f"While database {name} was restored, something in it has given rights that are not in the dump: {', '.join(found[:5])}.",
            "See what in that database grants rights where it is called by a check, a default, an index or a materialized view.",
        )


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
