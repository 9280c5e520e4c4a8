"""Proves a dump: its files are what was written, it restores without an error, and what it restores is what was there."""

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import amcheck, compare, external, files, loader, manifest, reader, scratch, server
from .left import Left
from .load import Load
from .progress import call, say, step
from .scratch import Scratch
from .settings import BadBackup, Settings


def check_files(folder: Path, found: manifest.Manifest) -> None:
    """@throws BadBackup for a file that is missing, shorter, or of another content"""
    total = sum(one["bytes"] for one in manifest.files_of(found))
    done = 0

    def read(count: int) -> None:
        nonlocal done
        done += count

    for one in manifest.files_of(found):
        path = folder / one["file"]
        if not path.is_file():
            raise BadBackup(folder.name, f"Backup {folder.name} is damaged: {one['file']} is missing.")
        size = path.stat().st_size
        if size != one["bytes"]:
            what = f"Backup {folder.name} is damaged: {one['file']} has {size} bytes, and had {one['bytes']} when it was taken."
            raise BadBackup(folder.name, what)
        if files.sha256(path, read) != one["sha256"]:
            what = f"Backup {folder.name} is damaged: {one['file']} is not what was written (its checksum differs)."
            raise BadBackup(folder.name, what)
        say("progress", bytes=done, of=total)


@dataclass(frozen=True)
class Restored:
    """What became of a dump."""

    # What of a server of others was left out.
    left: Left
    # Of each database, as `server.contents` has it.
    contents: dict[str, dict[str, Any]]


def restore_into(target: Scratch, folder: Path, found: manifest.Manifest, settle: Callable[[], None]) -> Restored:
    """@param settle what the superuser does with the restored data. Like what is counted, it is done while nothing of it is a superuser's:
    what a count calls may run as whoever owns it. @throws RoomError for the first error of a statement that is not of others' servers"""
    load = Load(target, folder, found)
    step("restoring the roles")
    packed = folder / found["globals"]["file"]
    script = subprocess.run(["zstd", "-dcq", str(packed)], check=True, capture_output=True).stdout.decode(load.codec, "surrogateescape")
    if not load.is_own:
        load.left.locale = external.other_locale(target, found)
    later, loaded = loader.restore_roles(load, script), []
    for one in found["databases"]:
        step(f"restoring {one['name']}", database=one["name"], of=one["bytes"])
        call(
            ["dropdb", "--if-exists", "--maintenance-db=template1", "--", one["name"]],
            f"Database {one['name']} could not be made",
            load.environment,
        )
        loaded.append(loader.restore_database(load, one))
    settle()
    contents = restored_contents(target, [one["name"] for one in found["databases"]])
    if load.is_own:
        for database in loaded:
            loader.hand_over(load, database)
    loader.finish_roles(load, later)
    load.left.say()
    return Restored(load.left, contents)


def differences(found: manifest.Manifest, target: Scratch, became: Restored) -> list[str]:
    """What the restored server has otherwise than the manifest says, in words."""
    lines: list[str] = []
    left = became.left
    is_external = "external" in found
    with server.connect(target.host, target.port, target.user, "template1") as connection:
        restored = server.roles(connection, verifiers=not is_external)
        compared = [{name: one for name, one in roles.items() if name not in left.roles} for roles in (found["roles"], restored)]
        lines += compare.same("role", compared[0], compared[1])
        names = [one["name"] for one in found["databases"]]
        # Beside the one of a server of others there is the one that every server has.
        there = [name for name in server.databases(connection) if not is_external or name in names]
        if there != names:
            lines.append(f"databases {names} became {there}")
    own = int(server.tool_version("pg_restore").split()[2].split(".")[0])
    newer = own > found["server"]["versionNumber"] // 10000
    for one in found["databases"]:
        contents = became.contents[one["name"]]
        if is_external and "servers" not in one:
            one = {**one, "objects": without_foreign(one["objects"])}
            contents = {**contents, **{key: without_foreign(contents[key]) for key in ("objects", "counts")}}
        wanted = {name: version for name, version in one["extensions"].items() if name not in left.extensions}
        # A provider's extensions are of its own versions.
        lines += compare.database({**one, "extensions": wanted}, contents, newer or is_external)
        lines += compare_sequences(one, contents["sequences"])
    return lines


def restored_contents(target: Scratch, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What is in these databases of a scratch server, as `server.contents` has it."""
    contents = {}
    with reader.made(target, names) as role:
        for name in names:
            with server.connect(target.host, target.port, role, name) as connection:
                contents[name] = server.contents(connection)
    return contents


def without_foreign(objects: dict[str, int]) -> dict[str, int]:
    """Foreign tables are left out of a dump whose manifest does not say which servers they need: of an older version."""
    return {name: count for name, count in objects.items() if name != "relations of kind f"}


def compare_sequences(one: dict[str, Any], restored: dict[str, int]) -> list[str]:
    """A sequence moves on while the dump is taken, so it has to lie between what it was before and after."""
    lines = []
    before, after, restored = (compare.unquoted(values) for values in (one["sequences"], one["sequencesAfter"], restored))
    for key in sorted({*before, *restored}):
        limits = sorted(values[key] for values in (before, after) if key in values)
        value = restored.get(key)
        if value is None or not limits or not limits[0] <= value <= limits[-1]:
            lines.append(f"{one['name']}: sequence {key}: {limits or 'none'} became {value if value is not None else 'none'}")
    return lines


def prove(settings: Settings, identity: str) -> None:
    """Restores the dump and compares; only then it counts. @throws BadBackup with all that differs. @throws RoomError"""
    started = time.monotonic()
    folder = settings.dumps / identity
    found = manifest.read(folder)
    step("checking the files")
    check_files(folder, found)
    files.check_space(settings.root, sum(one["size"] for one in found["databases"]))
    with scratch.workspace(settings, f"verify-{identity}") as work:
        step("starting a scratch server")
        data = scratch.make(work, found)
        with scratch.running(settings, work, data, found["server"]) as target:
            restored = restore_into(target, folder, found, lambda: amcheck.check(target, identity))
            step("comparing")
            lines = differences(found, target, restored)
            if lines:
                raise BadBackup(identity, f"Backup {identity} does not restore what was there:\n" + "\n".join(lines[:20]))
    tables = [rows for one in found["databases"] for rows in one["tables"].values()]
    proof = {"tables": len(tables), "rows": sum(tables), "tool": server.tool_version("pg_restore")}
    left = restored.left.words()
    mark(folder, found, started, **proof, **({"left": left} if left else {}))


def mark(folder: Path, found: manifest.Manifest, started: float, **proof: Any) -> None:
    """From now on the backup counts, whatever was found before. @param started by time.monotonic() @param proof what was found, and by which tool"""
    files.write_json(
        folder / manifest.VERIFIED,
        {
            "id": found["id"],
            "checksum": found["checksum"],
            "verifiedAt": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - started, 1),
            **proof,
        },
    )
    (folder / manifest.DAMAGED).unlink(missing_ok=True)


def condemn(folder: Path, why: str) -> None:
    """A backup that turned out to be bad counts no more, whatever else is in its folder, until it is proved again."""
    (folder / manifest.VERIFIED).unlink(missing_ok=True)
    files.write_json(folder / manifest.DAMAGED, {"at": datetime.now(UTC).isoformat(timespec="seconds"), "why": why})
