"""Proves a base backup with the log after it: both together have to give what the server has now."""

import time
from typing import Any

from . import base, compare, files, manifest, scratch, server, verify, wal
from .progress import step
from .settings import RoomError, Settings

# How long a change may take from the server to the room's disk here, in seconds.
RECEIVE_SECONDS = 60


def facts(settings: Settings) -> dict[str, Any]:
    """What the server has now, and how much has been written to each table so far."""
    with server.source(settings) as connection:
        found: dict[str, Any] = {"roles": server.roles(connection), "databases": {}}
        names = server.databases(connection)
    for name in names:
        with server.source(settings, name) as connection:
            writes = server.rows(
                connection,
                "SELECT format('%I.%I', schemaname, relname), n_tup_ins + n_tup_del FROM pg_stat_user_tables",
            )
            found["databases"][name] = {**server.contents(connection), "writes": dict(writes)}
    return found


def mark_moment(settings: Settings, name: str) -> None:
    """Puts a mark into the log and waits until it has arrived here. @throws RoomError"""
    with server.source(settings) as connection:
        position = int(server.one(connection, "SELECT pg_create_restore_point(%s) - '0/0'", name))
        server.one(connection, "SELECT pg_switch_wal()")
    deadline = time.monotonic() + RECEIVE_SECONDS
    while time.monotonic() < deadline:
        place = wal.ask(settings)
        if place is not None and place.flushed is not None and place.flushed >= position:
            return
        time.sleep(0.5)
    raise RoomError(
        f"The log of PostgreSQL did not arrive in the backup room within {RECEIVE_SECONDS} s.",
        "See whether the room runs and receives: npm run status, npm run logs -- backup.",
    )


def prove(settings: Settings, identity: str) -> None:
    """Restores the backup, goes on by the log to a moment just now, and compares. @throws RoomError"""
    started = time.monotonic()
    folder = settings.bases / identity
    found = manifest.read(folder)
    files.check_space(settings.root, found["size"] * 2)
    with scratch.workspace(settings, f"verify-{identity}") as work:
        data = base.unpack(settings, work, found)
        before = facts(settings)
        name = f"omniai-{identity}-{int(time.time())}"
        step("waiting for the log up to this moment")
        mark_moment(settings, name)
        after = facts(settings)
        step("starting a scratch server, which goes on by the log")
        options = base.recovery(settings, found, recovery_target_name=name)
        with scratch.running(settings, work, data, found["server"], recovering=True, **options) as target:
            step("comparing")
            lines = compare.differences(before, after, read(target, found))
            if lines:
                raise RoomError(f"Backup {identity} and the log do not give what was there:\n" + "\n".join(lines[:20]))
            verify.check_indexes(target)
    rows = [count for one in before["databases"].values() for count in one["tables"].values()]
    verify.mark(folder, found, started, tables=len(rows), rows=sum(rows), tool=found["tool"])


def read(target: scratch.Scratch, found: manifest.Manifest) -> dict[str, Any]:
    """The same of the restored server."""
    with server.connect(target.host, target.port, target.user, "template1") as connection:
        restored: dict[str, Any] = {"roles": server.roles(connection), "databases": {}}
        names = server.databases(connection)
    for name in names:
        with server.connect(target.host, target.port, target.user, name) as connection:
            restored["databases"][name] = server.contents(connection)
    return restored
