"""Pure: who makes which lines of a dump's list, when it is restored into a scratch server (loader.py)."""

from collections.abc import Collection, Container, Iterable
from dataclasses import dataclass
from typing import Any

from .dump_list import (
    OF_SUPERUSERS,
    entry_of,
    is_comment_on,
    is_filling,
    is_of_extension,
    is_of_foreign_table,
    is_of_kind,
    is_of_member,
    made,
)

# With it the superuser checks what was restored.
CHECKING = "amcheck"
# What nobody's code is in and what the rest stands on.
BASE = ("SCHEMA", "EXTENSION")
# Of the stack's own server, where only its superuser could have made them, they are made as they were.
SERVERS = ("FOREIGN DATA WRAPPER", "SERVER")
# What is said about what is there, and what the superuser alone may set.
SAID = ("ACL", "DEFAULT ACL", "SECURITY LABEL", "USER MAPPING")
# pg_restore makes the database, and says anything of it, only with --create, and then always.
OF_DATABASE = ("DATABASE", "DATABASE PROPERTIES", "ACL - DATABASE", "COMMENT - DATABASE", "SECURITY LABEL - DATABASE")


@dataclass(frozen=True)
class Choice:
    """Lines of a dump's list, each in its order there."""

    # Made by the superuser, before there is anything else.
    first: list[str]
    # Made by the role that may do nothing.
    rest: list[str]
    # Of the stack's own server: said by the superuser once all is there. None of it runs what is in the database.
    last: list[str]
    # Of a server of others: in nobody's hands here.
    unmade: list[str]


def missing(one: dict[str, Any], there: Container[str]) -> list[str]:
    """Pure: the extensions of a provider's database that are left out. @param there what this image has"""
    return sorted(name for name in one["extensions"] if name == CHECKING or name not in there)


def of_own(lines: Iterable[str]) -> Choice:
    """Pure: of a dump of the stack's own server, of which nothing is left out."""
    kept = [*lines]

    def is_last(line: str) -> bool:
        return (
            is_of_kind(line, SAID)
            or (is_of_kind(line, OF_SUPERUSERS) and not is_of_kind(line, SERVERS))
            or is_comment_on(line, (*OF_SUPERUSERS, *BASE))
        )

    of_database = {line for line in kept if is_of_kind(line, OF_DATABASE)}
    last = [line for line in kept if line not in of_database and is_last(line)]
    others = {*last}
    first = [line for line in kept if line in of_database or (line not in others and is_of_kind(line, (*BASE, *SERVERS)))]
    others |= {*first}
    return Choice(first, [line for line in kept if line not in others], last, [])


def of_others(lines: Iterable[str], one: dict[str, Any], roles: Collection[str], there: Container[str]) -> Choice:
    """Pure: of a dump of a server that others run, without what only that has.

    @param one the database's part of the manifest
    @param roles of that server, by name
    @param there the extensions that this image has
    """
    kept = [*lines]
    without = missing(one, there)
    # The schema of any extension has the comment that comes with it: like the extension it is not the loader's to comment on.
    theirs = [(name, tuple(member)) for name, all_of_it in one.get("members", {}).items() for member in all_of_it]
    members = [member for name, member in theirs if name in without or member[0] == "-"]
    own = made(kept)
    wanted = [
        line
        for line in kept
        # What the manifest says is asked for apart from the dump, and a server may answer otherwise.
        if not is_of_extension(line, [*without, CHECKING]) and not is_comment_on(line, ["EXTENSION"]) and not is_of_member(line, members, own)
    ]
    unmade = [line for line in wanted if is_of_kind(line, OF_SUPERUSERS) or is_comment_on(line, OF_SUPERUSERS)]
    if "servers" not in one:
        # In the manifest of an older version, so that their tables cannot be made.
        unmade += [line for line in wanted if is_of_foreign_table(line)]
    unmade += [line for line in wanted if is_filling(line, [tuple(view) for view in one.get("farViews", [])], roles)]
    first = [line for line in wanted if is_of_kind(line, BASE)]
    others = {*first, *unmade}
    return Choice(first, [line for line in wanted if line not in others], [], unmade)


def names(lines: Iterable[str]) -> list[str]:
    """Pure: lines for people, each without its owner."""
    return [entry_of(line).rpartition(" ")[0].lower() for line in lines]
