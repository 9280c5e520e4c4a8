"""PostgreSQL's log: received and flushed all the time, packed segment by segment, and watched."""

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from . import files
from .progress import call
from .settings import Settings

SLOT = "omniai_backup"
# The name by which the server knows the receiver.
RECEIVER = "omniai-backup-receiver"
SEGMENT = re.compile(r"^[0-9A-F]{24}$")
HISTORY = re.compile(r"^[0-9A-F]{8}\.history$")
SEGMENT_BYTES = 16 << 20
# So long may the server take to answer, in seconds.
PATIENCE = 20
# How an unfinished segment is called; see set_aside in receiver.py.
UNFINISHED = ".partial"


def folder_of(settings: Settings, system: str) -> Path:
    """Each server has its own, because two servers give their segments the same names."""
    return settings.root / "wal" / system


def position(lsn: str) -> int:
    high, low = lsn.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def segment_of(timeline: int, lsn: str) -> str:
    """The name of the segment with that position."""
    number = position(lsn) // SEGMENT_BYTES
    return f"{timeline:08X}{number >> 8:08X}{number & 0xFF:08X}"


def segment_in(name: str) -> str:
    """The segment that a file of the log is of, packed or not, finished or not."""
    return name.removesuffix(".zst").removesuffix(UNFINISHED)


def is_good(path: Path) -> bool:
    """Whether a file of the log is there and can be read: a packed one by its checksum, another one by its length."""
    if not path.is_file():
        return False
    if path.suffix == ".zst":
        return subprocess.run(["zstd", "-tq", str(path)], check=False, capture_output=True).returncode == 0
    return not SEGMENT.match(path.name) or path.stat().st_size == SEGMENT_BYTES


@dataclass(frozen=True)
class Place:
    """Where the server is, and how far the receiver."""

    system: str
    current: int
    # Undefined without a receiver.
    flushed: int | None
    # None without a slot; else reserved, extended, unreserved or lost.
    slot: str | None


QUERY = f"""SELECT (SELECT system_identifier FROM pg_control_system()), pg_current_wal_lsn() - '0/0',
 (SELECT flush_lsn - '0/0' FROM pg_stat_replication WHERE application_name = '{RECEIVER}' LIMIT 1),
 (SELECT wal_status FROM pg_replication_slots WHERE slot_name = '{SLOT}')"""


def ask(settings: Settings) -> Place | None:
    """By psql, because a driver would cost the loop more memory than all the rest. None where the server does not answer,
    and for one that others run, which shows nobody its log."""
    if settings.external is not None:
        return None
    try:
        found = subprocess.run(
            ["psql", "-XqAt", "-F", "|", "-w", "-h", settings.host, "-p", str(settings.port), "-U", settings.user]
            + ["-d", "postgres", "-c", QUERY],
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return None
    parts = found.stdout.strip().split("|")
    if found.returncode != 0 or len(parts) != 4:
        return None
    system, current, flushed, slot = parts
    return Place(system, int(current), int(flushed) if flushed else None, slot or None)


@dataclass
class Lag:
    """How old the oldest change is that was not received, from positions at different times. Pure."""

    marks: list[tuple[float, int]] = field(default_factory=list)
    gone_since: float | None = None

    def note(self, now: float, current: int | None, flushed: int | None) -> float:
        """@returns seconds; a receiver that is away counts from when it went, though nothing may have changed since."""
        if current is not None and (not self.marks or current > self.marks[-1][1]):
            self.marks.append((now, current))
        if flushed is None:
            self.gone_since = now if self.gone_since is None else self.gone_since
        else:
            self.gone_since = None
            self.marks = [mark for mark in self.marks if mark[1] > flushed]
        # Where the receiver stays away for days, the oldest mark is what counts.
        if len(self.marks) > 1000:
            self.marks = [self.marks[0], *self.marks[-500:]]
        # Also while it is away: a receiver that hung before it went has been behind since then.
        behind = now - self.marks[0][0] if self.marks else 0.0
        away = now - self.gone_since if self.gone_since is not None else 0.0
        return max(behind, away)


def pack(path: Path, target: Path) -> None:
    """Packs one segment; it goes only when the packed one is on the disk."""
    if not target.exists():
        partial = target.with_name(f".{target.name}{files.PARTIAL}")
        call(["zstd", "-q", "-f", "-3", "-o", str(partial), str(path)], f"{path.name} of the log could not be packed")
        files.sync(partial)
        partial.rename(target)
        files.sync(target.parent)
    path.unlink()


def archive(settings: Settings, system: str) -> int:
    """Packs every segment that is whole. @returns how many"""
    folder = folder_of(settings, system)
    whole = sorted(
        path for path in (folder / "incoming").glob("*") if SEGMENT.match(path.name) or HISTORY.match(path.name)
    )
    for path in whole:
        pack(path, folder / "archive" / f"{path.name}.zst")
    return len(whole)


def prune(settings: Settings, system: str, oldest: str) -> int:
    """Removes the segments that no kept base backup needs. A timeline's history stays: it is small. @returns how many"""
    count = 0
    for path in (folder_of(settings, system) / "archive").glob("*.zst"):
        name = segment_in(path.name)
        # The first 8 digits are the timeline, which says nothing about age.
        if SEGMENT.match(name) and name[8:] < oldest[8:]:
            path.unlink()
            count += 1
    return count


def missing(settings: Settings, system: str, first: str) -> list[str]:
    """The segments that are not there, from one on. Timelines overlap where one left the other, so any of them counts."""
    folder = folder_of(settings, system)
    names = received(folder)
    numbers = sorted({int(name[8:16], 16) * 256 + int(name[16:], 16) for name in names if SEGMENT.match(name)})
    start = int(first[8:16], 16) * 256 + int(first[16:], 16)
    if not numbers or numbers[-1] < start:
        return [first]
    there = set(numbers)
    lacking = [number for number in range(start, numbers[-1] + 1) if number not in there]
    return [f"{first[:8]}{number >> 8:08X}{number & 0xFF:08X}" for number in lacking]


def newest(settings: Settings, system: str) -> str | None:
    """The last segment that anything was received of, whatever its timeline."""
    names = received(folder_of(settings, system))
    return max((name for name in names if SEGMENT.match(name)), key=lambda name: name[8:], default=None)


def received(folder: Path) -> set[str]:
    """The names of all that was received, finished or not."""
    return {segment_in(path.name) for path in (*(folder / "archive").glob("*.zst"), *(folder / "incoming").glob("*"))}
