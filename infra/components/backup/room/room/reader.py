"""A role of a scratch server that reads all of it and may do nothing else. What is counted there is counted as this role: PostgreSQL
computes what is constant in an index while it plans a query of the table, as whoever asks, and such a constant may be a function of
whoever made the table."""

import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from . import server
from .dump_list import quoted
from .scratch import Scratch


@contextmanager
def made(target: Scratch, names: Iterable[str]) -> Iterator[str]:
    """@param names of the databases that it reads. @returns the role, which is gone after the block"""
    databases = list(names)
    # Not to be known beforehand: what is restored might have granted it something.
    role = f"omniai_reader_{secrets.token_hex(8)}"
    with server.connect(target.host, target.port, target.user, "template1") as connection, connection.cursor() as cursor:
        # Tables may hide rows from whoever reads them.
        cursor.execute(f"CREATE ROLE {role} LOGIN BYPASSRLS IN ROLE pg_read_all_data")
        for name in databases:
            cursor.execute(f"GRANT CONNECT ON DATABASE {quoted(name)} TO {role}")
    yield role
    # Where something failed, the server is not kept.
    for name in databases:
        release(target, name, role)
    drop(target, role)


def release(target: Scratch, database: str, role: str) -> None:
    """The role has nothing in this database any more, and no rights to anything there."""
    with server.connect(target.host, target.port, target.user, database) as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP OWNED BY {role} CASCADE")


def drop(target: Scratch, role: str) -> None:
    """The role is nowhere any more. It had been released in each database."""
    with server.connect(target.host, target.port, target.user, "template1") as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP ROLE {role}")
