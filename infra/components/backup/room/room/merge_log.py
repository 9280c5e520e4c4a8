"""Puts what a copy has of PostgreSQL's log onto the backup volume, where it is missing, damaged, or only begun."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from . import files, wal
from .progress import step
from .settings import Settings


def merge(settings: Settings, source: Path) -> None:
    """@param source the folder of the copy with a folder for each server"""
    for path in sorted(source.glob("*/*/*")):
        system, kind, name = path.parts[-3:]
        merge_one(path, settings.root / "wal" / system, kind, name)


def merge_one(path: Path, folder: Path, kind: str, name: str) -> None:
    segment = wal.segment_in(name)
    whole = [folder / "archive" / f"{segment}.zst", folder / "incoming" / segment]
    begun = [folder / "incoming" / f"{segment}{wal.UNFINISHED}", folder / "archive" / f"{segment}{wal.UNFINISHED}.zst"]
    is_whole = not name.removesuffix(".zst").endswith(wal.UNFINISHED)
    if any(wal.is_good(way) for way in (whole if is_whole else [*whole, *begun])):
        return
    # What went off-site damaged is no better; and under a receiver's hands nothing is exchanged.
    if not wal.is_good(path) or any(is_open(way) for way in begun):
        return
    here = folder / kind / name
    stale = [way for way in ([*whole, *begun] if is_whole else [here]) if way.exists()]
    here.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    files.sync(path)
    path.rename(here)
    files.sync(here.parent)
    # A restore looks for packed ones first: a damaged one would hide the good one.
    for way in stale:
        if way != here:
            way.unlink(missing_ok=True)
    if stale:
        step(f"replaced segment {segment} of the log, which was damaged or not whole here")


def is_open(path: Path) -> bool:
    """Whether any program of this room has the file open. The folder is reached by a link, so it goes by the file itself."""
    try:
        wanted = path.stat()
    except FileNotFoundError:
        return False
    return any(os.path.samestat(found, wanted) for found in open_files())


def open_files() -> Iterator[os.stat_result]:
    for process in os.listdir("/proc"):
        # A program may end meanwhile, or be another user's.
        with contextlib.suppress(OSError):
            for descriptor in os.listdir(f"/proc/{process}/fd"):
                with contextlib.suppress(OSError):
                    yield os.stat(f"/proc/{process}/fd/{descriptor}")
