"""Restores the database of a server that others run into a scratch server, beside the room's own keys: whoever may write there has a say
in what runs here.

What the dump makes, it makes as a role that may do nothing in this server but own that database: a trigger, a CHECK or a default of
somebody else's runs as that role, which may start no program and read no file. The superuser makes only what such a role cannot, of
which nothing is the dump's own code: the roles, the schemas, and the extensions that this image has.
"""

import re
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from . import compare, server
from .dump_list import OF_SUPERUSERS, entry_of, is_of_extension, is_of_kind, is_of_member, statements
from .left import Left
from .progress import call
from .scratch import Scratch

# What pg_dumpall writes about roles. Anything else would be run by the superuser unseen.
ABOUT_ROLES = re.compile(r"(CREATE|ALTER) ROLE |GRANT |COMMENT ON ROLE ", re.IGNORECASE)


def restore_roles(target: Scratch, script: str, roles: Iterable[str], left: Left) -> None:
    """What concerns the provider's own roles may be refused here. @param roles of the server. @param left is told what was refused"""
    with server.connect(target.host, target.port, target.user, "template1") as connection:
        for statement in statements(script):
            if statement.upper().startswith("SET "):
                continue
            try:
                if not ABOUT_ROLES.match(statement):
                    raise server.Refused(f"not about roles: {statement[:60]}")
                with connection.cursor() as cursor:
                    cursor.execute(statement)
            except server.Refused as error:
                left.statements.append(str(error).splitlines()[0])
                left.roles |= compare.named(statement, roles)


def restore_database(target: Scratch, path: Path, one: dict[str, Any], environment: dict[str, str], jobs: str, left: Left) -> None:
    """Into a database with the locale of the scratch server, which is made with the dump's. Nothing has its owner there, and no rights
    are granted: neither is needed to have the data. @param left is told what was left out"""
    with server.connect(target.host, target.port, target.user, "template1") as connection:
        there = {name for (name,) in server.rows(connection, "SELECT name FROM pg_available_extensions")}
        # Not to be known beforehand: what was just run might have granted it something.
        role = f"omniai_loader_{secrets.token_hex(8)}"
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE ROLE {role} LOGIN")
    left.roles.add(role)
    missing = sorted(set(one["extensions"]) - there)
    failed = f"Database {one['name']} could not be made"
    # Of the template that nothing was run in.
    create = ["createdb", "--maintenance-db=template1", "--template=template0", f"--owner={role}", one["name"]]
    call(create, failed, environment)
    lines = entries(path, target.folder / "contents", one["name"])
    members = [tuple(member) for name in missing for member in one.get("members", {}).get(name, [])]
    wanted = [line for line in lines if not is_of_extension(line, missing) and not is_of_member(line, members)]
    unfit = [line for line in wanted if is_of_kind(line, OF_SUPERUSERS)]
    # A comment on the schema public comes with it, which is there already.
    first = [line for line in wanted if is_of_kind(line, ("SCHEMA", "EXTENSION"))]
    restore(path, target.folder, first, one["name"], environment, "1")
    give(target, one["name"], role)
    rest = [line for line in wanted if line not in {*first, *unfit}]
    restore(path, target.folder, rest, one["name"], {**environment, "PGUSER": role}, jobs)
    left.extensions += missing
    left.objects += [entry_of(line).rpartition(" ")[0].lower() for line in unfit]


def entries(path: Path, into: Path, name: str) -> list[str]:
    with into.open("wb") as file:
        call(["pg_restore", "--list", str(path)], f"The dump of {name} cannot be read", stdout=file)
    return [line for line in into.read_text("utf-8").splitlines() if line and not line.startswith(";")]


def restore(path: Path, folder: Path, lines: list[str], name: str, environment: dict[str, str], jobs: str) -> None:
    chosen = folder / "chosen"
    chosen.write_text("\n".join(lines), "utf-8")
    call(
        [
            *("pg_restore", "--exit-on-error", "--no-owner", "--no-privileges", "--no-security-labels"),
            *(f"--dbname={name}", f"--jobs={jobs}", f"--use-list={chosen}", str(path)),
        ],
        f"Database {name} could not be restored",
        environment,
    )


def give(target: Scratch, name: str, role: str) -> None:
    """The schemas that no extension has, and the rows of those that have some."""
    with server.connect(target.host, target.port, target.user, name) as connection, connection.cursor() as cursor:
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
            cursor.execute(f"GRANT ALL ON {'SEQUENCE' if is_sequence else 'TABLE'} {table} TO {role}")
