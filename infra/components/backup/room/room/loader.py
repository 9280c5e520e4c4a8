"""Restores the database of a server that others run into a scratch server, beside the room's own keys: whoever may write there has a say
in what runs here.

What the dump makes, it makes as a role that may do nothing in this server but own that database: a trigger, a CHECK or a default of
somebody else's runs as that role, which may start no program and read no file. The superuser makes only what such a role cannot, of
which nothing is the dump's own code: the roles, the schemas, and the extensions that this image has. Later it calls nothing by name in
a schema of that role, which could have a function there that fits better than the one that is meant, and reads none of its tables:
PostgreSQL computes what is constant in an index while it plans a query, as whoever asks.
"""

import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from . import compare, server
from .dump_list import (
    OF_SUPERUSERS,
    entry_of,
    is_comment_on,
    is_filling,
    is_of_extension,
    is_of_foreign_table,
    is_of_kind,
    is_of_member,
    listed,
    made,
    quoted,
)
from .left import Left
from .manifest import Manifest
from .progress import call
from .role_statements import alters, is_about_roles, statements
from .scratch import Scratch
from .settings import RoomError

# With it the superuser checks what was restored, by functions that it finds in the schema of this extension.
CHECKING = "amcheck"

def restore_roles(target: Scratch, script: str, found: Manifest, left: Left) -> None:
    """What concerns the provider's own roles may be refused here. @param found the dump's manifest. @param left is told what was
    refused, and that the first role is not compared: it is this server's own superuser here, and has to stay able to work. @throws RoomError
    where something was set for that one all the same"""
    first = found["server"]["bootstrapRole"]
    left.roles.add(first)
    with server.connect(target.host, target.port, target.user, "template1") as connection:
        for statement in statements(script):
            if statement.startswith("SET ") or alters(statement, first):
                continue
            try:
                if not is_about_roles(statement):
                    raise server.Refused(f"not about roles: {statement[:60]}")
                with connection.cursor() as cursor:
                    cursor.execute(statement)
            except server.Refused as error:
                left.statements.append(str(error).splitlines()[0])
                left.roles |= compare.named(statement, found["roles"])
        # A longer name than PostgreSQL has is cut, and then another role's.
        if server.rows(connection, "SELECT 1 FROM pg_db_role_setting WHERE setrole IN (0, 10)"):
            raise RoomError(
                "The dump's roles would set something for the superuser of the server that it is restored into, so nothing more of it is run.",
                "See which one it is in globals.sql.zst of the backup, and whether the server that it is of is what it should be.",
            )


def restore_database(
    target: Scratch, path: Path, one: dict[str, Any], roles: Iterable[str], codec: str, environment: dict[str, str], jobs: str, left: Left
) -> None:
    """Into a database with the locale of the scratch server, which is made with the dump's. Nothing has its owner there, and no rights
    are granted: neither is needed to have the data. @param one its part of the manifest. @param roles of the
    server, by name. @param codec of the names in the dump.
    @param left is told what was left out"""
    with server.connect(target.host, target.port, target.user, "template1") as connection:
        there = {name for (name,) in server.rows(connection, "SELECT name FROM pg_available_extensions")}
        # Not to be known beforehand: what was just run might have granted it something.
        role = f"omniai_loader_{secrets.token_hex(8)}"
        with connection.cursor() as cursor:
            # Its own tables may hide rows from their owner as well.
            cursor.execute(f"CREATE ROLE {role} LOGIN BYPASSRLS")
    left.roles.add(role)
    left.loader = role
    missing = sorted(set(one["extensions"]) - (there - {CHECKING}))
    failed = f"Database {one['name']} could not be made"
    # Of the template that nothing was run in.
    create = ["createdb", "--maintenance-db=template1", "--template=template0", f"--owner={role}", "--", one["name"]]
    call(create, failed, environment)
    lines = entries(path, target.folder / "contents", one["name"], codec)
    # The schema of any extension has the comment that comes with it: like the extension it is not the loader's to comment on.
    theirs = [(name, tuple(member)) for name, all_of_it in one.get("members", {}).items() for member in all_of_it]
    members = [member for name, member in theirs if name in missing or member[0] == "-"]
    own = made(lines)
    wanted = [
        line
        for line in lines
        # What the manifest says is asked for apart from the dump, and a server may answer otherwise.
        if not is_of_extension(line, [*missing, CHECKING]) and not is_comment_on(line, ["EXTENSION"]) and not is_of_member(line, members, own)
    ]
    unfit = [line for line in wanted if is_of_kind(line, OF_SUPERUSERS) or is_comment_on(line, OF_SUPERUSERS)]
    if "servers" not in one:
        # In the manifest of an older version, so that their tables cannot be made.
        unfit += [line for line in wanted if is_of_foreign_table(line)]
    unfilled = [line for line in wanted if is_filling(line, [tuple(view) for view in one.get("farViews", [])], roles)]
    first = [line for line in wanted if is_of_kind(line, ("SCHEMA", "EXTENSION"))]
    restore(path, target.folder, first, one["name"], environment, "1")
    give(target, one["name"], role, one.get("servers", []))
    rest = [line for line in wanted if line not in {*first, *unfit, *unfilled}]
    restore(path, target.folder, rest, one["name"], {**environment, "PGUSER": role}, jobs)
    left.extensions += missing
    left.objects += [entry_of(line).rpartition(" ")[0].lower() for line in (*unfit, *unfilled)]


def entries(path: Path, into: Path, name: str, codec: str) -> list[str]:
    with into.open("wb") as file:
        call(["pg_restore", "--list", str(path)], f"The dump of {name} cannot be read", stdout=file)
    return listed(into.read_bytes().decode(codec, "surrogateescape"))


def restore(path: Path, folder: Path, lines: list[str], name: str, environment: dict[str, str], jobs: str) -> None:
    chosen = folder / "chosen"
    # The rest of a line is for people.
    chosen.write_text("\n".join(line.partition(";")[0] + ";" for line in lines), "ascii")
    call(
        [
            *("pg_restore", "--exit-on-error", "--no-owner", "--no-privileges", "--no-security-labels", "--no-tablespaces"),
            *(f"--dbname={server.as_database(name)}", f"--jobs={jobs}", f"--use-list={chosen}", str(path)),
        ],
        f"Database {name} could not be restored",
        environment,
    )


def give(target: Scratch, name: str, role: str, servers: Iterable[str]) -> None:
    """The schemas that no extension has, what it takes to load the rows of those that have some, and in the place of each foreign server
    one of its name that leads nowhere: then its tables are made as they are, with all that hangs on them, and are empty. One that an
    extension has made here already stays the superuser's, as it may lead somewhere."""
    with server.connect(target.host, target.port, target.user, name) as connection, connection.cursor() as cursor:
        there = {far for (far,) in server.rows(connection, "SELECT srvname FROM pg_foreign_server")}
        for number, far in enumerate(sorted({*servers} - there)):
            if number == 0:
                cursor.execute("CREATE FOREIGN DATA WRAPPER omniai_nowhere")
            cursor.execute(f"CREATE SERVER {quoted(far)} FOREIGN DATA WRAPPER omniai_nowhere")
            cursor.execute(f"GRANT USAGE ON FOREIGN SERVER {quoted(far)} TO {role}")
        own = "SELECT format('%I', n.nspname) FROM pg_namespace n WHERE n.nspname <> 'public' AND " + server.OWN.format(
            oid="n.oid", catalog="pg_namespace"
        )
        for (schema,) in server.rows(connection, own):
            cursor.execute(f"ALTER SCHEMA {schema} OWNER TO {role}")
        tables = """SELECT format('%I', n.nspname), format('%I.%I', n.nspname, c.relname), c.relkind = 'S' FROM pg_depend d
          JOIN pg_class c ON c.oid = d.objid JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'e' AND c.relkind IN ('r', 'p', 'S')"""
        for schema, table, is_sequence in server.rows(connection, tables):
            cursor.execute(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
            # Neither TRIGGER nor REFERENCES: what a foreign key needs is run as the owner of the table, who is the superuser, and with
            # it a trigger or a cast of the dump's.
            cursor.execute(f"GRANT {'ALL ON SEQUENCE' if is_sequence else 'SELECT, INSERT ON TABLE'} {table} TO {role}")
