"""Looks for damage in what was restored, by pg_amcheck as the superuser of the scratch server."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from . import server
from .choice import CHECKING
from .progress import call, first_lines, step
from .scratch import Scratch
from .settings import BadBackup

# The code with which pg_amcheck ends where it found damage; with 1 it could not look.
FOUND_DAMAGE = 2
# The schema that is nobody else's.
OWN = "pg_catalog"


def check(target: Scratch, identity: str) -> None:
    """Every table and index. @param identity of the backup. @throws BadBackup with what it found"""
    step("checking tables and indexes (amcheck)")
    report = target.folder / "report"
    try:
        with own_functions(target), report.open("wb") as file:
            call(
                ["pg_amcheck", "--all", "--install-missing", "--heapallindexed", "--jobs=1", "--maintenance-db=template1"],
                "The restored data is damaged (amcheck)",
                server.tool_environment(target.host, target.port, target.user),
                stdout=file,
                bad=(identity, FOUND_DAMAGE),
            )
    except BadBackup as error:
        with report.open("rb") as file:
            raise BadBackup(identity, f"{error.what}\n{first_lines(file)}".strip()) from error


@contextmanager
def own_functions(target: Scratch) -> Iterator[None]:
    """Where the check's functions are in a schema of somebody else's, they are among PostgreSQL's own meanwhile: the superuser calls
    them where they are, and others of the same name there might fit better. Where they were not, they are not afterwards."""
    with server.connect(target.host, target.port, target.user, "template1") as connection:
        names = [name for (name,) in server.rows(connection, "SELECT datname FROM pg_database WHERE datallowconn")]
    schemas = {}
    for name in names:
        with server.connect(target.host, target.port, target.user, name) as connection:
            where = "SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = %s"
            schemas[name] = next((schema for (schema,) in server.rows(connection, where, CHECKING)), None)
    away = {name: schema for name, schema in schemas.items() if schema not in (None, OWN)}
    alter(target, dict.fromkeys(away, f"ALTER EXTENSION {CHECKING} SET SCHEMA {OWN}"))
    yield
    # Where something failed, the server is not kept.
    alter(target, {name: f"ALTER EXTENSION {CHECKING} SET SCHEMA {schema}" for name, schema in away.items()})
    alter(target, {name: f"DROP EXTENSION IF EXISTS {CHECKING}" for name, schema in schemas.items() if schema is None})


def alter(target: Scratch, statements: Mapping[str, str]) -> None:
    """@param statements one for each of these databases"""
    for name, statement in statements.items():
        with server.connect(target.host, target.port, target.user, name) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
