"""The runs: a backup from the first step to the last, a proof, a clearing up. Each holds the lock while it works."""

import shutil
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from . import catalog, files, lock, manifest, origin, retention, status, wal
from .progress import say, step
from .settings import BadBackup, RoomError, Settings

def clear_leftovers(settings: Settings) -> None:
    """What an earlier run left that was killed. The lock is held, so nobody works on it any more."""
    for folder in (settings.dumps, settings.bases, settings.copies, settings.root):
        folder.mkdir(mode=0o700, exist_ok=True)
        for name in files.sweep(folder):
            say("left", text=f"{name} of a run that was killed is removed")
    shutil.rmtree(settings.scratch, ignore_errors=True)


def backup(settings: Settings, day: str | None = None, kind: str | None = None) -> list[str]:
    """Takes one backup of each kind, proves all, and removes what is no longer kept. @returns their ids

    One that fails does not keep the others from being taken.
    @param day the day of the schedule: what it has already is not taken again.
    @param kind only this one. That the others failed stays said.
    """
    with lock.held(settings, "a backup"):
        try:
            taken = take_each(settings, day, kind)
            prune_now(settings)
        except Exception as error:
            failure = files.in_words(error)
            status.failed(settings, failure.what, failure.remedy)
            raise failure from error
        if kind is None:
            status.succeeded(settings)
        return taken


def take_each(settings: Settings, day: str | None, kind: str | None) -> list[str]:
    """@throws RoomError for all that failed, at the end"""
    clear_leftovers(settings)
    taken, failures = [], []
    for one in [kind] if kind else catalog.kinds(settings):
        if day is not None and day in done_days(settings, one):
            continue
        try:
            taken.append(take_and_prove(settings, one, day))
        except Exception as error:
            failures.append(files.in_words(error))
    if failures:
        raise RoomError("\n".join(error.what for error in failures), failures[0].remedy)
    return taken


def take_and_prove(settings: Settings, kind: str, day: str | None) -> str:
    if kind == "base":
        from . import base, prove_base

        return proved(settings, base.take(settings, day), prove_base.prove)
    if kind == "redis":
        from . import redis_copy

        good = catalog.proved(catalog.copies(settings))
        identity = redis_copy.take(settings, day, expected=good[0].bytes if good else 0)
        return proved(settings, identity, redis_copy.prove)
    from . import dump, verify

    good = catalog.proved(origin.present(settings, catalog.dumps(settings)))
    identity = dump.take(settings, day, expected=good[0].bytes if good else 0)
    return proved(settings, identity, verify.prove)


def proved(settings: Settings, identity: str, prover: Callable[[Settings, str], None]) -> str:
    """A new one that does not prove good is only not verified. An older one that it builds on, and that went bad, is condemned.
    @returns its id"""
    try:
        prover(settings, identity)
    except BadBackup as error:
        if error.id != identity:
            condemn(settings, error)
        raise
    return identity


def prove(settings: Settings, identity: str | None) -> str:
    """Proves one backup again: the named one, or the newest there is. One that was condemned counts again when it is good.
    @returns its id"""
    from . import prove_base, redis_copy, verify

    provers = {"dump": verify.prove, "base": prove_base.prove_again, "redis": redis_copy.prove}
    with lock.held(settings, "a verification"):
        clear_leftovers(settings)
        backups = catalog.every(settings)
        if identity is None and not backups:
            raise RoomError("There is no backup yet.", "Take one: npm run backup.")
        chosen = catalog.choose(settings, identity) if identity else backups[0]
        if chosen.manifest is None:
            raise RoomError(chosen.problem or f"Backup {chosen.id} is damaged.", other(settings, chosen.id))
        try:
            provers[chosen.manifest["kind"]](settings, chosen.id)
        except BadBackup as error:
            condemn(settings, error)
            status.failed(settings, error.what)
            raise RoomError(error.what, other(settings, chosen.id)) from error
        except RoomError as error:
            raise RoomError(f"Backup {chosen.id} could not be proved, and counts as before. {error.what}", error.remedy) from error
        return chosen.id


def condemn(settings: Settings, error: BadBackup) -> None:
    """The one at fault, which another may build on."""
    from . import verify

    for one in catalog.every(settings):
        if one.id == error.id:
            verify.condemn(one.folder, error.what)


def undamaged(settings: Settings, chosen: catalog.Backup) -> manifest.Manifest:
    """@throws RoomError for a backup that nothing can be restored from, as far as is known"""
    if chosen.manifest is None or chosen.problem is not None:
        raise RoomError(chosen.problem or f"Backup {chosen.id} is damaged.", other(settings, chosen.id))
    return chosen.manifest


def check_whole(
    settings: Settings, chosen: catalog.Backup, parts: Callable[[], Iterable[manifest.Manifest]]
) -> None:
    """Every file of all parts is as it was written. @throws RoomError, and a part that is not counts no more"""
    from . import verify

    step("checking the files")
    try:
        for one in parts():
            verify.check_files(chosen.folder.with_name(one["id"]), one)
    except BadBackup as error:
        condemn(settings, error)
        raise RoomError(error.what, other(settings, chosen.id)) from error


def other(settings: Settings, bad: str) -> str:
    """Which backup to take instead of a bad one."""
    # A copy of Redis does not stand in for PostgreSQL, nor the other way round.
    fits = catalog.copies(settings) if bad.startswith("redis-") else catalog.of_postgres(catalog.every(settings))
    good = [one for one in catalog.proved(fits) if one.id != bad]
    if good:
        return f"The newest verified one is {good[0].id}, of {good[0].manifest and good[0].manifest['takenAt']}."
    return "There is no other verified backup; take one now: npm run backup."


def prune(settings: Settings) -> list[str]:
    """What a person asks for: also what is damaged goes, as far as enough good ones are there."""
    with lock.held(settings, "clearing up"):
        clear_leftovers(settings)
        gone = []
        for backups in catalog.by_kind(settings).values():
            enough = len(catalog.proved(backups)) >= retention.LEAST
            for one in backups if enough else []:
                if one.problem is not None:
                    files.remove(one.folder)
                    step(f"removed {one.id}, which is damaged")
                    gone.append(one.id)
        return [*gone, *prune_now(settings)]


def prune_now(settings: Settings) -> list[str]:
    """Removes what is no longer kept, of each kind, and the log that no base backup needs."""
    gone = []
    for kind, backups in catalog.by_kind(settings).items():
        by_id = {one.id: one for one in backups}
        going = set(retention.to_remove(catalog.for_retention(backups), settings.days))
        if kind == "base" and outlived(settings):
            going = {one.id for one in catalog.for_retention(backups)}
        # What a kept one builds on stays with it.
        for one in backups:
            while one.id not in going and one.manifest and one.manifest.get("parent") in by_id:
                one = by_id[one.manifest["parent"]]
                going.discard(one.id)
        for identity in sorted(going):
            files.remove(by_id[identity].folder)
            step(f"removed {identity}, which is no longer kept")
            gone.append(identity)
    prune_log(settings)
    return gone


def outlived(settings: Settings) -> bool:
    """Whether base backups are of a server that others took over so long ago that its dumps fill the shelf by themselves. No newer base
    backup comes, after which they would go."""
    return settings.external is not None and len(set(done_days(settings, "dump"))) >= settings.days


def prune_log(settings: Settings) -> None:
    """Of each server the log that no base backup needs; all of it, where there is none to begin with any more."""
    kept: dict[str, list[manifest.Manifest]] = {}
    bases = catalog.bases(settings)
    for one in bases:
        if one.manifest:
            kept.setdefault(one.manifest["server"]["systemId"], []).append(one.manifest)
    folder = settings.root / "wal"
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    for system in sorted(there & {*kept}):
        starts = [wal.segment_of(one["timeline"], one["start"]) for one in kept[system]]
        wal.prune(settings, system, min(starts, key=lambda name: name[8:]))
    # One without a readable manifest may be of any server.
    former = there - {*kept} if all(one.manifest for one in bases) else set()
    for system in sorted(former - in_use(settings, former)):
        shutil.rmtree(folder / system)
        step(f"removed the log of PostgreSQL {system}, which has no base backup any more")


def in_use(settings: Settings, systems: set[str]) -> set[str]:
    """Those of which a base backup may still come. Where nobody can say which they are, all."""
    if not systems:
        return set()
    fetching = {path.name for path in (settings.root / "fetching" / "wal").glob("*")}
    if settings.external is not None:
        # Others show nobody their log, so none comes any more.
        return fetching
    place = wal.ask(settings)
    return systems if place is None else {place.system, *fetching}


def done_days(settings: Settings, kind: str) -> list[str]:
    """The days that have a verified backup of the kind, of the server of now: what a former one had that day is no reason to wait."""
    found = origin.present(settings, catalog.by_kind(settings).get(kind, []))
    return [one.manifest["day"] for one in catalog.proved(found) if one.manifest]


def utc_now() -> datetime:
    return datetime.now(UTC)
