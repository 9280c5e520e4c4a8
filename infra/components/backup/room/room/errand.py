"""The loop's part in the copies off-site: when one is due, its process, and whether somebody has to look."""

import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from . import catalog, files, lock, offsite, outgoing, status
from .health import AHEAD
from .offsite import LEAST, MISSED, UNDER_WAY, Offsite
from .restic import key_id
from .settings import BUSY, Settings

# Without anything new a copy is still taken so often: it shows that the bucket is there.
UNCHANGED = timedelta(hours=1)


def is_due(now: datetime, conf: Offsite, found: dict[str, Any], changed: float) -> bool:
    """Pure: whether a copy has to be taken now. A time ahead of the clock is from a wrong clock, and holds nothing back.

    @param changed when anything that goes off-site changed last, as a file's time.
    """
    failure = found.get("failure")
    if failure and timedelta(0) <= now - datetime.fromisoformat(failure["at"]) < conf.interval:
        return False
    last = found.get("last")
    if not last:
        return True
    age = now - datetime.fromisoformat(last["at"])
    wait = conf.interval if changed != last.get("changed") else max(conf.interval, UNCHANGED)
    return age >= wait or age < timedelta(0)


def problems(now: datetime, conf: Offsite, found: dict[str, Any], since: datetime, under_way: bool) -> list[str]:
    """Pure: what is wrong with the copies, in sentences.

    @param since when this stack was told to keep copies off-site. @param under_way whether one is being sent now.
    """
    lines = []
    last, failure, damage = found.get("last"), found.get("failure"), found.get("damage")
    at = datetime.fromisoformat(last["at"]) if last else since
    if last and at > now + AHEAD:
        lines.append("the newest copy off-site is dated in the future: the clock of this host was wrong then, or is wrong now")
    allowed = max(conf.interval * MISSED, UNCHANGED + LEAST)
    if under_way or not last:
        allowed = max(allowed, UNDER_WAY)
    late = now - at > allowed
    if late:
        what = f"the newest copy off-site is {age_of(now - at)} old" if last else f"there is no copy off-site after {age_of(now - at)}"
        lines.append(f"{what} ({age_of(allowed)} are allowed)")
    if failure and (late or failure.get("lasting")):
        lines.append(f"the last copy off-site failed at {failure['at']}: {str(failure['what']).splitlines()[0]}")
    if last and last.get("lacking"):
        lines.append(str(last["lacking"]))
    if damage:
        lines.append(f"the copies off-site are damaged: {str(damage['what']).splitlines()[0]}")
    return lines


def seal_problems(now: datetime, seal: dict[str, Any], there: bool, key: str, since: datetime) -> list[str]:
    """Pure: what is wrong with the sealed state, without which the copies cannot rebuild the stack.

    @param seal what is known of the last sealing. @param there whether anything is sealed. @param key the id of the stack's own.
    """
    failure = seal.get("failure")
    if failure:
        what = str(failure["what"]).splitlines()[0]
        return [f"the stack's state could not be sealed for its copies off-site at {failure['at']}: {what}"]
    if not there:
        return [] if now - since <= LEAST else ["the stack's state is not among its copies off-site: npm run up seals it"]
    if seal.get("key", key) != key:
        return [f"the stack's state is sealed with another key (id {seal['key']}) than the stack has now: npm run up seals it anew"]
    return []


def age_of(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    return f"{minutes} min" if minutes < 180 else f"{minutes // 60} h"


class Errand:
    """The one process that sends copies."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.conf = offsite.configured()
        self.child: subprocess.Popen[bytes] | None = None
        # When it was started.
        self.begun = status.now()
        self.next = 0.0
        # What it said when it failed, for the log.
        self.said = ""

    def begin(self) -> None:
        """What a killed run left is removed, and the time is noted from which copies are expected."""
        if self.conf is None:
            return
        outgoing.remove(self.settings)
        for name in ("fetching", "fetching-sealed", "fetching-certificates"):
            if lock.is_free(self.settings, "offsite-"):
                shutil.rmtree(self.settings.root / name, ignore_errors=True)
        if "since" not in offsite.read(self.settings):
            offsite.update(self.settings, since=status.now())

    def look(self, may_start: bool) -> list[str]:
        """@returns what is wrong"""
        if self.conf is None:
            return []
        # First who is at work, then the notes: a run that ends in between is judged by its own notes at the next look, and never by
        # those of the run before. Last the clock: a note that was written meanwhile would lie ahead of it.
        code = None if self.child is None else self.child.poll()
        if code is not None:
            self.child = None
        could_start = may_start and self.child is None and time.monotonic() >= self.next and self.has_anything()
        could_start = could_start and lock.is_free(self.settings, "offsite-")
        changed = outgoing.newest_change(self.settings) if could_start else 0.0
        found = offsite.read(self.settings)
        now = datetime.now(UTC)
        if code is not None:
            self.said = why(code, found.get("failure"), self.begun)
        if could_start and is_due(now, self.conf, found, changed):
            # A child that dies at once leaves no note, and must not be started with every look.
            self.next = time.monotonic() + 60
            self.begun = status.now()
            self.child = subprocess.Popen([sys.executable, "-m", "room", "offsite"], stdout=subprocess.DEVNULL)
        return found_wrong(self.settings, now, self.conf, found, self.child is not None)

    def has_anything(self) -> bool:
        """Before the first backup is verified there is nothing to send."""
        return bool(catalog.proved(catalog.every(self.settings)))

    def stop(self) -> None:
        if self.child is not None and self.child.poll() is None:
            self.child.terminate()
            self.child.wait()


def why(code: int, failure: dict[str, Any] | None, begun: str) -> str:
    """Pure: why a copy that ended with this code has failed, for the log; empty where it has not.

    @param failure the last that was noted. @param begun when the copy was started: what was noted before is of another one.
    """
    # One that found another run under way has not failed: that run does its work.
    if code in (0, BUSY):
        return ""
    if failure and failure["at"] >= begun:
        return str(failure["what"])
    return f"it was killed by signal {-code}" if code < 0 else f"it ended with code {code} before it could say why"


def trouble(settings: Settings) -> list[str]:
    """The same as the loop finds, for who asks."""
    conf = offsite.configured()
    if conf is None:
        return []
    under_way = not lock.is_free(settings, "offsite-")
    found = offsite.read(settings)
    return found_wrong(settings, datetime.now(UTC), conf, found, under_way)


def found_wrong(settings: Settings, now: datetime, conf: Offsite, found: dict[str, Any], under_way: bool) -> list[str]:
    """With the copies, and with the sealed state that goes with them."""
    since = datetime.fromisoformat(found.get("since", now.isoformat()))
    there = (settings.root / outgoing.SEALED / "config").exists()
    return [
        *problems(now, conf, found, since, under_way),
        *seal_problems(now, outgoing.read_seal(settings), there, key_id(conf.key), since),
    ]


def view(settings: Settings) -> dict[str, Any] | None:
    """For people and programs; None for a stack without copies off-site."""
    conf = offsite.configured()
    if conf is None:
        return None
    found = offsite.read(settings)
    return {
        "repository": conf.repository.removeprefix("s3:"),
        "minutes": conf.minutes,
        "last": found.get("last"),
        "failure": found.get("failure"),
        "checkedAt": found.get("checkedAt"),
        "running": None if lock.is_free(settings, "offsite-") else files.read_json(settings.root / "offsite-running.json"),
    }
