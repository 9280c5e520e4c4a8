"""What happened last, kept over restarts: the last failure, and when the room began."""

import contextlib
from datetime import UTC, datetime
from typing import Any

from . import files, origin
from .settings import Settings


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def read(settings: Settings) -> dict[str, Any]:
    found = files.read_json(settings.status)
    return found if isinstance(found, dict) else {}


def update(settings: Settings, **changes: Any) -> None:
    """Only under the lock, or by the loop, which has no run then."""
    files.write_json(settings.status, {**read(settings), **changes})


def begin(settings: Settings) -> dict[str, Any]:
    """The first start of all with this server is kept: before 26 h have gone by there need not be a backup."""
    found = read(settings)
    server = None if settings.external is None else origin.identity(settings)
    if "since" not in found or found.get("server") != server:
        update(settings, since=now(), server=server)
    return read(settings)


def own_systems(settings: Settings) -> list[str]:
    """The servers that are this stack's own: the first one, and each that a restore has made. Not one that began empty."""
    return list(read(settings).get("systems", []))


def add_system(settings: Settings, system: str) -> None:
    known = own_systems(settings)
    if system not in known:
        update(settings, systems=[*known, system])


def failed(settings: Settings, what: str, remedy: str = "") -> None:
    """Where even that cannot be written, the run itself says it, and health by the space that is left."""
    with contextlib.suppress(OSError):
        update(settings, failure={"at": now(), "what": what, "remedy": remedy})


def succeeded(settings: Settings) -> None:
    update(settings, failure=None)
