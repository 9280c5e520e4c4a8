"""One run at a time, also between the schedule and a person; the kernel lets go when a run is killed."""

import fcntl
import os
import time
from contextlib import contextmanager
from collections.abc import Iterator
from datetime import UTC, datetime

from . import files
from .settings import RoomError, Settings


class Busy(RoomError):
    """Another run has the lock."""


@contextmanager
def held(settings: Settings, what: str, name: str = "") -> Iterator[None]:
    """@throws Busy that says what is under way

    @param name begins the names of a lock of its own, for what can go on beside a backup.
    """
    settings.root.mkdir(mode=0o700, exist_ok=True)
    running = settings.running.with_name(f"{name}{settings.running.name}")
    descriptor = os.open(settings.root / f"{name}lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            now = files.read_json(running) or {}
            raise Busy(
                f"The backup room is at work: {now.get('what', 'a run')} since {now.get('since', 'a moment ago')}.",
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


def wait_until_free(settings: Settings, name: str, seconds: int) -> None:
    """Gives another run that long to end. It may be busy again at once: then `held` says so."""
    deadline = time.monotonic() + seconds
    while not is_free(settings, name) and time.monotonic() < deadline:
        time.sleep(0.5)


def is_free(settings: Settings, name: str = "") -> bool:
    """Whether no run is under way now."""
    try:
        descriptor = os.open(settings.root / f"{name}lock", os.O_CREAT | os.O_RDWR, 0o600)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
