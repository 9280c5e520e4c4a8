"""A dump on its way into a scratch server, by pg_restore."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import server
from .dump_list import listed
from .left import Left
from .manifest import Manifest
from .progress import call
from .scratch import Scratch
from .settings import RoomError


@dataclass(frozen=True)
class Load:
    """One dump on its way into one server."""

    target: Scratch
    # Of the backup.
    folder: Path
    found: Manifest
    left: Left = field(default_factory=Left)

    @property
    def is_own(self) -> bool:
        """Whether it is of the stack's own server, which it may take the place of."""
        return "external" not in self.found

    @property
    def first_role(self) -> str:
        """This server's superuser, who is there before all others."""
        return str(self.found["server"]["bootstrapRole"])

    @property
    def codec(self) -> str:
        """Of the names in it."""
        return server.codec(self.found["server"]["encoding"])

    @property
    def environment(self) -> dict[str, str]:
        return server.tool_environment(self.target.host, self.target.port, self.target.user)

    def connect(self, database: str = "template1") -> Any:
        return server.connect(self.target.host, self.target.port, self.target.user, database)


def entries(load: Load, one: dict[str, Any]) -> list[str]:
    """The lines of a dump's list, of the stack's own server with the database itself."""
    contents = load.target.folder / "contents"
    with contents.open("wb") as file:
        # What is left out without it is not listed without it.
        create = ["--create"] if load.is_own else []
        call(["pg_restore", "--list", *create, str(load.folder / one["file"])], f"The dump of {one['name']} cannot be read", stdout=file)
    return listed(contents.read_bytes().decode(load.codec, "surrogateescape"))


def restore(load: Load, one: dict[str, Any], lines: Iterable[str], *options: str, role: str | None = None, into: Any = None) -> None:
    """Some lines of a dump. @param role default: the superuser. @param into a file for the statements; default: the database itself"""
    chosen = load.target.folder / "chosen"
    # The rest of a line is for people.
    chosen.write_text("".join(line.partition(";")[0] + ";\n" for line in lines), "ascii")
    place = [f"--dbname={server.as_database(one['name'])}"] if into is None else ["--file=-"]
    call(
        ["pg_restore", "--exit-on-error", "--no-tablespaces", *place, *options, f"--use-list={chosen}", str(load.folder / one["file"])],
        f"Database {one['name']} could not be restored",
        {**load.environment, **({} if role is None else {"PGUSER": role})},
        **({} if into is None else {"stdout": into}),
    )


def run(load: Load, database: str, statements: Iterable[str], failed: str) -> None:
    """One after the other, as the superuser. @param failed what is said before PostgreSQL's reason. @throws RoomError"""
    with load.connect(database) as connection, connection.cursor() as cursor:
        for statement in statements:
            try:
                cursor.execute(statement)
            except server.Refused as error:
                raise RoomError(f"{failed}: {str(error).strip()}") from error
