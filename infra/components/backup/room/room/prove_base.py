"""Proves a base backup with the log after it: both together have to give what the server has now."""

import time
from typing import Any

from . import amcheck, base, compare, files, manifest, receiver, scratch, server, verify, wal
from .progress import step
from .settings import BadBackup, RoomError, Settings

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
    """Restores the backup, goes on by the log to a moment just now, and compares. @throws BadBackup @throws RoomError"""
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
            lines = compare.differences(before, after, read(target))
            if lines:
                raise BadBackup(identity, f"Backup {identity} and the log do not give what was there:\n" + "\n".join(lines[:20]))
            amcheck.check(target, identity)
    rows = [count for one in before["databases"].values() for count in one["tables"].values()]
    verify.mark(folder, found, started, tables=len(rows), rows=sum(rows), tool=found["tool"])


def prove_again(settings: Settings, identity: str) -> None:
    """The same for a backup of any age. Where nothing leads from it to what the server has now, it is restored by itself.
    @throws BadBackup @throws RoomError"""
    why = apart(settings, manifest.read(settings.bases / identity))
    if why is None:
        prove(settings, identity)
    else:
        step(f"it cannot be compared with the server, and is restored to its own moment: {why}")
        prove_alone(settings, identity, why)


def apart(settings: Settings, found: manifest.Manifest) -> str | None:
    """Why nothing leads from the backup to what the server has now; None where the log does."""
    try:
        with server.source(settings) as connection:
            system = server.one(connection, "SELECT system_identifier FROM pg_control_system()")
            timeline = server.one(connection, "SELECT timeline_id FROM pg_control_checkpoint()")
    except RoomError as error:
        return error.what
    if str(system) != found["server"]["systemId"]:
        return "it is of another PostgreSQL than the stack has now"
    if timeline != found["timeline"]:
        return "a restore was put in place since, and PostgreSQL went on from there"
    gap = receiver.open_gap(settings, found["takenAt"])
    return None if gap is None else f"the log has a gap since {gap['at']}"


def prove_alone(settings: Settings, identity: str, why: str) -> None:
    """Every file, every page by its checksum, and a server that starts with it. @param why it is not compared with the stack's"""
    started = time.monotonic()
    folder = settings.bases / identity
    found = manifest.read(folder)
    files.check_space(settings.root, found["size"] * 2)
    with scratch.workspace(settings, f"verify-{identity}") as work:
        data = base.unpack(settings, work, found)
        step("starting a scratch server")
        options = base.recovery(settings, found, recovery_target="immediate")
        with scratch.running(settings, work, data, found["server"], recovering=True, **options) as target:
            restored = read(target)
            amcheck.check(target, identity)
    rows = [count for one in restored["databases"].values() for count in one["tables"].values()]
    verify.mark(folder, found, started, tables=len(rows), rows=sum(rows), tool=found["tool"], alone=why)


def read(target: scratch.Scratch) -> dict[str, Any]:
    """The same of the restored server."""
    with server.connect(target.host, target.port, target.user, "template1") as connection:
        restored: dict[str, Any] = {"roles": server.roles(connection)}
        names = server.databases(connection)
    return {**restored, "databases": verify.restored_contents(target, names)}
