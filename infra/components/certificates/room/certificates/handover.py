"""How a pair gets to the edge: each in a folder of its own that never changes, and one link to the newest."""

import os
import shutil
from pathlib import Path

from .pair import Pair, read_pair
from .settings import CHALLENGES, CURRENT

# The edge may still have the one before, and one of them may turn out to be wrong.
KEPT = 3


def current(handover: Path) -> Pair | None:
    """The pair that the edge is to serve."""
    return read_pair(handover / CURRENT)


def hand_over(handover: Path, pair: Pair) -> None:
    """@throws ValueError for a key that is not the certificate's, OSError"""
    if not pair.belongs:
        raise ValueError("The key that certbot left does not belong to its certificate, so the edge does not get it.")
    name = pair.fingerprint[:16]
    folder = handover / name
    if read_pair(folder) != pair:
        aside = handover / f".{name}"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(mode=0o700)
        write(aside / "fullchain.pem", pair.chain)
        write(aside / "privkey.pem", pair.key)
        shutil.rmtree(folder, ignore_errors=True)
        aside.rename(folder)
    os.utime(folder)
    link = handover / f".{CURRENT}"
    link.unlink(missing_ok=True)
    link.symlink_to(name)
    link.rename(handover / CURRENT)
    prune(handover, name)


def write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)


def prune(handover: Path, keep: str) -> None:
    folders = [one for one in handover.iterdir() if one.is_dir() and not one.is_symlink() and one.name != CHALLENGES]
    folders.sort(key=lambda one: one.stat().st_mtime, reverse=True)
    for old in [one for one in folders if one.name != keep][KEPT - 1 :]:
        shutil.rmtree(old, ignore_errors=True)
