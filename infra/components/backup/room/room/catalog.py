"""Which backups there are, and what each of them is worth."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from . import files, manifest
from .retention import Kept
from .settings import RoomError, Settings


@dataclass(frozen=True)
class Backup:
    """One backup. Without a readable manifest, `problem` says why, and nothing else is known."""

    id: str
    folder: Path
    problem: str | None = None
    manifest: dict[str, Any] | None = None
    verified: dict[str, Any] | None = None

    @property
    def taken(self) -> datetime | None:
        return datetime.fromisoformat(self.manifest["takenAt"]) if self.manifest else None

    @property
    def day(self) -> date | None:
        return date.fromisoformat(self.manifest["day"]) if self.manifest else None

    @property
    def bytes(self) -> int:
        return sum(one["bytes"] for one in manifest.files_of(self.manifest)) if self.manifest else 0

    @property
    def state(self) -> str:
        if self.problem is not None:
            return "damaged"
        return "verified" if self.verified else "not verified"


def read(folder: Path) -> Backup:
    """Quick: sizes and the manifest's checksum, not the checksums of the files."""
    try:
        found = manifest.read(folder)
    except RoomError as error:
        return Backup(folder.name, folder, problem=error.what)
    for one in manifest.files_of(found):
        path = folder / one["file"]
        if not path.is_file() or path.stat().st_size != one["bytes"]:
            problem = f"Backup {folder.name} is damaged: {one['file']} is missing or of another length."
            return Backup(folder.name, folder, problem=problem, manifest=found)
    found_bad = files.read_json(folder / manifest.DAMAGED)
    if found_bad is not None:
        return Backup(folder.name, folder, problem=str(found_bad.get("why", "damaged")), manifest=found)
    mark = files.read_json(folder / manifest.VERIFIED)
    proved = isinstance(mark, dict) and mark.get("checksum") == found["checksum"]
    return Backup(folder.name, folder, manifest=found, verified=mark if proved else None)


def dumps(settings: Settings) -> list[Backup]:
    return within(settings.dumps)


def bases(settings: Settings) -> list[Backup]:
    return judged(within(settings.bases))


def parts(last: Backup, by_id: Mapping[str, Backup]) -> list[Backup]:
    """Pure: all that a backup is made of, the full one first. @throws RoomError for one that lacks a part, or has a damaged one"""
    found = [last]
    while (parent := (found[0].manifest or {}).get("parent")) is not None:
        part = by_id.get(parent)
        if part is None:
            raise RoomError(
                f"Backup {last.id} builds on {parent}, which is not there any more.",
                "Where there are copies off-site, npm run backup -- fetch may bring it back.",
            )
        if part.problem is not None:
            raise RoomError(f"Backup {last.id} builds on {parent}, which is damaged: {part.problem}")
        found.insert(0, part)
    return found


def judged(backups: list[Backup]) -> list[Backup]:
    """Pure: the same base backups, where one that lacks a part, or has a damaged one, is damaged as well: nothing restores it."""
    by_id = {one.id: one for one in backups}
    found = []
    for one in backups:
        try:
            parts(one, by_id)
        except RoomError as error:
            one = replace(one, problem=one.problem or error.what)
        found.append(one)
    return found


def base_to_build_on(backups: list[Backup], system: str) -> Backup | None:
    """Pure: the newest base backup of a server, where it and all that it builds on are verified. What was never proved, or
    failed, may lack something, and all that builds on it would lack the same: then a full copy begins anew.

    @param backups as `bases` gives them.
    """
    by_id = {one.id: one for one in backups}
    newest = next((one for one in backups if one.manifest and one.manifest["server"]["systemId"] == system), None)
    if newest is None or newest.problem is not None:
        return None
    return newest if all(one.state == "verified" for one in parts(newest, by_id)) else None


def copies(settings: Settings) -> list[Backup]:
    """Of Redis."""
    return within(settings.copies)


def by_kind(settings: Settings) -> dict[str, list[Backup]]:
    """Of each kind by itself: retention and freshness count them so."""
    found = {"dump": dumps(settings), "base": bases(settings), "redis": copies(settings)}
    # What an earlier config has left is still there to be restored.
    return {kind: backups for kind, backups in found.items() if backups or kind in kinds(settings)}


def kinds(settings: Settings) -> tuple[str, ...]:
    """The kinds that a run takes, in this order."""
    # A provider gives nobody its log.
    postgres = ("dump", "base") if settings.external is None else ("dump",)
    return (*postgres, "redis") if settings.redis else postgres


def every(settings: Settings) -> list[Backup]:
    return newest_first([one for backups in by_kind(settings).values() for one in backups])


def of_postgres(backups: list[Backup]) -> list[Backup]:
    return [one for one in backups if one.manifest is None or one.manifest["kind"] != "redis"]


def major_of(found: dict[str, Any]) -> int:
    """The major version of the server that a manifest is of."""
    return int(found["server"]["versionNumber"]) // 10000


def readable_by(backups: list[Backup], major: int) -> list[Backup]:
    """Those that PostgreSQL of this major version takes: a dump goes forward to a newer one, a copy of the files fits one only."""
    return [
        one
        for one in backups
        if one.manifest and (major_of(one.manifest) == major or (one.manifest["kind"] == "dump" and major_of(one.manifest) < major))
    ]


def within(folder: Path) -> list[Backup]:
    if not folder.is_dir():
        return []
    return newest_first(
        [read(path) for path in folder.iterdir() if path.is_dir() and not path.name.endswith(files.PARTIAL)]
    )


def newest_first(found: list[Backup]) -> list[Backup]:
    """By their own dates; those without a readable date last."""
    dated = sorted((one for one in found if one.taken), key=lambda one: str(one.manifest and one.manifest["takenAt"]))
    return [*reversed(dated), *sorted((one for one in found if not one.taken), key=lambda one: one.id)]


def proved(backups: list[Backup]) -> list[Backup]:
    return [one for one in backups if one.state == "verified"]


def choose(settings: Settings, identity: str | None) -> Backup:
    """The one of that id, or the newest of PostgreSQL that is verified. @throws RoomError that says what there is"""
    backups = every(settings)
    good = proved(backups)
    if identity is None:
        if of_postgres(good):
            return of_postgres(good)[0]
        raise RoomError("There is no verified backup.", "Take one: npm run backup.")
    for one in backups:
        if one.id == identity:
            return one
    known = ", ".join(one.id for one in good[:5]) or "none"
    raise RoomError(f"There is no backup {identity}. Verified backups: {known}.", "npm run backup -- list shows all.")


def for_retention(backups: list[Backup]) -> list[Kept]:
    """What is damaged is left to a person: it may be the last copy of something."""
    return [
        Kept(one.id, one.taken, one.day, one.state == "verified")
        for one in backups
        if one.problem is None and one.taken and one.day
    ]


def as_json(one: Backup) -> dict[str, Any]:
    found = one.manifest or {}
    return {
        "id": one.id,
        "kind": found.get("kind", one.id.split("-")[0]),
        "level": found.get("level"),
        "state": one.state,
        "problem": one.problem,
        "takenAt": found.get("takenAt"),
        "day": found.get("day"),
        "bytes": one.bytes,
        "seconds": found.get("seconds"),
        "server": found.get("server", {}).get("version"),
        "verifiedAt": (one.verified or {}).get("verifiedAt"),
        "rows": (one.verified or {}).get("rows"),
    }
