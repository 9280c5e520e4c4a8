"""Files that are whole or not there: written aside, flushed, renamed."""

import errno
import hashlib
import json
import os
import secrets
import shutil
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .settings import RoomError

# Where less than this much is left beside what is wanted, the volume counts as full.
RESERVE = 64 << 20
# What has this ending is not a backup, and is removed before the next run.
PARTIAL = ".partial"
ROOM_REMEDY = "Make room on the disk of the volume, or remove backups: npm run backup -- prune."
LOG_REMEDY = "npm run logs -- backup says where."
CHUNK = 1 << 20


def sync(path: Path) -> None:
    """Flushes a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path: Path, on_bytes: Callable[[int], None] | None = None) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            if on_bytes is not None:
                on_bytes(len(chunk))
    return digest.hexdigest()


def write_json(path: Path, value: Any) -> None:
    """The whole value under its name, or the name as it was."""
    aside = path.with_name(f".{path.name}{PARTIAL}")
    with aside.open("w", encoding="utf-8") as file:
        json.dump(value, file, indent=1, sort_keys=True)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    aside.rename(path)
    sync(path.parent)


def write_aside(path: Path, text: str) -> None:
    """The whole text or what was there, for files that need not outlive the machine."""
    aside = path.with_name(f".{path.name}")
    aside.write_text(text, "utf-8")
    aside.rename(path)


def read_json(path: Path) -> Any:
    """What is in the file; None where it is missing or no JSON."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None


def begin(folder: Path, kind: str) -> tuple[datetime, str]:
    """The moment and the name of a new backup in a folder, which is made where it is missing. A name has the second of its
    moment, so a run that comes right after another one waits for the next second."""
    folder.mkdir(mode=0o700, exist_ok=True)
    while True:
        taken = datetime.now(UTC)
        identity = taken.strftime(f"{kind}-%Y%m%dT%H%M%SZ")
        if not (folder / identity).exists():
            return taken, identity
        time.sleep(0.1)


def publish(partial: Path, final: Path) -> None:
    """Gives a finished folder its name, with all that is in it on the disk."""
    for path in partial.iterdir():
        sync(path)
    sync(partial)
    partial.rename(final)
    sync(final.parent)


def write_restored(partial: Path, found: dict[str, Any]) -> str:
    """Says of restored data what it is of. @returns a mark that nothing else restored has: who puts it in place goes by that"""
    mark = secrets.token_hex(16)
    write_json(partial / "restored.json", {"id": found["id"], "checksum": found["checksum"], "mark": mark})
    return mark


def remove(path: Path) -> None:
    """Removes a folder so that no half of it can be taken for a backup: its name goes first."""
    if not path.exists():
        return
    if not path.name.endswith(PARTIAL):
        aside = path.with_name(f"{path.name}{PARTIAL}")
        path.rename(aside)
        sync(path.parent)
        path = aside
    shutil.rmtree(path)


def free_bytes(folder: Path) -> int:
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


def check_space(folder: Path, wanted: int) -> None:
    """@throws RoomError before anything is written"""
    free = free_bytes(folder)
    if free < wanted + RESERVE:
        raise RoomError(
            f"The backup volume has {free >> 20} MiB free, and this needs about {(wanted + RESERVE) >> 20} MiB.", ROOM_REMEDY
        )


def in_words(error: Exception) -> RoomError:
    """What went wrong, for people; what has words already stays as it is. Of what nobody has thought of, the log gets all."""
    if isinstance(error, RoomError):
        return error
    if isinstance(error, OSError):
        if error.errno == errno.ENOSPC:
            return RoomError("The backup volume is full, so this run was given up and its files were removed.", ROOM_REMEDY)
        return RoomError(f"The backup room could not work on its volume: {error}.")
    traceback.print_exception(error)
    return RoomError(f"The backup room failed in a way that it does not know: {type(error).__name__}: {error}", LOG_REMEDY)


def sweep(folder: Path) -> list[str]:
    """Removes what runs that ended half-way left in a folder. Only under the lock. @returns the names"""
    left = sorted(path for path in folder.glob(f"*{PARTIAL}") if path.is_dir())
    for path in left:
        shutil.rmtree(path)
    return [path.name for path in left]
