"""Base backups: a copy of the whole server once a week, and each day what has changed since; with the log, every moment."""

import json
import subprocess
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from . import catalog, files, manifest, receiver, server, wal
from .progress import call, say, step
from .schedule import local_day
from .settings import RoomError, Settings

# So many days apart are two full copies at most, and so many parts has a backup.
FULL_DAYS = 7
# PostgreSQL's own list of the files in a base backup.
LIST = "backup_manifest"


def parent_for(settings: Settings, system: str, timeline: int, today: date) -> catalog.Backup | None:
    """The backup that the next one can build on; None when a full one is due."""
    found = catalog.base_to_build_on(catalog.bases(settings), system)
    if found is None or found.manifest is None or found.manifest["timeline"] != timeline:
        return None
    # After a gap in the log, nothing leads from an older backup to now.
    if receiver.open_gap(settings, found.manifest["takenAt"]) is not None:
        return None
    whole = chain(settings, found.manifest)
    first = date.fromisoformat(whole[0]["day"])
    # Each part makes a restore longer, so many backups in one day begin a new chain as well.
    fits = timedelta(0) <= today - first < timedelta(days=FULL_DAYS) and len(whole) < FULL_DAYS
    return found if fits else None


def chain(settings: Settings, last: manifest.Manifest) -> list[manifest.Manifest]:
    """All that a backup is made of, the full one first. @throws RoomError for one that lacks a part"""
    by_id = {one.id: one for one in catalog.within(settings.bases)}
    found = catalog.parts(catalog.Backup(last["id"], settings.bases / last["id"], manifest=last), by_id)
    return [one.manifest for one in found if one.manifest is not None]


def take(settings: Settings, day: str | None = None) -> str:
    """Takes a base backup and gives it its name. It is not proved yet. @returns its id"""
    taken, identity = files.begin(settings.bases, "base")
    with server.source(settings) as connection:
        about = server.describe(connection)
        timeline = int(server.one(connection, "SELECT timeline_id FROM pg_control_checkpoint()"))
        size = int(server.one(connection, "SELECT sum(pg_database_size(oid)) FROM pg_database"))
        others = server.one(connection, "SELECT count(*) FROM pg_tablespace") - 2
    if others > 0:
        raise RoomError(
            f"PostgreSQL has {others} tablespaces of its own; a base backup of this room holds none.",
            "Move their tables to the default one (ALTER TABLE … SET TABLESPACE pg_default); dumps go on meanwhile.",
        )
    when = day or local_day(taken, settings.zone).isoformat()
    parent = parent_for(settings, about["systemId"], timeline, date.fromisoformat(when))
    partial = settings.bases / f"{identity}{files.PARTIAL}"
    started = time.monotonic()
    try:
        parent = copy(settings, partial, identity, parent, size)
        ranges = json.loads((partial / LIST).read_text("utf-8"))["WAL-Ranges"]
        manifest.write(
            partial,
            {
                "format": manifest.FORMAT,
                "id": identity,
                "kind": "base",
                "level": "full" if parent is None else "incremental",
                "parent": None if parent is None else parent.id,
                "stack": settings.stack,
                "takenAt": taken.isoformat(timespec="seconds"),
                "endedAt": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "day": when,
                "zone": settings.zone,
                "seconds": round(time.monotonic() - started, 1),
                "server": about,
                "size": size,
                "tool": server.tool_version("pg_basebackup"),
                "timeline": ranges[-1]["Timeline"],
                "start": ranges[0]["Start-LSN"],
                "end": ranges[-1]["End-LSN"],
                "files": [describe(path) for path in sorted(partial.iterdir()) if not path.name.startswith(".")],
            },
        )
        files.publish(partial, settings.bases / identity)
    except BaseException:
        files.remove(partial)
        raise
    return identity


def describe(path: Path) -> dict[str, Any]:
    return {"file": path.name, "bytes": path.stat().st_size, "sha256": files.sha256(path)}


def copy(
    settings: Settings, target: Path, identity: str, parent: catalog.Backup | None, size: int
) -> catalog.Backup | None:
    """@returns the backup that it builds on, which may be none after all"""
    last = parent.bytes if parent is not None else 0
    files.check_space(settings.root, last if parent is not None else size // 4)
    target.mkdir(mode=0o700)
    step(f"copying the server ({'full' if parent is None else f'what has changed since {parent.id}'})", of=size)

    def watch() -> None:
        written = sum(path.stat().st_size for path in target.iterdir())
        say("progress", bytes=written, of=size)

    command = [
        *("pg_basebackup", "--no-password", "--format=tar", "--compress=client-zstd:3", "--wal-method=stream"),
        *("--checkpoint=fast", "--manifest-checksums=SHA256", "--no-sync", f"--label={identity}", f"--pgdata={target}"),
    ]
    environment = server.tool_environment(settings.host, settings.port, settings.user)
    if parent is not None:
        try:
            call(
                [*command, f"--incremental={parent.folder / LIST}"],
                "What has changed could not be copied",
                environment,
                watch=watch,
            )
            pack_log(target)
            return parent
        except RoomError as error:
            # The server may not know any more what has changed since. A full copy needs nothing of that.
            step(f"a full copy instead: {error.what}")
            files.remove(target)
            return copy(settings, target, identity, None, size)
    call(command, "The server could not be copied", environment, watch=watch)
    pack_log(target)
    return None


def pack_log(folder: Path) -> None:
    """pg_basebackup packs the data and leaves the log that belongs to it as it is: mostly empty segments."""
    call(["zstd", "-q", "--rm", str(folder / "pg_wal.tar")], "The log of the base backup could not be packed")


def unpack(settings: Settings, work: Path, last: manifest.Manifest, checked: bool = False) -> Path:
    """Makes a data folder of a backup and all that it builds on. @throws BadBackup for the part that is not as it was written

    @param checked the files were compared with their checksums a moment ago.
    """
    from .verify import check_files

    parts = []
    for number, one in enumerate(chain(settings, last)):
        folder = settings.bases / one["id"]
        if not checked:
            check_files(folder, one)
        part = work / f"part-{number}"
        part.mkdir(mode=0o700)
        step(f"unpacking {one['id']}")
        untar(folder / "base.tar.zst", part, one["id"])
        (part / LIST).write_bytes((folder / LIST).read_bytes())
        call(
            ["pg_verifybackup", "--no-parse-wal", "--quiet", str(part)],
            f"Backup {one['id']} is damaged (pg_verifybackup)",
            bad=(one["id"], 1),
        )
        parts.append(part)
    data = work / "data"
    if len(parts) == 1:
        parts[0].rename(data)
    else:
        step("putting the parts together")
        call(
            ["pg_combinebackup", "--no-sync", f"--output={data}", *map(str, parts)],
            f"Backup {last['id']} and those that it builds on do not fit together",
        )
        for part in parts:
            subprocess.run(["rm", "-rf", str(part)], check=True)
    drop_replaced(data)
    untar(settings.bases / last["id"] / "pg_wal.tar.zst", data / "pg_wal", last["id"])
    data.chmod(0o700)
    return data


def drop_replaced(data: Path) -> None:
    """A server beside whose data an exchange has left the old one (ops/stack/exchange-stage.ts) is copied with that."""
    for path in list(data.glob(".replaced*")):
        files.remove(path)


def untar(archive: Path, target: Path, identity: str) -> None:
    script = 'set -eo pipefail; zstd -dcq "$1" | tar -xf - -C "$2"'
    call(["bash", "-c", script, "bash", str(archive), str(target)], f"Backup {identity} could not be unpacked")


def recovery(settings: Settings, found: manifest.Manifest, **target: str) -> dict[str, str]:
    """The settings of a server that goes on from a base backup by the log."""
    folder = wal.folder_of(settings, found["server"]["systemId"])
    return {
        "restore_command": f"sh /opt/fetch-wal.sh {folder} %f %p",
        "recovery_target_action": "promote",
        "recovery_target_timeline": "latest",
        "hot_standby": "off",
        **target,
    }
