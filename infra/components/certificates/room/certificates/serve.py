"""The room's loop: asks certbot when it is time, hands what it got to the edge, and says how things are."""

import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from . import certbot, clock, handover, state
from .copy import Copy
from .pair import Pair, read_pair, shown_by
from .settings import CHALLENGES, Settings

PORT = 9471
# How often the loop turns, and how often it looks at the edge while nothing changes, in seconds.
TURN = 2.0
LOOK = 60.0
# How long certbot may take: DNS takes a while, and an authority several tries.
LONGEST = 900.0


def log(level: str, text: str, **more: Any) -> None:
    print(json.dumps({"level": level, "time": state.now().isoformat(timespec="seconds"), "msg": text, **more}), flush=True)


class Room:
    """The loop and its one child."""

    def __init__(self, settings: Settings, copy: Copy) -> None:
        self.settings = settings
        self.copy = copy
        # Why the copy was not written the last time; empty where it was.
        self.uncopied = ""
        self.notes = settings.root / "tries.json"
        self.tries = state.load(self.notes, settings.key)
        self.wake = threading.Event()
        self.stopping = False
        # How often an operator has asked, and how many of those have their answer.
        self.asked = self.answered = 0
        self.child: subprocess.Popen[str] | None = None
        self.served: bool | None = None
        self.looked = float("-inf")

    def stop(self, *_: Any) -> None:
        self.stopping = True
        if self.child is not None and self.child.poll() is None:
            self.child.terminate()

    def ask(self, *_: Any) -> None:
        """An operator wants certbot to be run now, whatever the last tries brought. A run that has begun is no answer: it may
        not know what the operator has mended."""
        self.asked += 1

    def run(self) -> None:
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)
        signal.signal(signal.SIGUSR1, self.ask)
        # It was blocked from the start (__main__.py).
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
        environment = self.environment()
        serve_metrics(self.settings.runtime)
        log("info", "the room for certificates is open", hosts=self.settings.hosts, directory=self.settings.directory)
        # What there is already does not wait for an authority.
        self.deliver()
        while not self.stopping:
            asked = self.asked
            if asked > self.answered or self.tries.is_due(state.now()):
                self.request(environment)
            self.deliver()
            self.keep_copy()
            self.report()
            if asked > self.answered and not self.stopping:
                self.answered = asked
                log("info", "certbot was run, as an operator asked", problem=self.tries.problem, next=self.tries.next)
            self.wake.wait(TURN)

    def environment(self) -> dict[str, str]:
        """For certbot: whom to believe."""
        if not self.settings.authority:
            return dict(os.environ)
        import certifi

        bundle = self.settings.runtime / "authorities.pem"
        usual = Path(certifi.where()).read_text("utf-8")
        bundle.write_text(f"{usual}\n{Path(self.settings.authority).read_text('utf-8')}", "utf-8")
        return {**os.environ, "REQUESTS_CA_BUNDLE": str(bundle), "SSL_CERT_FILE": str(bundle)}

    def request(self, environment: dict[str, str]) -> None:
        """Runs certbot to its end, and reports meanwhile."""
        if not self.is_ready():
            return
        self.child = subprocess.Popen(
            certbot.arguments(self.settings), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        )
        if self.stopping:
            # The signal came before there was anything to end.
            self.stop()
        output: list[str] = []
        reader = threading.Thread(target=lambda: output.extend(self.child.stdout or ()), daemon=True)
        reader.start()
        waited = 0.0
        while reader.is_alive() and waited < LONGEST:
            reader.join(TURN)
            waited += TURN
            self.report()
        if reader.is_alive():
            self.child.kill()
            output.append(f"certbot had not ended after {LONGEST:.0f} s\n")
        code = self.child.wait()
        if self.stopping:
            return
        now = state.now()
        if code == 0:
            self.tries.succeeded(now, self.settings, certbot.ask_again(self.settings.renewal))
        else:
            problem = certbot.why("".join(output)) + clock.remark(self.settings.directory)
            self.tries.failed(now, self.settings, problem)
            log("warn", "no certificate from the authority", problem=problem, failures=self.tries.failures, next=self.tries.next)
        try:
            state.keep(self.notes, self.tries)
        except OSError as error:
            # What was kept before certbot ran holds: after a start it waits, too.
            log("error", f"the certificates' volume cannot be written: {error}")

    def is_ready(self) -> bool:
        """Keeps that a try has begun, and lets it ask the authority. Where that cannot be written, nor could a certificate: each
        order would be lost, and authorities count them."""
        try:
            (self.settings.handover / CHALLENGES).mkdir(mode=0o755, exist_ok=True)
            certbot.forget_note(self.settings.renewal)
            state.begin(self.notes, self.tries, self.settings, state.now())
        except OSError as error:
            self.tries.failed(state.now(), self.settings, f"The volumes of the certificates cannot be written: {error}")
            log("error", "certbot was not run", problem=self.tries.problem, next=self.tries.next)
            return False
        return True

    def deliver(self) -> None:
        """Hands a new pair over, and looks whether the edge shows it."""
        pair = read_pair(self.settings.lineage)
        if pair is None:
            return
        if handover.current(self.settings.handover) != pair:
            try:
                handover.hand_over(self.settings.handover, pair)
            except (OSError, ValueError) as error:
                problem = f"The edge could not be given the certificate: {error}"
                if problem != self.tries.problem:
                    log("error", problem)
                self.tries.problem = problem
                return
            if self.tries.failures == 0:
                self.tries.problem = None
            self.served, self.looked = False, float("-inf")
            log("info", "the edge is given a certificate", ends=pair.ends.isoformat(), fingerprint=pair.fingerprint)
        self.look(pair)

    def keep_copy(self) -> None:
        """For the backup room. That it cannot be written is said once, and ends nothing."""
        try:
            self.copy.keep()
            problem = ""
        except OSError as error:
            problem = f"The copy of the certificates for the backup room could not be written: {error}"
        if problem and problem != self.uncopied:
            log("error", problem)
        self.uncopied = problem

    def look(self, pair: Pair) -> None:
        since = state.now().timestamp() - self.looked
        if since < (LOOK if self.served else TURN):
            return
        self.looked = state.now().timestamp()
        shown = shown_by(self.settings.edge, self.settings.visited)
        served = None if shown is None else shown == pair.fingerprint
        if served and not self.served:
            log("info", "the edge shows the certificate", fingerprint=pair.fingerprint)
        self.served = served

    def report(self) -> None:
        pair = read_pair(self.settings.lineage)
        tries = self.tries
        current = state.State(
            hosts=self.settings.hosts,
            directory=self.settings.directory,
            ends=None if pair is None else pair.ends.isoformat(),
            fingerprint=None if pair is None else pair.fingerprint,
            served=self.served,
            failures=tries.failures,
            since=tries.since,
            problem=tries.problem or self.uncopied or None,
            tried=tries.tried,
            next=tries.next,
            at=state.now().isoformat(timespec="seconds"),
        )
        state.write_whole(self.settings.runtime / "metrics", state.render(current))
        state.write_whole(self.settings.runtime / "state.json", json.dumps(asdict(current)) + "\n")


def serve_metrics(runtime: Path) -> None:
    """Answers GET /metrics in threads of its own; 503 before the loop has turned once."""

    class Handler(BaseHTTPRequestHandler):
        # An idle client must not keep a thread.
        timeout = 5
        server_version = "omniai-certificates"
        sys_version = ""

        def do_GET(self) -> None:
            if self.path != "/metrics":
                self.send_error(404)
                return
            try:
                content = (runtime / "metrics").read_bytes()
            except OSError:
                self.send_error(503)
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("", PORT), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()


def main(settings: Settings) -> None:
    os.umask(0o022)
    copy = Copy(settings.copy, settings.root)
    try:
        # Before anything is read of the volume.
        if copy.bring_back():
            log("info", "the account and the certificates are those of the copy: the volume had none")
    except (OSError, tarfile.TarError) as error:
        log("error", f"the copy of the certificates could not be brought back: {error}; the authority is asked for new ones")
    Room(settings, copy).run()
    sys.exit(0)
