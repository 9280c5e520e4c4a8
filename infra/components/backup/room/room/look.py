"""What the room knows at this moment, read from its volume: for the loop, for who asks, and for its metrics."""

from datetime import UTC, datetime

from . import catalog, files, offsite, receiver, status
from .health import AHEAD, Situation
from .manifest import Manifest
from .settings import Settings


def newest_base(backups: list[catalog.Backup], now: datetime) -> Manifest | None:
    """Of the verified base backups, without those that a wrong clock has dated in the future: nothing is newer than they."""
    return next(
        (
            one.manifest
            for one in catalog.proved(backups)
            if one.manifest and one.manifest["kind"] == "base" and one.taken and one.taken <= now + AHEAD
        ),
        None,
    )


def newest_offsite(settings: Settings) -> datetime | None:
    """Of a stack that keeps copies off-site no more, what is left from before says nothing."""
    last = offsite.read(settings).get("last") if offsite.configured() else None
    return datetime.fromisoformat(last["at"]) if last else None


def situation(settings: Settings, more: list[str]) -> Situation:
    """@param more what the loop has found wrong beside"""
    found = status.read(settings)
    backups = catalog.every(settings)
    offsite_at = newest_offsite(settings)
    # After all notes: one that was written meanwhile would lie ahead of the clock.
    now = datetime.now(UTC)
    newest = newest_base(backups, now)
    return Situation(
        now=now,
        since=datetime.fromisoformat(found.get("since", now.isoformat())),
        backups=backups,
        free=files.free_bytes(settings.root),
        failure=found.get("failure"),
        # One from when the stack ran PostgreSQL itself is over.
        gap=None if settings.external else receiver.open_gap(settings, newest["takenAt"] if newest else None),
        kinds=catalog.kinds(settings),
        offsite=offsite_at,
        more=more,
    )
