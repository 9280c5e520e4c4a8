"""PostgreSQL's next major version: a dump by the tools of the stack's own version, restored into a server of a newer one."""

import time
from typing import Any

from . import compare, catalog, dump, files, lock, manifest, restore, scratch, server, verify, work
from .progress import step
from .settings import RoomError, Settings

REMEDY = "Nothing of the stack was replaced. Look who writes (npm run logs -- postgres), and run the upgrade again."


def wait(settings: Settings, patience: int) -> None:
    """While the service still serves: for what comes next, it waits. @throws Busy where another run goes on for longer"""
    lock.wait_until_free(settings, "", patience)
    with lock.held(settings, "an upgrade of PostgreSQL"):
        pass


def take(settings: Settings, patience: int = 0) -> dict[str, Any]:
    """A dump that is not proved yet. @returns its id, and how many rows were written in each database until then

    @param patience so many seconds are other runs waited for.
    """
    lock.wait_until_free(settings, "", patience)
    with lock.held(settings, "a dump for an upgrade of PostgreSQL"):
        work.clear_leftovers(settings)
        before = writes(settings)
        return {"id": dump.take(settings), "writes": before}


def bring(settings: Settings, identity: str, before: dict[str, int] | None, patience: int = 0) -> dict[str, Any]:
    """Restores the dump into a new server of this room's version, and compares. @throws RoomError

    @param before what `take` has said of a server that nobody may write to any more: the new server is then left, flushed, where a
    replacement takes it from. None for a trial, which is checked by amcheck instead and leaves nothing.
    """
    started = time.monotonic()
    lock.wait_until_free(settings, "", patience)
    with lock.held(settings, "an upgrade of PostgreSQL"):
        work.clear_leftovers(settings)
        chosen = catalog.choose(settings, identity)
        found = restore.readable(settings, chosen)
        # A trial takes nothing away from whoever is about to replace the data.
        if before is not None:
            files.remove(settings.root / restore.KEPT)
        try:
            with scratch.workspace(settings, f"upgrade-{chosen.id}") as folder:
                answer = restore.from_dump(settings, chosen, found, folder, keep=before is not None, check=before is None)
                if before is not None:
                    refuse_changes(before, writes(settings), answer)
                prove(chosen, found, started, answer)
                if before is not None:
                    answer["mark"] = restore.finish(settings, folder / "data", found, settings.root / restore.KEPT)
        except OSError as error:
            raise files.in_words(error) from error
        backup = catalog.as_json(catalog.choose(settings, chosen.id))
        return {"backup": backup, "seconds": round(time.monotonic() - started, 1), **answer}


def prove(chosen: catalog.Backup, found: manifest.Manifest, started: float, answer: dict[str, Any]) -> None:
    tool = server.tool_version("pg_restore")
    verify.mark(chosen.folder, found, started, tables=answer["tables"], rows=answer["rows"], tool=tool)


def writes(settings: Settings) -> dict[str, int]:
    """How many rows were written so far in each database, as the server counts them."""
    with server.source(settings) as connection:
        names = server.databases(connection)
    found = {}
    for name in names:
        with server.source(settings, name) as connection:
            query = "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_stat_user_tables"
            found[name] = int(server.one(connection, query))
    return found


def refuse_changes(before: dict[str, int], after: dict[str, int], answer: dict[str, Any]) -> None:
    """@throws RoomError where the old server may have something that the new one does not: a write that would be lost"""
    step("making sure that nothing was written meanwhile")
    why = compare.written(before, after, answer)
    if why is not None:
        raise RoomError(why, REMEDY)
