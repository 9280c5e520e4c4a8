"""Restores beside what runs: into a scratch server of the room, compared with the backup and with the stack."""

import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from . import amcheck, base, catalog, external, files, loader, lock, manifest, offsite, origin, prove_base, scratch, server, status, verify, wal, work
from .compare import unquoted
from .progress import call, step
from .settings import RoomError, Settings

# Where a restored cluster waits to be put in place of the stack's own.
KEPT = "restored"
# What PostgreSQL says where the log ends before the moment that was asked for.
NOT_REACHED = "recovery ended before configured recovery target was reached"
UNREADABLE = re.compile(r'could not restore file "(\w+)" from archive')
LAST_CHANGE = re.compile(r"last completed transaction was at log time (.+)")


@dataclass(frozen=True)
class Wanted:
    """Which moment: the newest there is, that of one backup, or any since the oldest base backup."""

    id: str | None = None
    to: datetime | None = None


def parse_moment(text: str) -> datetime:
    """@throws RoomError for a text that is no moment, or has no zone"""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise RoomError(
            f'"{text}" is no moment.', 'Write it with its offset from UTC, like "2026-11-22 14:03:00+01:00".'
        ) from error
    if moment.tzinfo is None:
        raise RoomError(
            f'"{text}" does not say in which time zone it is.', f'Write it with its offset, like "{text}+00:00" for UTC.'
        )
    if moment > datetime.now(UTC):
        raise RoomError(f"{text} is in the future.", "For all that there is: npm run restore -- --latest.")
    return moment


def pick(settings: Settings, wanted: Wanted) -> catalog.Backup:
    """The backup to begin with. @throws RoomError that says what there is"""
    if wanted.id is not None:
        return catalog.choose(settings, wanted.id)
    if settings.external is not None:
        # Base backups may be there from when the stack ran PostgreSQL itself; nothing leads from them to what it has now.
        if wanted.to is None:
            return newest_dump(settings) or refuse_former(settings)
        raise RoomError(
            "Of a PostgreSQL that others run there are dumps here and no log, so no moment in between can be restored.",
            "A dump: npm run backup -- list; restore one with --id. Moments in between are its provider's to restore.",
        )
    # After an upgrade of PostgreSQL there are those of the former version as well.
    good = catalog.readable_by(catalog.proved(catalog.bases(settings)), own_major())
    if wanted.to is None:
        # A server that began empty in the place of a lost one has the newest backups, and nothing that anybody wants.
        systems = status.own_systems(settings)
        own = [one for one in good if one.manifest and one.manifest["server"]["systemId"] in systems]
        if own and own[0] is not good[0]:
            step("PostgreSQL was begun anew, empty; what was there before is restored")
        return (own or good)[0] if good else newest_dump(settings) or catalog.choose(settings, None)
    for one in good:
        if one.manifest and datetime.fromisoformat(one.manifest["endedAt"]) <= wanted.to:
            return one
    oldest = good[-1].manifest["endedAt"] if good and good[-1].manifest else None
    raise RoomError(
        f"There is no verified base backup from before {wanted.to.isoformat(sep=' ')}"
        + (f"; the earliest moment is {oldest}." if oldest else "."),
        "Dumps may be older: npm run backup -- list; restore one with --id.",
    )


def beside(settings: Settings, wanted: Wanted, keep: bool) -> dict[str, Any]:
    """Restores and compares; nothing of the stack is touched. @returns what differs from the stack now

    @param keep leaves the restored cluster, flushed and stopped, where a replacement takes it from.
    """
    started = time.monotonic()
    with lock.held(settings, "a restore"):
        work.clear_leftovers(settings)
        chosen = pick(settings, wanted)
        found = readable(settings, chosen)
        if keep:
            external.refuse_as_own(found)
        # Without it this is a look, which takes nothing away from whoever is about to replace the data.
        if keep:
            files.remove(settings.root / KEPT)
        try:
            with scratch.workspace(settings, f"restore-{chosen.id}") as folder:
                if found["kind"] == "base":
                    answer = from_base(settings, chosen, found, folder, wanted)
                else:
                    answer = from_dump(settings, chosen, found, folder, keep)
                if keep:
                    answer["mark"] = finish(settings, folder / "data", found, settings.root / KEPT)
        except OSError as error:
            raise files.in_words(error) from error
        return {"backup": catalog.as_json(chosen), "seconds": round(time.monotonic() - started, 1), **answer}


def newest_dump(settings: Settings) -> catalog.Backup | None:
    """The newest verified one of the server of now that this version of PostgreSQL reads."""
    good = catalog.proved(origin.present(settings, catalog.dumps(settings)))
    return next(iter(catalog.readable_by(good, own_major())), None)


def refuse_former(settings: Settings) -> NoReturn:
    """@throws RoomError where there is no dump of the server of now: another one's is not taken for it unasked"""
    former = origin.former(settings, catalog.proved(catalog.dumps(settings)))
    raise RoomError(
        f"There is no verified dump of {settings.host} yet."
        + (f" {len(former)} are of a server that the stack had before." if former else ""),
        "Take one: npm run backup." + (" Those of before: npm run backup -- list; restore one with --id." if former else ""),
    )


def own_major() -> int:
    """The version of PostgreSQL that this room's tools are of."""
    return int(server.tool_version("pg_restore").split()[2].split(".")[0])


def readable(settings: Settings, chosen: catalog.Backup) -> manifest.Manifest:
    """@throws RoomError for a backup that cannot be restored, before anything is touched"""
    found = work.undamaged(settings, chosen)
    theirs, own = catalog.major_of(found), own_major()
    # A dump goes forward to a newer version; a copy of the files fits one version only.
    is_base = found["kind"] == "base"
    if theirs > own or (theirs != own and is_base):
        dump = newest_dump(settings)
        raise RoomError(
            f"Backup {chosen.id} is of PostgreSQL {theirs}, and this stack has PostgreSQL {own}, which cannot read it.",
            (
                f"Bring the stack to that version first: npm run upgrade -- postgres {theirs}; then restore again."
                if settings.external is None
                else external.OLD_TOOLS
            )
            if theirs > own
            else "Take a dump, which goes forward to a newer version: npm run restore -- --id "
            + (f"{dump.id}; npm run backup -- list shows all." if dump else "ID, with one of npm run backup -- list."),
        )
    work.check_whole(settings, chosen, lambda: base.chain(settings, found) if is_base else [found])
    return found


def from_dump(
    settings: Settings, chosen: catalog.Backup, found: manifest.Manifest, folder: Path, keep: bool, check: bool = False
) -> dict[str, Any]:
    """@param keep it shall serve: a dump has no statistics, without which the first queries would be slow. @param check by amcheck"""
    files.check_space(settings.root, sum(one["size"] for one in found["databases"]))
    data = scratch.make(folder, found)
    with scratch.running(settings, folder, data, found["server"]) as target:

        def settle() -> None:
            if check:
                amcheck.check(target, chosen.id)
            if keep:
                gather(target)

        restored = verify.restore_into(target, chosen.folder, found, settle)
        step("comparing with the backup's manifest")
        lines = verify.differences(found, target, restored)
        if lines:
            raise RoomError(f"Backup {chosen.id} does not restore what was there:\n" + "\n".join(lines[:20]))
        return {"until": found["takenAt"], **compare(settings, {"databases": restored.contents})}


def gather(target: scratch.Scratch) -> None:
    step("gathering statistics")
    call(
        ["vacuumdb", "--all", "--analyze-only", "--quiet", f"--jobs={loader.JOBS}", "--maintenance-db=template1"],
        "The statistics of the restored data could not be gathered",
        server.tool_environment(target.host, target.port, target.user),
    )


def from_base(
    settings: Settings, chosen: catalog.Backup, found: manifest.Manifest, folder: Path, wanted: Wanted
) -> dict[str, Any]:
    """From a base backup, on by the log: as far as it goes, to a moment, or not at all for a backup that was named."""
    files.check_space(settings.root, found["size"] * 2)
    system = found["server"]["systemId"]
    first = wal.segment_of(found["timeline"], found["start"])
    lacking = wal.missing(settings, system, first) if wanted.id is None else []
    if lacking and wanted.to is None:
        raise RoomError(
            f"The log has a gap after backup {chosen.id}: segment {lacking[0]} is missing, so the newest changes cannot be had this way.",
            f'{from_copies()}Restore to a moment before the gap (--to "…"), or the newest dump: npm run backup -- list.',
        )
    if wanted.id is not None:
        target = {"recovery_target": "immediate"}
    elif wanted.to is not None:
        target = {"recovery_target_time": wanted.to.isoformat(sep=" ")}
    else:
        target = {}
    try:
        return recover(settings, chosen, found, folder, target)
    except RoomError as error:
        bad = UNREADABLE.search(error.what)
        if bad is not None:
            raise RoomError(
                f"Segment {bad.group(1)} of the log is damaged, so nothing after it can be restored.",
                f'{from_copies()}Restore to a moment before it (--to "…"), or the newest dump: npm run backup -- list.',
            ) from error
        if NOT_REACHED not in error.what or wanted.to is None:
            raise
        if lacking:
            # Whether anything was changed between the two, nobody knows.
            last = LAST_CHANGE.findall((folder / "log").read_text("utf-8", "replace"))
            raise RoomError(
                f"The log has a gap before that moment: segment {lacking[0]} is missing, and the last change before it is of "
                f"{last[-1] if last else found['endedAt']}.",
                f'{from_copies()}Restore to that time (--to "…"), or to a moment after the next base backup: npm run backup -- list.',
            ) from error
        # Nothing was written after that moment: then all of the log is what there was.
        step("nothing was changed after that moment, so all of the log is restored")
        shutil.rmtree(folder)
        folder.mkdir(mode=0o700)
        return recover(settings, chosen, found, folder, {})


def from_copies() -> str:
    """What else there is where a piece of the log is missing or damaged here."""
    if offsite.configured() is None:
        return ""
    return "A copy off-site may have it whole: npm run backup -- fetch, then restore again. "


def recover(
    settings: Settings, chosen: catalog.Backup, found: manifest.Manifest, folder: Path, target: dict[str, str]
) -> dict[str, Any]:
    data = base.unpack(settings, folder, found, checked=True)
    step("starting a scratch server, which goes on by the log")
    options = base.recovery(settings, found, **target)
    with scratch.running(settings, folder, data, found["server"], recovering=True, **options) as server_:
        if not target:
            check_reached(settings, found, server_)
        amcheck.check(server_, chosen.id)
        until = LAST_CHANGE.findall((folder / "log").read_text("utf-8", "replace"))
        return {"until": until[-1] if until else found["endedAt"], **compare(settings, prove_base.read(server_))}


def check_reached(settings: Settings, found: manifest.Manifest, target: scratch.Scratch) -> None:
    """PostgreSQL takes a damaged record for the end of the log. @throws RoomError where more of it is here"""
    with server.connect(target.host, target.port, target.user, "template1") as connection:
        reached = wal.segment_of(1, server.one(connection, "SELECT pg_current_wal_lsn()::text"))
    newest = wal.newest(settings, found["server"]["systemId"])
    if newest is not None and reached[8:] < newest[8:]:
        raise RoomError(
            f"The log is damaged in segment {reached}: it could be read up to there, and goes on to {newest}.",
            f'{from_copies()}What is before can be had: restore to a moment (--to "…"), or the newest dump: npm run backup -- list.',
        )


def compare(settings: Settings, restored: dict[str, Any]) -> dict[str, Any]:
    """Rows by table: restored, and in the stack now. Without a server to ask, that is what is said."""
    step("comparing with what the stack has now")
    tables = {
        f"{name}: {table}": rows for name, one in restored["databases"].items() for table, rows in unquoted(one["tables"]).items()
    }
    summary = {"tables": len(tables), "rows": sum(tables.values())}
    try:
        now = {}
        for name in restored["databases"]:
            with server.source(settings, name) as connection:
                for table, rows in unquoted(server.contents(connection)["tables"]).items():
                    now[f"{name}: {table}"] = rows
    except RoomError as error:
        return {**summary, "changes": [], "notCompared": str(error).strip()}
    changes = [
        {"table": key, "backup": tables.get(key), "now": now.get(key)}
        for key in sorted({*tables, *now})
        if tables.get(key) != now.get(key)
    ]
    return {**summary, "changes": changes}


def finish(settings: Settings, data: Path, found: manifest.Manifest, kept: Path) -> str:
    """The scratch server did not flush anything: that is done once, now. @returns the mark of what is kept"""
    step("flushing the restored data")
    call(["initdb", "--sync-only", f"--pgdata={data}"], "The restored data could not be flushed")
    # What is put in place is the stack's own from then on, also where it is a new server made of a dump.
    said = subprocess.run(["pg_controldata", str(data)], check=True, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    status.add_system(settings, said.stdout.split("Database system identifier:")[1].split()[0])
    # Copies off-site of the one that it came from go on with it.
    status.add_system(settings, found["server"]["systemId"])
    partial = kept.with_name(f"{kept.name}{files.PARTIAL}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700)
    data.rename(partial / "data")
    mark = files.write_restored(partial, found)
    files.publish(partial, kept)
    return mark
