"""Which backups may go. Pure: it goes by the dates in the manifests, and counts only what was proved."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

# So many of the newest proven backups stay, whatever their age.
LEAST = 3


@dataclass(frozen=True)
class Kept:
    """A backup as far as retention cares."""

    id: str
    taken: datetime
    day: date
    verified: bool


def to_remove(backups: Iterable[Kept], days: int) -> list[str]:
    """The ids to remove, oldest first.

    Of each of the newest `days` dates that have a proven backup, the newest one stays. Dates without a backup do not
    count, so neither a pause nor a clock that runs ahead empties the shelf. One that was not proved stays only while it
    is newer than every proven one: it may still be.
    """
    newest_first = sorted(backups, key=lambda backup: backup.taken, reverse=True)
    verified = [backup for backup in newest_first if backup.verified]
    keep = {backup.id for backup in verified[:LEAST]}
    seen: set[date] = set()
    for backup in verified:
        if backup.day not in seen and len(seen) < days:
            seen.add(backup.day)
            keep.add(backup.id)
    newest = verified[0].taken if verified else None
    for backup in newest_first:
        if not backup.verified and (newest is None or backup.taken > newest):
            keep.add(backup.id)
            break
    return [backup.id for backup in reversed(newest_first) if backup.id not in keep]
