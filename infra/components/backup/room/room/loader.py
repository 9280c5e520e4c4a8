"""Restores a dump into a scratch server, beside the room's own keys: whoever may write in a database that is dumped has a say in what
runs here, be it the stack's own or one that others run.

What the dump makes, it makes as a role that may do nothing in this server but own that database: a trigger, a CHECK or a default of
somebody else's runs as that role, which may start no program and read no file. The superuser makes only what such a role cannot, of
which nothing is the dump's own code: the roles, the schemas, the extensions that this image has, and of the stack's own server at the
end owners, rights and settings (owners.py). Later it calls nothing by name in a schema of the dump's, which could have a function there
that fits better than the one that is meant, and reads none of its tables (reader.py).
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from . import choice, compare, owners, reader, server
from .dump_list import as_listed, entry_of, quoted
from .load import Load, entries, restore, run
from .progress import call
from .role_statements import created, is_about_parameters, is_about_roles, of_role, statements
from .settings import RoomError

# Restoring with two processes at once: one builds an index while the other loads.
JOBS = 2
ROLES_FAILED = "The roles could not be restored"
# Nothing has its owner at first, and no rights are granted: neither is needed to have the data.
PLAIN = ("--no-owner", "--no-privileges", "--no-security-labels")
# That something is an extension's.
MEMBER = "SELECT FROM pg_depend d WHERE d.objid = {oid} AND d.classid = '{catalog}'::regclass AND d.deptype = 'e'"


def restore_roles(load: Load, script: str) -> list[str]:
    """What concerns a provider's own roles may be refused here, and is noted in what is left; of the stack's own server nothing may.

    @returns what is to be run once everything else is done: it sets something for this server's own superuser, who has to stay able to
    work, or lets others set something. @throws RoomError, also where something was set for the superuser all the same
    """
    later = []
    if not load.is_own:
        load.left.roles.add(load.first_role)
    with load.connect() as connection:
        for statement in statements(script):
            if of_role(statement) == load.first_role or (load.is_own and is_about_parameters(statement)):
                later.append(statement)
                continue
            if statement.startswith("SET ") or created(statement) == load.first_role:
                continue
            try:
                if not is_about_roles(statement):
                    raise server.Refused(f"not about roles: {statement[:60]}")
                with connection.cursor() as cursor:
                    cursor.execute(statement)
            except server.Refused as error:
                if load.is_own:
                    raise RoomError(f"{ROLES_FAILED}: {str(error).strip()}") from error
                load.left.statements.append(str(error).splitlines()[0])
                load.left.roles |= compare.named(statement, load.found["roles"])
        # A longer name than PostgreSQL has is cut, and then another role's.
        if server.rows(connection, "SELECT 1 FROM pg_db_role_setting WHERE setrole IN (0, 10)"):
            raise RoomError(
                "The dump's roles would set something for the superuser of the server that it is restored into, so nothing more of it is run.",
                "See which one it is in globals.sql.zst of the backup, and whether the server that it is of is what it should be.",
            )
    return later if load.is_own else []


def finish_roles(load: Load, later: Iterable[str]) -> None:
    """Once nothing of the dump runs any more. @throws RoomError"""
    run(load, "template1", later, ROLES_FAILED)


@dataclass(frozen=True)
class Loaded:
    """A database that is all its loader's."""

    # Its part of the manifest.
    one: dict[str, Any]
    role: str
    lines: choice.Choice
    # Whom the database and its schemas belonged to, as statements.
    former: list[str]


def restore_database(load: Load, one: dict[str, Any]) -> Loaded:
    """Into a database with the locale that it had or, of a server of others, with that of this server. @param one its part of the
    manifest. @throws RoomError"""
    name = one["name"]
    with load.connect() as connection:
        there = {extension for (extension,) in server.rows(connection, "SELECT name FROM pg_available_extensions")}
        # Not to be known beforehand: what was just run might have granted it something.
        role = f"omniai_loader_{secrets.token_hex(8)}"
        with connection.cursor() as cursor:
            # Its own tables may hide rows from their owner as well.
            cursor.execute(f"CREATE ROLE {role} LOGIN BYPASSRLS")
    load.left.roles.add(role)
    lines = entries(load, one)
    if load.is_own:
        chosen = choice.of_own(lines)
        restore(load, one, chosen.first, "--create", "--dbname=template1")
    else:
        chosen = choice.of_others(lines, one, load.found["roles"], there)
        # Of the template that nothing was run in.
        create = ["createdb", "--maintenance-db=template1", "--template=template0", f"--owner={role}", "--", name]
        call(create, f"Database {name} could not be made", load.environment)
        restore(load, one, chosen.first, *PLAIN)
        load.left.extensions += choice.missing(one, there)
        load.left.objects += choice.names(chosen.unmade)
    former = owners.of_schemas(load, name) if load.is_own else []
    give(load, name, role, one.get("servers", []))
    if load.is_own:
        let_as_before(load, name, role, chosen.rest)
    restore(load, one, chosen.rest, *PLAIN, f"--jobs={JOBS}", role=role)
    return Loaded(one, role, chosen, former)


def hand_over(load: Load, loaded: Loaded) -> None:
    """Gives what is of the stack's own server to its owners, with all that is said of it. From then on the superuser does nothing with it
    for which PostgreSQL turns into an owner, who may be a superuser: code of the dump may have put something into what is that one's.
    @throws RoomError"""
    name = loaded.one["name"]
    owners.refuse_granted(load, name, loaded.role)
    owners.put_back(load, loaded.one, loaded.role, loaded.lines.rest, loaded.former)
    restore(load, loaded.one, loaded.lines.last)
    reader.release(load.target, name, loaded.role)
    reader.drop(load.target, loaded.role)


def give(load: Load, name: str, role: str, servers: Iterable[str]) -> None:
    """The database and the schemas that no extension has, what it takes to load the rows of those that have some, and foreign servers for
    tables that are made at them. Of a server of others each is one of its name that leads nowhere: then its tables are made as they are,
    with all that hangs on them, and are empty. One that an extension has made here already stays the superuser's, as it may lead somewhere."""
    with load.connect(name) as connection, connection.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {quoted(name)} OWNER TO {role}")
        for far in own_servers(connection) if load.is_own else nowhere(connection, servers):
            cursor.execute(f"GRANT USAGE ON FOREIGN SERVER {quoted(far)} TO {role}")
        own = "SELECT format('%I', n.nspname) FROM pg_namespace n WHERE " + server.OWN.format(oid="n.oid", catalog="pg_namespace")
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


def let_as_before(load: Load, name: str, role: str, lines: Iterable[str]) -> None:
    """What the roles of the stack's own server could do beside its extensions: make something in their schemas, and set, for a function, what a
    library of theirs knows. @param lines of what is made next"""
    schemas = "SELECT nspname, format('%I', nspname) FROM pg_namespace n WHERE EXISTS (" + MEMBER.format(oid="n.oid", catalog="pg_namespace") + ")"
    libraries = "SELECT DISTINCT quote_literal(probin) FROM pg_proc p WHERE probin IS NOT NULL AND EXISTS (" + MEMBER.format(
        oid="p.oid", catalog="pg_proc"
    ) + ")"
    made = [entry_of(line) for line in lines]
    with load.connect(name) as connection, connection.cursor() as cursor:
        for listed, schema in server.rows(connection, schemas):
            if any(f" {as_listed(listed)} " in entry for entry in made):
                cursor.execute(f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {role}")
        found = [library for (library,) in server.rows(connection, libraries)]
        if found:
            cursor.execute(f"ALTER ROLE {role} IN DATABASE {quoted(name)} SET session_preload_libraries = {', '.join(found)}")


def nowhere(connection: server.Connection, servers: Iterable[str]) -> list[str]:
    """Makes the servers of these names that are not there. @returns which those are"""
    there = {far for (far,) in server.rows(connection, "SELECT srvname FROM pg_foreign_server")}
    made = sorted({*servers} - there)
    with connection.cursor() as cursor:
        if made:
            cursor.execute("CREATE FOREIGN DATA WRAPPER omniai_nowhere")
        for far in made:
            cursor.execute(f"CREATE SERVER {quoted(far)} FOREIGN DATA WRAPPER omniai_nowhere")
    return made


def own_servers(connection: server.Connection) -> list[str]:
    """The foreign servers that the dump has made, and no extension."""
    member = MEMBER.format(oid="s.oid", catalog="pg_foreign_server")
    return [far for (far,) in server.rows(connection, f"SELECT srvname FROM pg_foreign_server s WHERE NOT EXISTS ({member})")]
