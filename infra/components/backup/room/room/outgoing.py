"""What goes off-site: a picture of the verified backups and of the log as they are at one moment, made of hard links."""

import contextlib
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import catalog, files, status, wal
from .settings import Settings

NAME = "outgoing"
# Beside the backups: what this copy is of.
ABOUT = "copy.json"
FORMAT = 1
# The stack's own state, sealed with the operator's key (sealed.py).
SEALED = "sealed"
# The copy of an authority's account and certificates, which their own room keeps (certificates/copy.py).
CERTIFICATES = "certificates"
# When it was sealed, with which key, and what failed.
SEAL = "sealed.json"


def make(settings: Settings) -> Path:
    """Links everything into one folder, which nothing changes any more while it is sent. @returns the folder"""
    folder = settings.root / NAME
    remove(settings)
    folder.mkdir(mode=0o700)
    kept = link_backups(settings, folder)
    # After the backups, so that it reaches further than each of them.
    for system in sorted((settings.root / "wal").glob("*")):
        link_log(system, folder / "wal" / system.name)
    link_sealed(settings.root / SEALED, folder / SEALED)
    files.write_json(folder / ABOUT, describe(settings, kept))
    return folder


def link_backups(settings: Settings, folder: Path) -> list[catalog.Backup]:
    """Each verified one with all that it builds on, whatever that counts for by itself: no part restores without the others.
    @returns what is there as a whole"""
    backups = catalog.every(settings)
    by_id = {one.id: one for one in backups}
    verified = catalog.proved(backups)
    wanted = {part.id: part for one in verified for part in catalog.parts(one, by_id)}
    for one in wanted.values():
        link_tree(one.folder, folder / one.folder.parent.name / one.id)
    there = {one.id for one in wanted.values() if (folder / one.folder.parent.name / one.id).is_dir()}
    kept = [one for one in verified if all(part.id in there for part in catalog.parts(one, by_id))]
    # Clearing up may have taken a part while they were linked: what is left of that backup is none.
    needed = {part.id for one in kept for part in catalog.parts(one, by_id)}
    for one in wanted.values():
        if one.id not in needed:
            shutil.rmtree(folder / one.folder.parent.name / one.id, ignore_errors=True)
    return kept


def describe(settings: Settings, kept: list[catalog.Backup]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "stack": settings.stack,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "systems": status.own_systems(settings),
        "backups": [one.id for one in kept],
    }


def remove(settings: Settings) -> None:
    shutil.rmtree(settings.root / NAME, ignore_errors=True)


def link_log(system: Path, target: Path) -> None:
    """The unfinished segment is copied: it is still written to. PostgreSQL reads it as far as it goes. It comes before the
    archive: a segment that becomes whole meanwhile is then there twice, and never missing."""
    for path in sorted((system / "incoming").glob("*")):
        (target / "incoming").mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            shutil.copy2(path, target / "incoming" / path.name)
        except FileNotFoundError:
            # It became whole this moment; the archive, which comes next, has it, or the next copy.
            whole = path.with_name(path.name.removesuffix(".partial"))
            if whole.exists():
                shutil.copy2(whole, target / "incoming" / whole.name)
    for path in sorted((system / "archive").glob("*")):
        if path.name.endswith(files.PARTIAL):
            continue
        (target / "archive").mkdir(mode=0o700, parents=True, exist_ok=True)
        # Clearing up removes segments one by one, the oldest, and only those that no kept backup needs.
        with contextlib.suppress(FileNotFoundError):
            os.link(path, target / "archive" / path.name)


def link_sealed(source: Path, target: Path) -> None:
    """One that takes the place of another meanwhile is linked from its beginning: halves of two would be none."""
    while True:
        before = inode(source)
        link_tree(source, target)
        if inode(source) == before:
            return
        shutil.rmtree(target, ignore_errors=True)


def certificates_copy() -> Path | None:
    """Where it is; None for a stack without an authority's certificates."""
    name = os.environ.get("OMNIAI_CERTIFICATES_COPY", "")
    return Path(name) if name else None


def add_certificates(folder: Path) -> str:
    """It is on another volume, so it cannot be linked; it is small, and takes the place of the one before as a whole. The data goes
    off-site without it, too. @param folder what is sent. @returns why it is not there, for an operator; empty where it is, or there is none yet
    """
    source, target = certificates_copy(), folder / CERTIFICATES
    if source is None:
        return ""
    try:
        target.mkdir(mode=0o700)
        shutil.copy2(source, target / source.name)
    except OSError as error:
        shutil.rmtree(target, ignore_errors=True)
        # Before there is an account there is no copy of it, either.
        return "" if isinstance(error, FileNotFoundError) else f"the copies off-site are without the authority's certificates: {error}"
    return ""


def inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def link_tree(source: Path, target: Path) -> None:
    """A backup that is removed meanwhile is left out as a whole."""
    if not source.is_dir():
        return
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        for folder, inner_folders, names in os.walk(source, onerror=fail):
            # Of the sealed state: what refers to something goes before what it refers to, which never goes away.
            inner_folders.sort(reverse=True)
            inner = target / Path(folder).relative_to(source)
            inner.mkdir(mode=0o700, exist_ok=True)
            for name in names:
                if not name.endswith(files.PARTIAL):
                    os.link(Path(folder) / name, inner / name)
    except FileNotFoundError:
        shutil.rmtree(target)


def fail(error: OSError) -> None:
    raise error


def read_seal(settings: Settings) -> dict[str, Any]:
    found = files.read_json(settings.root / SEAL)
    return found if isinstance(found, dict) else {}


def update_seal(settings: Settings, **changes: Any) -> None:
    """Only under the lock of the sealing."""
    files.write_json(settings.root / SEAL, {**read_seal(settings), **changes})


def newest_change(settings: Settings) -> float:
    """When anything that goes off-site changed last, as a file's time. It only says whether a new copy has anything new."""
    folders = [settings.dumps, settings.bases, settings.copies, settings.root / SEALED / "snapshots"]
    paths = [path for folder in folders if folder.is_dir() for path in folder.iterdir()]
    paths += [path for path in (settings.root / "wal").glob("*/incoming/*") if wal.SEGMENT.match(path.name.removesuffix(".partial"))]
    certificates = certificates_copy()
    paths += [certificates] if certificates is not None else []
    # One that cannot be looked at counts as none: sending says why.
    return max((path.stat().st_mtime for path in paths if os.path.exists(path)), default=0.0)
