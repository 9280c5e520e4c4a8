"""One run at a time, also between the schedule and a person; the kernel lets go when a run is killed."""

import fcntl
import os
import time
from contextlib import contextmanager
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from . import files
from .progress import step
from .settings import RoomError, Settings

# So long may whoever only looks (`is_free`) keep a run from its lock, in seconds: a moment, but on a busy machine a longer one.
LOOK = 2.0


class Busy(RoomError):
    """Another run has the lock."""


@contextmanager
def held(settings: Settings, what: str, name: str = "") -> Iterator[None]:
    """@throws Busy that says what is under way

    @param name begins the names of a lock of its own, for what can go on beside a backup.
    """
    settings.root.mkdir(mode=0o700, exist_ok=True)
    running = running_file(settings, name)
    descriptor = os.open(settings.root / f"{name}lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            take(descriptor)
        except BlockingIOError as error:
            raise Busy(
                f"The backup room is at work: {under_way(running)}.",
                "Wait until it is done (npm run backup -- list shows it), and run this again.",
            ) from error
        files.write_json(
            running, {"what": what, "since": datetime.now(UTC).isoformat(timespec="seconds"), "pid": os.getpid()}
        )
        try:
            yield
        finally:
            running.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def take(descriptor: int) -> None:
    """@throws BlockingIOError where another run has it. Who only looks at it is no run, and is gone a moment later."""
    deadline = time.monotonic() + LOOK
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.02)


def wait_until_free(settings: Settings, name: str, seconds: int) -> None:
    """Gives another run that long to end, and says which. It may be busy again at once: then `held` says so."""
    deadline = time.monotonic() + seconds
    told = False
    while not is_free(settings, name) and time.monotonic() < deadline:
        if not told:
            told = True
            step(f"waiting at most {seconds} s for another run: {under_way(running_file(settings, name))}")
        time.sleep(0.5)


def running_file(settings: Settings, name: str) -> Path:
    """Where a run says what it is."""
    return settings.running.with_name(f"{name}{settings.running.name}")


def under_way(running: Path) -> str:
    now = files.read_json(running) or {}
    return f"{now.get('what', 'a run')} since {now.get('since', 'a moment ago')}"


def is_free(settings: Settings, name: str = "") -> bool:
    """Whether no run is under way now. It shares the lock for that with others who look: they are no run to each other."""
    try:
        descriptor = os.open(settings.root / f"{name}lock", os.O_CREAT | os.O_RDWR, 0o600)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
