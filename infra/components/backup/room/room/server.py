"""What is in a server, as far as it can be compared: tables with their rows, sequences, extensions, roles."""

import hashlib
import os
import subprocess
from contextlib import contextmanager
from collections.abc import Callable, Iterator
from typing import Any

import psycopg2
import psycopg2.errors
import psycopg2.extensions

from .settings import RoomError, Settings

Connection = psycopg2.extensions.connection
Facts = dict[str, Any]

# The database that every server has.
MAINTENANCE = "postgres"
# How long whoever changes a table is waited for, and how often a snapshot is begun anew where one was dropped just then.
LOCK_WAIT, SNAPSHOTS = "60s", 5

# What belongs to no extension: those make their own anew, and where one cannot be had here, nothing in the database is missed.
OWN = """n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = {oid} AND d.classid = '{catalog}'::regclass AND d.deptype = 'e')"""

# No index, constraint or trigger is a member of an extension itself: it hangs on a table or a type that is.
NOT_ON_A_MEMBER = """NOT EXISTS (SELECT FROM pg_depend m WHERE m.objid IN ({of}) AND m.deptype = 'e'
  AND m.classid IN ('pg_class'::regclass, 'pg_type'::regclass))"""


# What a role or a database may have set otherwise, and what would cut a long run off or have two servers write the same otherwise:
# names, and the time at which a role ends. Rows that somebody may not see are refused, and not left out of a count in silence.
SETTINGS = {
    **dict.fromkeys(("statement_timeout", "transaction_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout"), "0"),
    **{"quote_all_identifiers": "off", "row_security": "off", "timezone": "UTC"},
}
# PostgreSQL before 17 has not all of them.
OWN_SETTINGS = """SELECT set_config(own.name, own.value, false) FROM unnest(%s, %s) own (name, value)
  WHERE EXISTS (SELECT FROM pg_settings s WHERE lower(s.name) = own.name)"""
# A database of this encoding knows no characters. Each byte is one of this one, so that a name goes back as it came.
SQL_ASCII, ANY_BYTES = "SQL_ASCII", "LATIN1"


# What PostgreSQL says no to, with its reason.
Refused = psycopg2.Error


class NotAnswered(RoomError):
    """PostgreSQL was not reached, or did not let the room in, or broke off."""


@contextmanager
def connect(host: str, port: int | str, user: str, database: str, **more: str) -> Iterator[Connection]:
    """@param more in libpq's words. @throws NotAnswered that names the server, also for what PostgreSQL refuses or breaks off
    within the block"""
    try:
        connection = psycopg2.connect(host=host, port=port, user=user, dbname=database, **more)
    except psycopg2.Error as error:
        raise NotAnswered(
            f"PostgreSQL at {host} does not let the backup room in: {str(error).strip()}",
            "See how it is: npm run health, npm run logs -- postgres.",
        ) from error
    try:
        # A snapshot is held for as long as a dump takes.
        connection.autocommit = True
        if connection.info.parameter_status("server_encoding") == SQL_ASCII:
            connection.set_client_encoding(ANY_BYTES)
        with connection.cursor() as cursor:
            # A name without a schema is PostgreSQL's own, whatever somebody has made in a restored database.
            cursor.execute("SET search_path = pg_catalog")
            cursor.execute(OWN_SETTINGS, (list(SETTINGS), list(SETTINGS.values())))
        yield connection
    except psycopg2.Error as error:
        raise NotAnswered(
            f"PostgreSQL at {host} did not answer the backup room to the end ({database}): {str(error).strip()}",
            "See how it is: npm run health, npm run logs -- postgres.",
        ) from error
    finally:
        connection.close()


def rows(connection: Connection, query: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, values or None)
        return cursor.fetchall()


def one(connection: Connection, query: str, *values: Any) -> Any:
    return rows(connection, query, *values)[0][0]


def unless_gone(connection: Connection, query: str) -> list[tuple[Any, ...]]:
    """Of a table or a sequence that was listed a moment ago: nothing where it was dropped since.

    PostgreSQL computes what is constant in an index while it plans the query, by functions of whoever owns the table, as whoever asks. So
    it is asked in a transaction that cannot write, and that no function can end: they could give themselves the room's own role else.
    """
    try:
        if connection.info.transaction_status != psycopg2.extensions.TRANSACTION_STATUS_IDLE:
            return rows(connection, query)
        with connection.cursor() as cursor:
            cursor.execute("BEGIN READ ONLY")
            try:
                return rows(connection, query)
            finally:
                # With it goes what a function has set for the session.
                if not connection.closed:
                    cursor.execute("ROLLBACK")
    except psycopg2.errors.UndefinedTable:
        return []


def codec(encoding: str) -> str:
    """Pure: Python's name of an encoding of PostgreSQL, in which its programs write what is in a database of that encoding."""
    return psycopg2.extensions.encodings.get(ANY_BYTES if encoding == SQL_ASCII else encoding, "utf-8")


def as_database(name: str) -> str:
    """Pure: for a program's --dbname, which takes a name with an equals sign for a whole address."""
    return str(psycopg2.extensions.make_dsn(dbname=name))


def tool_version(tool: str) -> str:
    """What the tool says its version is."""
    return subprocess.run([tool, "--version"], check=True, capture_output=True, text=True).stdout.strip()


def check_version(connection: Connection, remedy: str) -> int:
    """@returns the server's version as a number. @throws RoomError for one that is newer than this room's tools"""
    number = int(one(connection, "SHOW server_version_num"))
    own = int(tool_version("pg_dump").split()[2].split(".")[0])
    if number // 10000 > own:
        raise RoomError(f"PostgreSQL {number // 10000} is newer than this room's tools ({own}), which cannot read it.", remedy)
    return number


def describe(connection: Connection) -> Facts:
    """The server itself. @throws RoomError for one that is newer than this room's tools"""
    remedy = "The room is built on omniai:postgresImage: deploy the stack again (npm run up)."
    number = check_version(connection, remedy)
    template = rows(
        connection,
        "SELECT pg_encoding_to_char(encoding), datcollate, datctype, datlocprovider, datlocale"
        " FROM pg_database WHERE datname = 'template1'",
    )[0]
    return {
        "version": one(connection, "SHOW server_version"),
        "versionNumber": number,
        "systemId": str(one(connection, "SELECT system_identifier FROM pg_control_system()")),
        "bootstrapRole": one(connection, "SELECT rolname FROM pg_roles WHERE oid = 10"),
        "preload": one(connection, "SHOW shared_preload_libraries"),
        "checksums": one(connection, "SHOW data_checksums") == "on",
        "encoding": template[0],
        "collate": template[1],
        "ctype": template[2],
        "localeProvider": template[3],
        "locale": template[4],
    }


def databases(connection: Connection) -> list[str]:
    """Those that a dump takes: all that let somebody in, but no template."""
    found = rows(
        connection, "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY datname"
    )
    return [name for (name,) in found]


def roles(connection: Connection, verifiers: bool = True) -> Facts:
    """Every role with its rights and memberships. Of a password verifier only a hash: enough to compare.

    @param verifiers false for who may not read them: then no role has one.
    """
    source, password = ("pg_authid", "rolpassword") if verifiers else ("pg_roles", "NULL")
    found = rows(
        connection,
        f"""SELECT rolname, concat_ws(',', rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication,
                  rolbypassrls, rolconnlimit, rolvaliduntil), {password},
                  ARRAY(SELECT g.rolname FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
                        WHERE m.member = a.oid ORDER BY 1)::text
           FROM {source} a WHERE rolname !~ '^pg_' ORDER BY rolname""",
    )
    return {
        name: {
            "rights": rights,
            "password": None if password is None else hashlib.sha256(password.encode()).hexdigest()[:16],
            "memberOf": groups,
        }
        for name, rights, password, groups in found
    }


def own_sequences(connection: Connection) -> list[str]:
    found = rows(
        connection,
        "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND "
        + OWN.format(oid="c.oid", catalog="pg_class"),
    )
    return sorted(name for (name,) in found)


def sequences(connection: Connection) -> dict[str, int]:
    """The next value that each sequence would give, near enough to compare."""
    values = {}
    for name in own_sequences(connection):
        for last, called in unless_gone(connection, f"SELECT last_value, is_called FROM {name}"):
            values[name] = last + (1 if called else 0)
    return values


def own_tables(connection: Connection) -> list[str]:
    """The tables whose rows are counted."""
    found = rows(
        connection,
        "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND " + OWN.format(oid="c.oid", catalog="pg_class"),
    )
    return sorted(name for (name,) in found)


def begin_snapshot(connection: Connection) -> str:
    """Begins a transaction that sees one moment, in which no table or sequence that it sees is dropped before it ends.
    @returns the name of its snapshot. @throws RoomError where something is dropped each time"""
    for _ in range(SNAPSHOTS):
        with connection.cursor() as cursor:
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            snapshot = str(one(connection, "SELECT pg_export_snapshot()"))
            try:
                cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'")
                tables = own_tables(connection)
                if tables:
                    cursor.execute(f"LOCK TABLE {', '.join(f'ONLY {name}' for name in tables)} IN ACCESS SHARE MODE")
                # Reading a sequence holds it as well.
                for name in own_sequences(connection):
                    cursor.execute(f"SELECT last_value FROM {name}")
                cursor.execute("SET LOCAL lock_timeout = 0")
                return snapshot
            except psycopg2.errors.UndefinedTable:
                cursor.execute("ROLLBACK")
    raise RoomError("Tables are dropped as soon as they are there, so nothing of one moment can be copied.", "Run it again later.")


def contents(connection: Connection, on_table: Callable[[str], None] | None = None) -> Facts:
    """What is in one database: rows by table, sequences, extensions, and how many objects of each kind.

    `objects` counts the indexes, constraints and triggers of extensions' tables as well: rooms of older versions compare those, and
    know nothing of `counts`, which does not, and has more kinds.
    """
    counted = {}
    for name in own_tables(connection):
        if on_table is not None:
            on_table(name)
        for (count,) in unless_gone(connection, f"SELECT count(*) FROM ONLY {name}"):
            counted[name] = count
    return {
        "tables": counted,
        "sequences": sequences(connection),
        "extensions": dict(rows(connection, "SELECT extname, extversion FROM pg_extension ORDER BY extname")),
        "objects": numbers(connection, hanging=True),
        "counts": {
            **numbers(connection, hanging=False),
            "large objects": one(connection, "SELECT count(*) FROM pg_largeobject_metadata"),
            "policies": one(connection, "SELECT count(*) FROM pg_policy p WHERE " + NOT_ON_A_MEMBER.format(of="p.polrelid")),
        },
    }


def numbers(connection: Connection, hanging: bool) -> dict[str, int]:
    """How many objects of each kind there are. @param hanging whether also those that hang on what is an extension's"""

    def own(of: str) -> str:
        return "" if hanging else " AND " + NOT_ON_A_MEMBER.format(of=of)

    kinds = rows(
        connection,
        "SELECT c.relkind::text, count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relpersistence <> 't' AND "
        + OWN.format(oid="c.oid", catalog="pg_class")
        + own("(SELECT indrelid FROM pg_index i WHERE i.indexrelid = c.oid)")
        + " GROUP BY 1",
    )
    return {
        **{f"relations of kind {kind}": count for kind, count in kinds},
        "functions": one(
            connection,
            "SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE "
            + OWN.format(oid="p.oid", catalog="pg_proc"),
        ),
        "constraints": one(
            connection,
            # From PostgreSQL 18 on NOT NULL is among them as well.
            "SELECT count(*) FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace"
            " WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND k.contype <> 'n'"
            + own("k.conrelid, k.contypid"),
        ),
        "triggers": one(connection, "SELECT count(*) FROM pg_trigger t WHERE NOT tgisinternal" + own("t.tgrelid")),
    }


def source(settings: Settings, database: str | None = None) -> Any:
    """The server that backups are of. @param database default: one that is there and that the room may read."""
    if settings.external is None:
        return connect(settings.host, settings.port, settings.user, database or MAINTENANCE)
    from . import external

    return external.connect(settings, database or settings.external)


def source_environment(settings: Settings) -> dict[str, str]:
    """How PostgreSQL's own programs reach that server."""
    if settings.external is None:
        return tool_environment(settings.host, settings.port, settings.user)
    from . import external

    return external.tool_environment(settings)


def tool_environment(host: str, port: int, user: str) -> dict[str, str]:
    """How PostgreSQL's own programs reach a server."""
    return {**os.environ, "PGHOST": host, "PGPORT": str(port), "PGUSER": user}
