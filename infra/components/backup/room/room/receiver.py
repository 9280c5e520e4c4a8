"""Keeps pg_receivewal running, and notices when its place in PostgreSQL's log is lost."""

import re
import subprocess
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from . import files
from .progress import last_lines
from .settings import Settings
from .wal import RECEIVER, SEGMENT, SLOT, UNFINISHED, Place, folder_of, pack, received

# How long the room waits before it tries to receive again, in seconds.
PAUSE = 5
# How long a receiver has to end by itself, and one that hangs, in seconds. The loop does nothing else meanwhile.
STOP_SECONDS, HANGING_SECONDS = 20, 2
# The server no longer has what comes next, or is on another way than what was received: only a new base backup helps.
LOST = re.compile(r"has already been removed|not in this server's history|can no longer get changes|invalidated")
AWAY = "PostgreSQL has thrown away changes that were not received, because the room was away for too long"
GONE = "the room's place in PostgreSQL's log (its replication slot) is gone, and with it what came after"


class Receiver:
    """pg_receivewal, kept running. It writes each change as it comes and flushes it before it says so."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.process: subprocess.Popen[str] | None = None
        self.system = ""
        self.not_before = 0.0
        # When the server last knew it; from its start until then, when it was started.
        self.known = 0.0
        # What it said when it ended, for the log.
        self.said = ""

    def connection(self) -> str:
        return (
            f"host={self.settings.host} port={self.settings.port} user={self.settings.user}"
            f" application_name={RECEIVER} keepalives_idle=30 keepalives_interval=10 keepalives_count=3"
        )

    def look(self, place: Place | None) -> str | None:
        """Starts it where it does not run. @returns what was lost, once, when there is a gap"""
        lost = self.ended() if self.process is not None and self.process.poll() is not None else None
        if place is None:
            return lost
        if self.process is not None and place.system != self.system:
            # Another server stands in the place of the old one.
            self.stop()
        if self.process is not None:
            self.watch(place)
        self.system = place.system
        if place.slot == "lost":
            self.stop()
            # A slot that was made anew is lost as well once the receiver has asked for what is gone: that one knows why.
            lost = lost or AWAY
        elif place.slot is None and self.process is None and self.has_lost_place():
            lost = lost or GONE
        if lost is not None:
            set_aside(folder_of(self.settings, place.system))
            self.forget()
            # At once, so that the base backup that is due now finds its log received.
            self.not_before = 0.0
            place = replace(place, slot=None)
        if self.process is None and time.monotonic() >= self.not_before:
            self.start(place)
        return lost

    def watch(self, place: Place) -> None:
        """One that lives and does not receive is started again."""
        if place.flushed is not None:
            self.known = time.monotonic()
        elif time.monotonic() > self.known + self.settings.hangs:
            # It flushes what it writes before it says so, and one that hangs may not hear that it is to end.
            self.stop(HANGING_SECONDS)
            self.said = f"it did not answer PostgreSQL for {self.settings.hangs:.0f} s and is started again"

    def has_lost_place(self) -> bool:
        """Without a slot it can go on only from an unfinished segment: else nobody knows what came after the last one."""
        folder = folder_of(self.settings, self.system)
        unfinished = [path for path in (folder / "incoming").glob("*") if SEGMENT.match(path.name.removesuffix(UNFINISHED))]
        return bool(received(folder)) and not unfinished

    def start(self, place: Place) -> None:
        incoming = folder_of(self.settings, place.system) / "incoming"
        incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
        (incoming.parent / "archive").mkdir(mode=0o700, exist_ok=True)
        command = ["pg_receivewal", f"--dbname={self.connection()}", "--no-password", f"--slot={SLOT}"]
        if place.slot is None:
            subprocess.run([*command, "--create-slot", "--if-not-exists"], check=False, capture_output=True)
        self.known = time.monotonic()
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", "--", *command, "--no-loop", "--synchronous", "--status-interval=2", f"--directory={incoming}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ended(self) -> str | None:
        """@returns what was lost, or None where it only has to be started again"""
        assert self.process is not None
        _, errors = self.process.communicate()
        # One line, as every sentence of health.
        self.said = "; ".join(last_lines(errors.strip(), 2).splitlines())
        self.process = None
        self.not_before = time.monotonic() + PAUSE
        if not LOST.search(errors):
            return None
        return f"what comes next in PostgreSQL's log cannot be had any more: {self.said}"

    def forget(self) -> None:
        """A slot that lost its place cannot be used again."""
        subprocess.run(
            ["pg_receivewal", f"--dbname={self.connection()}", "--no-password", f"--slot={SLOT}", "--drop-slot"],
            check=False,
            capture_output=True,
        )

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """@param seconds it has to end by itself."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
        self.process = None


def set_aside(folder: Path) -> None:
    """Keeps a segment that was not finished: a restore to a moment before the gap may want it.

    It keeps its ending, because the whole one of the same name may still come.
    """
    incoming = folder / "incoming"
    if not incoming.is_dir():
        return
    (folder / "archive").mkdir(mode=0o700, exist_ok=True)
    for path in incoming.iterdir():
        if SEGMENT.match(path.name.removesuffix(UNFINISHED)):
            pack(path, folder / "archive" / f"{path.name}.zst")


# The loop alone writes this file; a run that writes the status at the same time cannot undo it.
GAP = "gap.json"


def note_gap(settings: Settings, at: str, what: str) -> None:
    files.write_json(settings.root / GAP, {"at": at, "what": what})


def open_gap(settings: Settings, newest_base: str | None) -> dict[str, Any] | None:
    """The last gap in the log, until a verified base backup was begun after it: nothing leads over it.

    @param newest_base when the newest verified base backup was begun.
    """
    found = files.read_json(settings.root / GAP)
    if not isinstance(found, dict):
        return None
    closed = newest_base is not None and datetime.fromisoformat(newest_base) >= datetime.fromisoformat(found["at"])
    return None if closed else found
