"""Whether somebody has to look: it goes by how fresh the newest proven backup is, not by whether the room is alive."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from .catalog import Backup, proved
from .files import RESERVE

OLDEST = timedelta(hours=26)
WORDS = {"dump": "dump", "base": "base backup", "redis": "copy of Redis"}
# A clock that is wrong by less than this is no reason to call anybody.
AHEAD = timedelta(minutes=10)


@dataclass(frozen=True)
class Situation:
    """What the room knows at one moment."""

    now: datetime
    # When this room was made, or was given another server: a day later it has to have a backup.
    since: datetime
    backups: list[Backup]
    free: int
    # The ids of those that are of a server which the stack had before: they are kept, and say nothing of the one of now.
    former: frozenset[str] = frozenset()
    failure: dict[str, Any] | None = None
    # Where the log was broken off, until a verified base backup was begun after it.
    gap: dict[str, Any] | None = None
    # What the room takes.
    kinds: tuple[str, ...] = ("dump", "base")
    # When the newest copy off-site was taken; None without one.
    offsite: datetime | None = None
    more: list[str] = field(default_factory=list)


def problems(situation: Situation) -> list[str]:
    """Pure: what is wrong, in sentences. Empty when all is well."""
    return [
        *freshness(situation),
        *failure(situation),
        *gap(situation),
        *damage(situation),
        *future(situation),
        *size(situation),
        *space(situation),
        *situation.more,
    ]


def past(situation: Situation) -> list[Backup]:
    """Proven backups of the server of now, without those whose date is still to come."""
    return [
        one
        for one in proved(situation.backups)
        if one.id not in situation.former and one.taken and one.taken <= situation.now + AHEAD
    ]


def freshness(situation: Situation) -> list[str]:
    """Of each kind by itself: a dump does not replace a base backup, nor the other way round."""
    return [line for kind in situation.kinds for line in freshness_of(situation, kind, WORDS[kind])]


def freshness_of(situation: Situation, kind: str, word: str) -> list[str]:
    good = [one for one in past(situation) if one.manifest and one.manifest["kind"] == kind]
    newest = good[0].taken if good else None
    age = situation.now - (newest or situation.since)
    if age <= OLDEST:
        return []
    hours = int(age.total_seconds() // 3600)
    if newest is None:
        return [f"there is no verified {word}, {hours} h after this room was made"]
    return [f"the newest verified {word} is {hours} h old (26 h are allowed): {good[0].id}"]


def failure(situation: Situation) -> list[str]:
    if not situation.failure:
        return []
    first = str(situation.failure.get("what", "")).splitlines()
    return [f"the last run failed at {situation.failure.get('at')}: {first[0] if first else ''}"]


def gap(situation: Situation) -> list[str]:
    if not situation.gap:
        return []
    return [
        f"the log has a gap since {situation.gap['at']} ({situation.gap['what']}): what came after it is safe only when the"
        " new base backup is verified, which the room takes by itself"
    ]


def damage(situation: Situation) -> list[str]:
    return [one.problem for one in situation.backups if one.problem is not None]


def future(situation: Situation) -> list[str]:
    ahead = [one for one in situation.backups if one.taken and one.taken > situation.now + AHEAD]
    return [
        f"backup {one.id} is dated in the future: the clock of this host was wrong when it was taken, or is wrong now"
        for one in ahead
    ]


def size(situation: Situation) -> list[str]:
    """A backup that is suddenly much smaller has often lost something."""
    good = [one for one in past(situation) if one.manifest and one.manifest["kind"] == "dump"]
    if len(good) < 2 or good[0].bytes * 2 >= good[1].bytes:
        return []
    return [
        f"the newest dump is less than half of the one before ({good[0].bytes} and {good[1].bytes} bytes): {good[0].id}"
    ]


def space(situation: Situation) -> list[str]:
    good = past(situation)
    wanted = max((one.bytes for one in good[:8]), default=0) * 2 + RESERVE
    if situation.free >= wanted:
        return []
    return [f"the backup volume has {situation.free >> 20} MiB free, and the next backup may need {wanted >> 20} MiB"]
