"""What the room says of itself over the network: metrics for Prometheus, and its state for the service's diagnostics."""

import json
import threading
import time
from collections.abc import Mapping
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from . import files
from .catalog import Backup, proved
from .health import Situation, past, problems
from .settings import Settings

PORT = 9470
# The loop writes every few seconds; what is older than this is not true any more, in seconds.
OLDEST = 120
FILES = {"/metrics": ("metrics", "text/plain; version=0.0.4; charset=utf-8"), "/status": ("state.json", "application/json")}


def newest_by_kind(situation: Situation) -> dict[str, Backup]:
    """Of each kind the newest that is verified."""
    found: dict[str, Backup] = {}
    for one in past(situation):
        if one.manifest:
            found.setdefault(one.manifest["kind"], one)
    return {kind: found[kind] for kind in situation.kinds if kind in found}


def age(one: Backup, now: datetime) -> int:
    return max(0, round((now - one.taken).total_seconds())) if one.taken else 0


def state(situation: Situation, lag: int | None) -> dict[str, Any]:
    """Pure: for the service's diagnostics. @param lag None where there is no log to receive."""
    wrong = problems(situation)
    return {
        "healthy": not wrong,
        "problems": wrong,
        "newest": [
            {"kind": kind, "id": one.id, "at": one.taken and one.taken.isoformat(), "ageSeconds": age(one, situation.now)}
            for kind, one in newest_by_kind(situation).items()
        ],
        "walLagSeconds": lag,
        "freeBytes": situation.free,
        "at": situation.now.isoformat(timespec="seconds"),
    }


def render(situation: Situation, lag: int | None) -> str:
    """Pure: in the text format of Prometheus. A kind without a verified backup has no age: its absence is the alarm.
    Without a copy off-site there is no age either: where one is wanted, the room is unhealthy for that.

    @param lag None where there is no log to receive: then there is no lag."""
    newest = newest_by_kind(situation)
    wrong = problems(situation)
    verified: dict[str, int] = dict.fromkeys(situation.kinds, 0)
    for one in proved(situation.backups):
        if one.manifest and one.manifest["kind"] in verified:
            verified[one.manifest["kind"]] += 1
    lines: list[str] = []

    def gauge(name: str, text: str, values: Mapping[str, float]) -> None:
        lines.extend((f"# HELP omniai_backup_{name} {text}", f"# TYPE omniai_backup_{name} gauge"))
        lines.extend(f"omniai_backup_{name}{labels} {value:.0f}" for labels, value in values.items())

    def by_kind(values: Mapping[str, float]) -> dict[str, float]:
        return {f'{{kind="{kind}"}}': value for kind, value in values.items()}

    gauge("healthy", "1 while nothing is wrong.", {"": not wrong})
    gauge("problems", "How many things are wrong; npm run status says which.", {"": len(wrong)})
    gauge("age_seconds", "How old the newest verified backup is.", by_kind({k: age(one, situation.now) for k, one in newest.items()}))
    gauge("size_bytes", "How large the newest verified backup is.", by_kind({k: one.bytes for k, one in newest.items()}))
    gauge("verified", "How many verified backups there are.", by_kind(verified))
    if lag is not None:
        gauge("wal_lag_seconds", "How old the oldest change is that the room has not received.", {"": lag})
    if situation.offsite is not None:
        gauge("offsite_age_seconds", "How old the newest copy off-site is.", {"": max(0, (situation.now - situation.offsite).total_seconds())})
    gauge("volume_free_bytes", "How much space the backup volume has.", {"": situation.free})
    gauge("last_run_failed", "1 when the last run failed.", {"": bool(situation.failure)})
    gauge("reported_timestamp_seconds", "When the room looked last.", {"": situation.now.timestamp()})
    return "\n".join(lines) + "\n"


def write(settings: Settings, situation: Situation, lag: int | None) -> None:
    """In memory, for whoever asks next."""
    files.write_aside(settings.runtime / "metrics", render(situation, lag))
    files.write_aside(settings.runtime / "state.json", json.dumps(state(situation, lag)) + "\n")


def serve(settings: Settings, port: int = PORT) -> ThreadingHTTPServer:
    """Answers GET /metrics and /status on the stack's data network, in threads of its own; 503 when the loop is away."""

    class Handler(BaseHTTPRequestHandler):
        # An idle client must not keep a thread.
        timeout = 5
        server_version = "omniai-backup"
        sys_version = ""

        def do_GET(self) -> None:
            found = FILES.get(self.path)
            if found is None:
                self.send_error(404)
                return
            content = read_fresh(settings.runtime / found[0])
            if content is None:
                self.send_error(503, "the loop of the backup room has not reported")
                return
            self.send_response(200)
            self.send_header("Content-Type", found[1])
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def read_fresh(path: Path) -> bytes | None:
    """None where the loop has not written it lately."""
    try:
        written = path.stat().st_mtime
        return None if time.time() - written > OLDEST else path.read_bytes()
    except OSError:
        return None
