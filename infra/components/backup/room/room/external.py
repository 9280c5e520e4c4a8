"""A PostgreSQL that others run: how the room reaches it, what its role may read, and how a dump of it is proved."""

import hashlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import manifest, server, way_out
from .progress import call, step
from .scratch import Scratch
from .settings import RoomError, Settings

HERE = "127.0.0.1"
DENIED = "permission denied"
GRANT = "Let the stack's role read it (GRANT SELECT), or move it out of the stack's database."
REMEDY = "Whether the replicas reach it: npm run health. Whether the gate lets it through: npm run logs -- offsite."
OLD_TOOLS = "Name an image of that version in omniai:postgresImage, of which the room is made, and deploy: npm run up."


@dataclass
class Left:
    """What of a dump cannot be restored here, because it is the provider's own, and nothing in the database needs it."""

    # What PostgreSQL said of each statement about roles that it refused.
    statements: list[str] = field(default_factory=list)
    extensions: list[str] = field(default_factory=list)

    def words(self) -> list[str]:
        return [*self.statements, *(f"extension {name}" for name in self.extensions)]


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
            yield connection
    except server.NotAnswered as error:
        refused = way_out.through(settings).refused if settings.gate else ""
        remedy = GRANT if DENIED in error.what else REMEDY
        raise RoomError(f"{error.what} ({refused})" if refused else error.what, remedy) from error


def tool_environment(settings: Settings) -> dict[str, str]:
    """The same for PostgreSQL's own programs. Never in this process' own environment: a hostaddr there would lead the scratch
    server's tools to the provider."""
    words = {f"PG{key.upper()}": value for key, value in {**place(settings), **tls()}.items()}
    return {**os.environ, **words, "PGUSER": settings.user}


def identity(settings: Settings) -> str:
    """Stands in for the system identifier, which not every provider shows."""
    where = f"{settings.host}:{settings.port}/{settings.external}"
    return f"external-{hashlib.sha256(where.encode()).hexdigest()[:12]}"


def describe(connection: server.Connection, settings: Settings) -> server.Facts:
    """The server as far as its role may see it, and the locale of the one database. @throws RoomError for one that is newer than
    this room's tools"""
    number = server.check_version(connection, OLD_TOOLS)
    # By name, because a column of it has been called otherwise before PostgreSQL 17.
    own = server.one(connection, "SELECT to_jsonb(d) FROM pg_database d WHERE datname = current_database()")
    return {
        "version": server.one(connection, "SHOW server_version"),
        "versionNumber": number,
        "systemId": identity(settings),
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
    return ["--no-role-passwords", "--no-tablespaces", f"--database={settings.external}"]


def restore_roles(script: str, environment: dict[str, str]) -> list[str]:
    """What concerns the provider's own roles may be refused here; a role that owns something, or was granted something, is missed by
    what follows. @returns what was refused"""
    done = subprocess.run(
        ["psql", "-X", "-q", "-d", "template1", "-f", "-"],
        env=environment,
        input=script,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RoomError(f"The roles could not be restored: {done.stderr.strip()}")
    return [line.partition("ERROR:")[2].strip() for line in done.stderr.splitlines() if "ERROR:" in line]


def restore_database(target: Scratch, path: Path, one: dict[str, Any], environment: dict[str, str], jobs: str) -> list[str]:
    """Into a database with the locale of the scratch server, which is made with the dump's. @returns the extensions left out"""
    with server.connect(target.host, target.port, target.user, "template1") as connection:
        there = {name for (name,) in server.rows(connection, "SELECT name FROM pg_available_extensions")}
    missing = sorted(set(one["extensions"]) - there)
    call(["createdb", "--maintenance-db=template1", one["name"]], f"Database {one['name']} could not be made", environment)
    chosen = target.folder / "contents"
    with chosen.open("wb") as file:
        call(["pg_restore", "--list", str(path)], f"The dump of {one['name']} cannot be read", stdout=file)
    lines = chosen.read_text("utf-8").splitlines()
    chosen.write_text("\n".join(line for line in lines if not is_of_extension(line, missing)), "utf-8")
    call(
        ["pg_restore", "--exit-on-error", f"--dbname={one['name']}", f"--jobs={jobs}", f"--use-list={chosen}", str(path)],
        f"Database {one['name']} could not be restored",
        environment,
    )
    return missing


def is_of_extension(line: str, names: list[str]) -> bool:
    """Pure: whether a line of a dump's list is of one of these extensions: "3; 3079 16385 EXTENSION - name"."""
    words = line.split()
    kind = words[3:]
    return any(kind[:3] in (["EXTENSION", "-", name], ["COMMENT", "-", "EXTENSION"]) and words[-1] == name for name in names)


def refuse_as_own(found: manifest.Manifest) -> None:
    """@throws RoomError for a dump that cannot take the place of the stack's own server: its roles and its database are others"""
    if "external" in found:
        raise RoomError(
            f"Backup {found['id']} is of a PostgreSQL that others ran, so it cannot take the place of the stack's own as it is.",
            'Load it into the stack\'s database instead: docs/external-databases.md, "Loading a dump".',
        )


def say_left(left: Left) -> None:
    for words in left.words():
        step(f"not restored here, because it is the provider's own: {words}")
