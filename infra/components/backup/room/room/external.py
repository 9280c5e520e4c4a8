"""A PostgreSQL that others run: how the room reaches it, and what its role may read. How a dump of it is restored: loader.py."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from . import manifest, origin, server, way_out
from .scratch import Scratch
from .settings import RoomError, Settings

# Materialized views that read, at whatever remove, from a foreign table.
FAR_VIEWS = """WITH RECURSIVE far AS (
    SELECT oid FROM pg_class WHERE relkind = 'f'
    UNION SELECT next.oid FROM far, LATERAL (
      SELECT r.ev_class AS oid FROM pg_depend d JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
      WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = far.oid
      UNION ALL SELECT i.inhparent FROM pg_inherits i WHERE i.inhrelid = far.oid) next)
  SELECT n.nspname, c.relname FROM far JOIN pg_class c USING (oid) JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind = 'm' ORDER BY 1, 2"""
HERE = "127.0.0.1"
# In seconds; what is between forgets a quiet connection after some minutes.
KEEPALIVE = 60
# What of PostgreSQL's words says that the role may not read something, and what helps.
REMEDIES = {
    "permission denied for schema": "Let the stack's role in (GRANT USAGE ON SCHEMA, and GRANT SELECT on what is in it), or move it out of the"
    " stack's database.",
    "permission denied for large object": "Give it to the stack's role (ALTER LARGE OBJECT … OWNER TO), or let that read it (GRANT SELECT ON"
    " LARGE OBJECT).",
    "permission denied": "Let the stack's role read it (GRANT SELECT), or move it out of the stack's database.",
    "password authentication failed": "Has the password been changed there? Set omniai:databaseSecretUrl, and deploy: npm run up.",
    "row-level security": "A dump has to have all rows. Let the stack's role see them: its own table by ALTER TABLE … NO FORCE ROW LEVEL"
    " SECURITY, another role's by ALTER ROLE … BYPASSRLS.",
    **dict.fromkeys(
        ("unlogged relations during recovery", "conflict with recovery"),
        "That server is a standby, and lets not everything be read there. Name the one that takes writes in omniai:databaseSecretUrl.",
    ),
    "too many connections": "The room takes two connections beside the replicas' while it works. Raise the role's CONNECTION LIMIT, or the"
    " server's max_connections.",
}
REMEDY = "Whether the replicas reach it: npm run health. Whether the gate lets it through: npm run logs -- offsite."
OLD_TOOLS = "Name an image of that version in omniai:postgresImage, of which the room is made, and deploy: npm run up."


def tls() -> dict[str, str]:
    """Verified, by the authority of the config alone or, without one, by the usual list."""
    return {"sslmode": "verify-full", "sslrootcert": os.environ.get("PGSSLROOTCERT") or "system"}


def place(settings: Settings) -> dict[str, str]:
    """Where to connect, in libpq's words: by the gate, where there is one, with the certificate checked for the server's name."""
    if not settings.gate:
        return {"host": settings.host, "port": str(settings.port)}
    return {"host": settings.host, "hostaddr": HERE, "port": str(way_out.through(settings).port)}


@contextmanager
def connect(settings: Settings, database: str) -> Iterator[server.Connection]:
    """Reading only: the role is the service's own, which may write. @throws RoomError that says how far it came"""
    try:
        with server.connect(user=settings.user, database=database, **place(settings), **tls()) as connection:
            with connection.cursor() as cursor:
                cursor.execute("SET default_transaction_read_only = on")
                # The server's own signs of life keep the way open while it counts: those of libpq end at the gate. A setting and no
                # option of the connection, which a pooler may refuse.
                cursor.execute(f"SET tcp_keepalives_idle = {KEEPALIVE}; SET tcp_keepalives_interval = {KEEPALIVE}")
            yield connection
    except server.NotAnswered as error:
        refused = way_out.through(settings).refused if settings.gate else ""
        what = by_name(settings, error.what)
        raise RoomError(f"{what} ({refused})" if refused else what, remedy_of(what) or REMEDY) from error


def remedy_of(what: str) -> str:
    """Pure: what to do about what PostgreSQL said; empty where nothing is known."""
    return next((remedy for words, remedy in REMEDIES.items() if words in what), "")


@contextmanager
def explained(settings: Settings) -> Iterator[None]:
    """The same for what PostgreSQL's own programs say. @throws RoomError"""
    try:
        yield
    except RoomError as error:
        what = by_name(settings, error.what)
        raise RoomError(what, error.remedy or remedy_of(what)) from error


OWN_END = re.compile(rf'server at "{re.escape(HERE)}", port \d+')


def by_name(settings: Settings, what: str) -> str:
    """Pure: libpq's words with the server in them in place of this side's end of the way to it."""
    return OWN_END.sub(f"server at {settings.host}:{settings.port}", what)


def tool_environment(settings: Settings) -> dict[str, str]:
    """The same for PostgreSQL's own programs. Never in this process' own environment: a hostaddr there would lead the scratch
    server's tools to the provider."""
    words = {f"PG{key.upper()}": value for key, value in {**place(settings), **tls()}.items()}
    return {**os.environ, **words, "PGUSER": settings.user}


def describe(connection: server.Connection, settings: Settings) -> server.Facts:
    """The server as far as its role may see it, and the locale of the one database. @throws RoomError for one that is newer than
    this room's tools"""
    number = server.check_version(connection, OLD_TOOLS)
    # By name, because a column of it has been called otherwise before PostgreSQL 17.
    own = server.one(connection, "SELECT to_jsonb(d) FROM pg_database d WHERE datname = current_database()")
    return {
        "version": server.one(connection, "SHOW server_version"),
        "versionNumber": number,
        "systemId": origin.identity(settings),
        "bootstrapRole": server.one(connection, "SELECT rolname FROM pg_roles WHERE oid = 10"),
        # What the provider loads is not shown to everybody, and not to be had here.
        "preload": "",
        "checksums": True,
        "encoding": server.one(connection, "SHOW server_encoding"),
        "collate": own["datcollate"],
        "ctype": own["datctype"],
        "localeProvider": own.get("datlocprovider", "c"),
        "locale": own.get("datlocale") or own.get("daticulocale"),
    }


def globals_arguments(settings: Settings) -> list[str]:
    """Of pg_dumpall: password verifiers and tablespaces are its provider's."""
    return ["--no-role-passwords", "--no-tablespaces", f"--database={server.as_database(settings.external or '')}"]


def members(connection: server.Connection) -> dict[str, list[list[str]]]:
    """Of each extension what a dump may name beside the extension itself: its schemas, the tables and sequences whose rows it lets be
    dumped, and what else has rights that were granted since. @returns by extension [schema or "-", name]"""
    found = server.rows(
        connection,
        """SELECT e.extname, coalesce(n.nspname, '-'), coalesce(c.relname, p.proname, t.typname, s.nspname)
           FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid
           LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
           LEFT JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid AND p.proacl IS NOT NULL
           LEFT JOIN pg_type t ON d.classid = 'pg_type'::regclass AND t.oid = d.objid AND t.typacl IS NOT NULL
           LEFT JOIN pg_namespace s ON d.classid = 'pg_namespace'::regclass AND s.oid = d.objid
           LEFT JOIN pg_namespace n ON n.oid = coalesce(c.relnamespace, p.pronamespace, t.typnamespace)
           WHERE d.deptype = 'e' AND coalesce(c.oid, p.oid, t.oid, s.oid) IS NOT NULL ORDER BY 1, 2, 3""",
    )
    by_extension: dict[str, list[list[str]]] = {}
    for extension, schema, name in found:
        by_extension.setdefault(extension, []).append([schema, name])
    return by_extension


def beside(connection: server.Connection) -> dict[str, Any]:
    """What a manifest has of the database beside its contents, for restoring it without what only the provider has."""
    return {
        "members": members(connection),
        "servers": [name for (name,) in server.rows(connection, "SELECT srvname FROM pg_foreign_server ORDER BY 1")],
        # Their rows are in no dump: they are read anew, where they can be.
        "farViews": [list(view) for view in server.rows(connection, FAR_VIEWS)],
    }


def other_locale(target: Scratch, found: manifest.Manifest) -> tuple[str, str] | None:
    """The locale that the scratch server could not be made with, and what it has; None where it could."""
    with server.connect(target.host, target.port, target.user, "template1") as connection:
        own = server.one(connection, "SELECT datcollate FROM pg_database WHERE datname = current_database()")
    wanted = found["server"]["collate"]
    return None if own == wanted else (wanted, own)


def refuse_as_own(found: manifest.Manifest) -> None:
    """@throws RoomError for a dump that cannot take the place of the stack's own server: its roles and its database are others"""
    if "external" in found:
        raise RoomError(
            f"Backup {found['id']} is of a PostgreSQL that others ran, so it cannot take the place of the stack's own as it is.",
            'Load it into the stack\'s database instead: docs/external-databases.md, "Loading a dump".',
        )
