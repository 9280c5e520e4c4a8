"""The room's loop: looks whether a backup is due, has it taken by a process of its own, and reports how things are."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from datetime import date, datetime, timedelta
from typing import Any

from . import catalog, errand, files, lock, look, metrics, receiver, schedule, status, wal, work
from .health import problems
from .settings import BUSY, Settings

# So long after a start the room may be behind: what was missed is caught up, and no deploy waits for it.
CATCH_UP = 600
FOR_THE_RESTORE = timedelta(minutes=10)


def log(level: str, text: str, **more: Any) -> None:
    print(json.dumps({"level": level, "time": status.now(), "msg": text, **more}), flush=True)


class Room:
    """The loop and its one child."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.child: subprocess.Popen[bytes] | None = None
        # When it was started.
        self.begun = status.now()
        self.stopping = False
        self.started = time.monotonic()
        self.woken, self.wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.last_problems: list[str] | None = None
        self.receiver = receiver.Receiver(settings)
        self.lag = wal.Lag()
        self.errand = errand.Errand(settings)
        self.lag_seconds = 0
        self.system: str | None = None
        self.receives = False

    def stop(self, *_: Any) -> None:
        self.stopping = True
        if self.child is not None and self.child.poll() is None:
            self.child.terminate()

    def run(self) -> None:
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self.wakes, warn_on_full_buffer=False)
        self.settings.root.mkdir(mode=0o700, exist_ok=True)
        status.begin(self.settings)
        self.errand.begin()
        self.notice_interrupted()
        metrics.serve(self.settings)
        log("info", f"the backup room is open; a backup is due every day at {self.settings.at} ({self.settings.zone})")
        while not self.stopping:
            try:
                self.tick()
            except Exception as error:
                # A full volume, for example: the loop goes on, and says so.
                self.give_up(error)
            self.wait()
        if self.child is not None:
            self.child.wait()
        self.errand.stop()
        self.receiver.stop()

    def give_up(self, error: Exception) -> None:
        failure = files.in_words(error)
        if self.last_problems != [failure.what]:
            log("error", failure.what, remedy=failure.remedy)
        self.last_problems = [failure.what]
        write_report(self.settings, ["unhealthy", failure.what])

    def wait(self) -> None:
        """Until the next look; a signal or the end of the child comes in between."""
        # The signals up to here are known: among them is the end of each program that the last look has started.
        while select.select([self.woken], [], [], 0)[0]:
            os.read(self.woken, 4096)
        if self.stopping or (self.child is not None and self.child.poll() is not None):
            return
        select.select([self.woken], [], [], self.settings.every)

    def notice_interrupted(self) -> None:
        """The last run left its note: it was killed together with the room."""
        left = files.read_json(self.settings.running)
        # A run that ends in between takes its note with it; one that begins in between has another.
        if left is None or not lock.is_free(self.settings) or files.read_json(self.settings.running) != left:
            return
        what = f"{left.get('what', 'a run')} that began at {left.get('since')} was interrupted"
        log("warn", f"{what}; what it left is removed by the next run")
        status.failed(self.settings, what)
        # It is due again at once, not after the pause that follows a failure.
        status.update(self.settings, retryAt=None, interrupted=True)
        self.settings.running.unlink(missing_ok=True)

    def tick(self) -> None:
        self.look_after_child()
        trouble = self.receive()
        # What a run under way notes at its end is read only once it has ended.
        if self.child is None and not self.stopping and lock.is_free(self.settings):
            day = self.due()
            if day is not None:
                self.start(day)
        trouble += self.errand.look(not self.stopping)
        if self.errand.said:
            log("warn", f"a copy off-site failed: {self.errand.said}")
            self.errand.said = ""
        self.report(trouble)

    def receive(self) -> list[str]:
        """Keeps the log coming, where there is one to be had. @returns what is wrong with it"""
        if self.settings.external is not None:
            return []
        place = wal.ask(self.settings)
        lost = self.receiver.look(place)
        if self.receiver.said:
            log("warn", f"the receiver ended: {self.receiver.said}")
            self.receiver.said = ""
        if lost is not None:
            log("error", f"{lost}; a new base backup is taken now")
            receiver.note_gap(self.settings, status.now(), lost)
        if place is not None:
            self.system = place.system
            if not status.own_systems(self.settings):
                status.add_system(self.settings, place.system)
            wal.archive(self.settings, place.system)
        self.receives = place is not None and place.flushed is not None
        seconds = self.lag.note(time.monotonic(), place and place.current, place and place.flushed)
        self.lag_seconds = round(seconds)
        trouble = []
        if seconds > self.settings.lag:
            why = "PostgreSQL does not answer" if place is None else "the receiver is behind or away"
            trouble.append(f"the log was last received {int(seconds)} s ago ({why}): newer changes are not safe yet")
        files.write_aside(
            self.settings.runtime / "wal.json",
            json.dumps({"lagSeconds": self.lag_seconds, "slot": place and place.slot, "problems": trouble}),
        )
        return trouble

    def needs_base(self) -> bool:
        """Whether nothing leads from the newest base backup to now: another server, or a gap in the log."""
        # Without a receiver it could not be proved: it would fail, and be tried again only after a pause.
        if self.system is None or not self.receives:
            return False
        bases = catalog.bases(self.settings)
        found = look.newest_base(bases, work.utc_now())
        if found is None or found["server"]["systemId"] != self.system:
            return True
        return receiver.open_gap(self.settings, found["takenAt"]) is not None

    def due(self) -> date | None:
        found = status.read(self.settings)
        days = [set(work.done_days(self.settings, kind)) for kind in catalog.kinds(self.settings)]
        done = [] if self.needs_base() else [date.fromisoformat(day) for day in set.intersection(*days)]
        # After the notes: one that was written meanwhile would lie ahead of the clock, and be taken for a wrong clock's.
        now = work.utc_now()
        failure = found.get("failure")
        fetched = found.get("fetchedAt")
        # Whoever has fetched copies restores them next: a backup of what will be replaced would only hold that up.
        if fetched and timedelta(0) <= now - datetime.fromisoformat(fetched) < FOR_THE_RESTORE:
            return None
        last = None if found.get("interrupted") or not failure else datetime.fromisoformat(failure["at"])
        return schedule.is_due(now, self.settings.zone, self.settings.at, done, last)

    def start(self, day: date) -> None:
        status.update(self.settings, interrupted=False)
        log("info", f"the backup of {day} begins")
        # Without a day, every kind is taken whatever the day has.
        args = [] if self.needs_base() else ["--day", day.isoformat()]
        self.begun = status.now()
        self.child = subprocess.Popen([sys.executable, "-m", "room", "backup", *args], stdout=subprocess.DEVNULL)

    def look_after_child(self) -> None:
        if self.child is None:
            return
        code = self.child.poll()
        if code is None:
            return
        self.child = None
        if code == 0:
            log("info", "the backup is taken and verified")
        elif code < 0 and not self.stopping:
            status.failed(self.settings, f"the run was killed by signal {-code}")
            self.settings.running.unlink(missing_ok=True)
            log("error", f"the backup was killed by signal {-code}; it is tried again in half an hour")
        elif code == BUSY:
            log("info", "no backup was begun, because another run is under way")
        elif not self.stopping:
            failure = self.failure_of(code)
            log("error", f"the backup failed: {failure['what']}", remedy=failure.get("remedy"))

    def failure_of(self, code: int) -> dict[str, Any]:
        """What the child has noted; one that ended too early for a note gets one, or the next try would come at once."""
        failure = status.read(self.settings).get("failure")
        if not failure or failure["at"] < self.begun:
            status.failed(self.settings, f"the run ended with code {code} before it could say why", files.LOG_REMEDY)
            failure = status.read(self.settings).get("failure")
        return failure or {"what": f"code {code}"}

    def report(self, trouble: list[str]) -> None:
        situation = look.situation(self.settings, trouble)
        metrics.write(self.settings, situation, None if self.settings.external else self.lag_seconds)
        wrong = problems(situation)
        if wrong != self.last_problems:
            for text in wrong:
                log("error", text)
            if not wrong and self.last_problems:
                log("info", "all is well again")
            self.last_problems = wrong
        behind = wrong and time.monotonic() < self.started + CATCH_UP
        first = "healthy" if not wrong or behind else "unhealthy"
        write_report(self.settings, [first, *wrong])


def write_report(settings: Settings, lines: list[str]) -> None:
    """For the health check, in memory."""
    files.write_aside(settings.runtime / "health", "\n".join(lines) + "\n")
