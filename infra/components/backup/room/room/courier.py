"""Copies off-site: takes the newest there, looks after the repository, and brings copies back."""

import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from . import catalog, files, lock, merge_log, offsite, outgoing, rekey, status, work
from .progress import Ticker, say, step
from .restic import Damaged, Missing, Offended, Restic, key_id
from .settings import RoomError, Settings

TAG = "omniai"
SYSTEM = "system-"
# Each week another part of the repository is read back and checked, so a month sees all of it.
CHECK_EVERY = timedelta(days=7)
PARTS = 4
# What was found damaged is read again only after so long: it costs traffic, and mends itself only by a person.
AFTER_DAMAGE = timedelta(hours=24)
FORGET_EVERY = timedelta(hours=24)
# Beside the days: every copy of the last two days by hour, and these whatever their age.
HOURS, NEWEST = 48, 3


def utc_now() -> datetime:
    return datetime.now(UTC)


def send(settings: Settings, patience: int = 0) -> dict[str, Any]:
    """Takes a copy of all that is verified, and of the log, off-site. @returns what it is. @throws RoomError

    @param patience so many seconds another copy is waited for.
    """
    conf = offsite.required()
    lock.wait_until_free(settings, "offsite-", patience)
    started = time.monotonic()
    with lock.held(settings, "a copy off-site", "offsite-"):
        try:
            repository = Restic(settings, conf)
            snapshots = existing(repository)
            if snapshots is None:
                step(f"beginning the repository at {conf.repository}")
                repository.run("init")
            check_owner(settings, snapshots or [])
            changed = outgoing.newest_change(settings)
            folder = outgoing.make(settings)
            lacking = outgoing.add_certificates(folder)
            try:
                summary = upload(settings, repository, folder)
            finally:
                outgoing.remove(settings)
            last = {
                "id": summary["snapshot_id"][:8],
                "at": utc_now().isoformat(timespec="seconds"),
                "bytes": summary["total_bytes_processed"],
                "sent": summary.get("data_added_packed", summary.get("data_added", 0)),
                "seconds": round(time.monotonic() - started, 1),
                "changed": changed,
                "key": key_id(conf.key),
                **({"lacking": lacking} if lacking else {}),
            }
            offsite.update(settings, last=last, failure=None)
            rekey.retire(settings, repository)
            look_after(settings, repository, conf)
            return last
        except Exception as error:
            failure = files.in_words(error)
            note_failure(settings, failure)
            raise failure from error


def note_failure(settings: Settings, error: RoomError) -> None:
    try:
        offsite.update(
            settings,
            failure={
                "at": status.now(),
                "what": error.what,
                "remedy": error.remedy,
                "lasting": isinstance(error, Offended),
            },
        )
    except OSError:
        # A full volume says so itself.
        pass


def existing(repository: Restic) -> list[dict[str, Any]] | None:
    """The copies, oldest first; None where there is no repository yet."""
    try:
        found = repository.run("snapshots", "--no-lock")
    except Missing:
        return None
    listed = found[0] if found else []
    return sorted((one for one in listed or [] if TAG in one.get("tags", [])), key=lambda one: str(one["time"]))


def check_owner(settings: Settings, snapshots: list[dict[str, Any]]) -> None:
    """@throws Offended before anything is written to what is another stack's or another server's"""
    others = sorted({one["hostname"] for one in snapshots} - {settings.stack})
    if others:
        raise Offended(
            f"The folder in the bucket holds the copies of stack {', '.join(others)}, and this is stack {settings.stack}.",
            "Name a folder of its own for each stack in omniai:offsiteBucket. Nothing was changed there.",
        )
    own = set(status.own_systems(settings))
    theirs = {tag.removeprefix(SYSTEM) for tag in (snapshots[-1]["tags"] if snapshots else []) if tag.startswith(SYSTEM)}
    if own and theirs and not own & theirs:
        raise Offended(
            f"The folder in the bucket holds the copies of another PostgreSQL (system {', '.join(sorted(theirs))}), "
            "and this one was begun anew: its copies would take the place of those by and by.",
            (
                "To have that data back: npm run backup -- fetch, and then npm run restore -- --latest --replace. "
                if settings.external is None
                # Nothing is put in place there, and what was fetched stays beside what is taken from now on.
                else "To go on beside them: npm run backup -- fetch, and then npm run backup. "
            )
            + "To begin anew: name another folder in omniai:offsiteBucket.",
        )


def upload(settings: Settings, repository: Restic, folder: Path) -> dict[str, Any]:
    systems = [f"--tag={SYSTEM}{system}" for system in status.own_systems(settings)]
    ticker = Ticker()

    def show(line: dict[str, Any]) -> None:
        if line.get("message_type") == "status" and ticker.due():
            say("progress", bytes=line.get("bytes_done", 0), of=line.get("total_bytes", 0))

    step("sending what is new off-site")
    # A link changes the time of an inode, and these files never change: without this, all of them would be read each time.
    found = repository.run(
        *("backup", f"--host={settings.stack}", f"--tag={TAG}", *systems, "--ignore-ctime", "--ignore-inode", "."),
        cwd=folder,
        on_line=show,
    )
    return next(line for line in found if line.get("message_type") == "summary")


def look_after(settings: Settings, repository: Restic, conf: offsite.Offsite) -> None:
    """Retention each day; each week a check that reads another part back, and only after a good one what is free is cleared."""
    found = offsite.read(settings)
    now = utc_now()
    if is_due(found.get("forgotAt"), now, FORGET_EVERY):
        # This room is the only one that writes here, so a lock whose program is gone is its own.
        repository.run("unlock")
        repository.run(
            *("forget", f"--host={settings.stack}", f"--tag={TAG}", "--group-by=host"),
            *(f"--keep-last={NEWEST}", f"--keep-hourly={HOURS}", f"--keep-daily={conf.days}"),
        )
        offsite.update(settings, forgotAt=status.now())
    if needs_check(found, now):
        check(settings, repository, int(found.get("part", 0)) % PARTS + 1)
        clear(repository)


def needs_check(found: dict[str, Any], now: datetime) -> bool:
    """Pure: whether a part of the repository has to be read back."""
    damage = found.get("damage") or {}
    return is_due(found.get("checkedAt"), now, CHECK_EVERY) and is_due(damage.get("at"), now, AFTER_DAMAGE)


def is_due(last: str | None, now: datetime, every: timedelta) -> bool:
    """A time ahead of the clock is from a wrong clock."""
    if last is None:
        return True
    age = now - datetime.fromisoformat(last)
    return age >= every or age < timedelta(0)


def check(settings: Settings, repository: Restic, part: int | None) -> None:
    """Reads one part back, or all. @throws RoomError when the repository is not what was sent"""
    step(f"checking the repository, and reading back {f'part {part} of {PARTS}' if part else 'all of it'}")
    try:
        repository.run("check", f"--read-data-subset={part}/{PARTS}" if part else "--read-data")
    except Damaged as error:
        # Whatever else ends a check says nothing about the repository: it is tried again with the next copy.
        offsite.update(settings, damage={"at": status.now(), "what": error.what})
        raise
    offsite.update(settings, checkedAt=status.now(), damage=None, **({"part": part} if part else {}))


def clear(repository: Restic) -> None:
    """Only after a good check: what a damaged repository still has may be the last of it."""
    step("clearing what no copy needs any more")
    repository.run("prune", "--max-unused=10%")


def check_now(settings: Settings) -> None:
    """A check that somebody asks for: all of it is read."""
    conf = offsite.required()
    with lock.held(settings, "a check of the copies off-site", "offsite-"):
        repository = Restic(settings, conf)
        if existing(repository) is None:
            raise RoomError("There is no copy off-site yet.", "Take one: npm run backup.")
        repository.run("unlock")
        check(settings, repository, None)
        clear(repository)


def listed(settings: Settings) -> list[dict[str, Any]]:
    """The copies there are, newest first."""
    conf = offsite.required()
    return [as_json(one) for one in reversed(existing(Restic(settings, conf)) or [])]


def as_json(one: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": one["id"][:8],
        "at": one["time"],
        "stack": one["hostname"],
        "bytes": one.get("summary", {}).get("total_bytes_processed"),
        "files": one.get("summary", {}).get("total_files_processed"),
    }


def fetch(settings: Settings, identity: str | None = None, patience: int = 0) -> dict[str, Any]:
    """Brings the backups and the log of a copy onto the backup volume; what is there and good stays. @throws RoomError

    @param identity of the copy; default: the newest. @param patience so many seconds are other runs waited for.
    """
    conf = offsite.required()
    started = time.monotonic()
    lock.wait_until_free(settings, "offsite-", patience)
    with lock.held(settings, "fetching a copy", "offsite-"):
        repository = Restic(settings, conf)
        chosen = choose(existing(repository), identity)
        target = settings.root / "fetching"
        shutil.rmtree(target, ignore_errors=True)
        try:
            download(settings, repository, chosen, target)
            about = files.read_json(target / outgoing.ABOUT)
            if not isinstance(about, dict) or about.get("format") != outgoing.FORMAT:
                raise RoomError(f"Copy {chosen['id'][:8]} is of no format that this room knows.", "Fetch it with the version that made it.")
            lock.wait_until_free(settings, "", patience)
            with lock.held(settings, "fetching a copy"):
                brought = merge(settings, target, about)
        except OSError as error:
            raise files.in_words(error) from error
        finally:
            shutil.rmtree(target, ignore_errors=True)
        return {"copy": as_json(chosen), "brought": brought, "seconds": round(time.monotonic() - started, 1)}


def download(settings: Settings, repository: Restic, chosen: dict[str, Any], target: Path, inner: str = "") -> None:
    """@param inner a folder of the copy, for less than all of it"""
    wanted = int(chosen.get("summary", {}).get("total_bytes_processed", 0)) if not inner else 0
    files.check_space(settings.root, wanted)
    target.mkdir(mode=0o700)
    ticker = Ticker()

    def show(line: dict[str, Any]) -> None:
        if line.get("message_type") == "status" and ticker.due():
            say("progress", bytes=line.get("bytes_restored", 0), of=line.get("total_bytes", 0))

    step(f"fetching copy {chosen['id'][:8]} of {chosen['time']}", of=wanted)
    repository.run("restore", f"{chosen['id']}:/{inner}", "--no-lock", f"--target={target}", on_line=show)


def choose(snapshots: list[dict[str, Any]] | None, identity: str | None) -> dict[str, Any]:
    if not snapshots:
        raise RoomError("There is no copy off-site.", "Look whether omniai:offsiteBucket names the right folder and the right stack.")
    if identity is None:
        return snapshots[-1]
    for one in snapshots:
        if one["id"].startswith(identity):
            return one
    known = ", ".join(one["id"][:8] for one in snapshots[-5:])
    raise RoomError(f"There is no copy {identity} off-site. The newest are {known}.", "npm run backup -- list shows all.")


def merge(settings: Settings, target: Path, about: dict[str, Any]) -> list[str]:
    """Moves in what is missing or damaged here. @returns the names of what came"""
    step("putting it on the backup volume")
    brought = []
    for kind in (settings.dumps.name, settings.bases.name, settings.copies.name):
        # By themselves: what only builds on a damaged part is good again as soon as that part is.
        good = {one.id for one in catalog.within(settings.root / kind) if one.problem is None}
        for path in sorted((target / kind).glob("*")):
            here = settings.root / kind / path.name
            here.parent.mkdir(mode=0o700, exist_ok=True)
            if path.name in good:
                continue
            files.remove(here)
            files.publish(path, here)
            brought.append(path.name)
    merge_log.merge(settings, target / "wal")
    if (target / outgoing.SEALED).is_dir() and not (settings.root / outgoing.SEALED).exists():
        (target / outgoing.SEALED).rename(settings.root / outgoing.SEALED)
    files.sync(settings.root)
    # A server that began empty in the place of a lost one is not what anybody wants back.
    if not set(about["systems"]) & set(status.own_systems(settings)):
        status.update(settings, systems=about["systems"], fetchedAt=status.now())
    return brought
