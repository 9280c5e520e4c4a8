"""What the room knows of itself: when to ask next, what failed, what the edge shows. As JSON, and as metrics."""

import json
import random
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from .settings import Settings


@dataclass
class Tries:
    """How certbot fared, kept beside the certificates: a new start must not begin at the first wait again."""

    # Of the settings that this is about.
    key: str
    # Failures in a row, since when, and why the last one.
    failures: int = 0
    since: str | None = None
    problem: str | None = None
    # When certbot was run last, and when it is next.
    tried: str | None = None
    next: str | None = None

    def is_due(self, now: datetime) -> bool:
        return self.next is None or datetime.fromisoformat(self.next) <= now

    def succeeded(self, now: datetime, settings: Settings, ask_again: datetime | None) -> None:
        """The authority says when it wants to be asked again, and that it is not asked before is kept here alone: certbot, whose own
        note of it is taken away (certbot.forget_note), asks whenever it is run."""
        self.failures, self.since, self.problem = 0, None, None
        self.tried = now.isoformat(timespec="seconds")
        soonest = now + timedelta(seconds=settings.every)
        self.next = max(soonest, (ask_again or soonest) + timedelta(seconds=5)).isoformat(timespec="seconds")

    def failed(self, now: datetime, settings: Settings, problem: str) -> None:
        self.failures += 1
        self.since = self.since or now.isoformat(timespec="seconds")
        self.problem = problem
        self.tried = now.isoformat(timespec="seconds")
        self.next = (now + timedelta(seconds=wait(self.failures, settings))).isoformat(timespec="seconds")


def wait(failures: int, settings: Settings, spread: float | None = None) -> float:
    """Pure but for the spread (up to a tenth more): the seconds until the next try after so many failures in a row."""
    base = min(settings.longest_retry, settings.retry * 2.0 ** min(failures - 1, 30))
    return base * (1 + 0.1 * (random.random() if spread is None else spread))


def load(path: Path, key: str) -> Tries:
    """What is known about these settings; nothing where there is nothing, or where it is about others."""
    try:
        tries = Tries(**json.loads(path.read_text("utf-8")))
        if tries.next is not None:
            datetime.fromisoformat(tries.next)
    except (OSError, ValueError, TypeError):
        return Tries(key)
    return tries if tries.key == key else Tries(key)


def begin(path: Path, tries: Tries, settings: Settings, now: datetime) -> None:
    """Keeps that a try has begun as one that failed, which it has if nothing comes after. @throws OSError where nothing can be kept"""
    begun = replace(tries)
    begun.failed(now, settings, "certbot was broken off")
    keep(path, begun)


def keep(path: Path, tries: Tries) -> None:
    write_whole(path, json.dumps(asdict(tries)))


def write_whole(path: Path, text: str) -> None:
    """The whole text, or what was there."""
    aside = path.with_name(f".{path.name}")
    aside.write_text(text, "utf-8")
    aside.rename(path)


@dataclass(frozen=True)
class State:
    """For `npm run status` and for Prometheus."""

    hosts: tuple[str, ...]
    directory: str
    # The end of the newest certificate; None while there is none.
    ends: str | None
    # Its fingerprint, and whether the edge shows it; None where the edge could not be asked.
    fingerprint: str | None
    served: bool | None
    failures: int
    since: str | None
    problem: str | None
    tried: str | None
    next: str | None
    at: str


def render(state: State) -> str:
    """Pure: in the text format of Prometheus. Without a certificate there is no end of one."""
    lines: list[str] = []

    def gauge(name: str, text: str, value: float | None) -> None:
        if value is None:
            return
        lines.extend((f"# HELP omniai_acme_{name} {text}", f"# TYPE omniai_acme_{name} gauge", f"omniai_acme_{name} {value:.0f}"))

    def seconds(at: str | None) -> float | None:
        return None if at is None else datetime.fromisoformat(at).timestamp()

    gauge("certificate_present", "1 when there is a certificate of the authority.", state.ends is not None)
    gauge("certificate_end_timestamp_seconds", "When it ends.", seconds(state.ends))
    gauge("certificate_served", "1 when the edge shows it.", None if state.ends is None else state.served is True)
    gauge("failures", "How many tries failed in a row.", state.failures)
    gauge("tried_timestamp_seconds", "When the authority was asked last.", seconds(state.tried))
    return "\n".join(lines) + "\n"


def now() -> datetime:
    return datetime.now(UTC)
