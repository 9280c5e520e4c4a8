"""restic, as this room runs it: through the gate, with the keys in files, and each way to fail in words."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from . import files
from .offsite import Offsite
from .settings import RoomError, Settings

# What restic's exit codes mean (restic's manual, "Scripting", exit codes).
MISSING, LOCKED, WRONG_KEY = 10, 11, 12
# What restic says about its own end, and about nobody knows which repository.
NOISE = re.compile(r"signal interrupt|context canceled|Is there a repository at|^s3:|open an issue|repository contains errors|There were \d+ errors")
# How long a run that was told to stop may take its lock away, in seconds.
GRACE = 15
RETRY = re.compile(r"returned error, retrying|failed, retrying|retrying after")
MENDED = re.compile(r"operation successful after \d+ retr")
DENIED = re.compile(r"Access ?Denied|403 Forbidden|InvalidAccessKeyId|SignatureDoesNotMatch|request signature|access key|not authorized", re.I)
# Buckets say it by a code, by the status 507, or in words; the number alone is also a size or a part of a time.
FULL = re.compile(
    r"QuotaExceeded|\bquota (?:(?:is|was|has been) )?(?:exceeded|reached)|exceeds? (?:the |its |your )?\w* ?quota|"
    r"Insufficient ?Storage|(?:status|code|unexpected|HTTP/[\d.]+)\W{1,3}507\b|EntityTooLarge|StorageFull|no space",
    re.I,
)
NO_BUCKET = re.compile(r"NoSuchBucket|bucket does not exist", re.I)
DAMAGED = re.compile(
    r"ciphertext verification failed|does not match|is damaged|broken|invalid data returned|unexpected EOF|"
    r"not found in repository|Pack ID does not match|contains errors|size mismatch|hash mismatch",
    re.I,
)
CERTIFICATE = re.compile(r"x509|certificate|tls:", re.I)
# restic tries for a quarter of an hour also what cannot change by itself.
HOPELESS = re.compile("|".join(one.pattern for one in (DENIED, FULL, NO_BUCKET, CERTIFICATE)), re.I)
# What only names something and may spell anything: addresses, and the hex names of files, keys and snapshots.
NAMES = re.compile(r"\w+://[^\s\"'<>\\]+|\b[0-9a-f]{8,}\b", re.I)
REFUSED = re.compile(r"Filtered|proxyconnect|Unable to connect|no such host|connection refused|i/o timeout", re.I)


class Offended(RoomError):
    """A failure that no second try ends: somebody has to change something."""


class WrongKey(Offended):
    """The repository was made with another key."""


class Damaged(Offended):
    """The repository was read, and is not what was sent."""


class Locked(RoomError):
    """Another program works on the repository, or one that died has left its lock."""


class Missing(RoomError):
    """There is no repository yet."""


class Restic:
    """One repository."""

    def __init__(self, settings: Settings, offsite: Offsite, repository: str | None = None) -> None:
        self.settings = settings
        self.offsite = offsite
        self.repository = repository or offsite.repository

    def environment(self) -> dict[str, str]:
        """On the backup volume, because packs of 16 MiB are put together in TMPDIR, and memory is for the database's own tools."""
        work = self.settings.root / "offsite-work"
        for folder in (work / "tmp", work / "cache"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        proxy = self.offsite.proxy
        return {
            **os.environ,
            "RESTIC_REPOSITORY": self.repository,
            "RESTIC_PASSWORD_FILE": str(self.offsite.key),
            "RESTIC_CACHE_DIR": str(work / "cache"),
            "TMPDIR": str(work / "tmp"),
            "HOME": str(work),
            # The room is small, and nobody waits for a copy.
            "GOGC": "20",
            "GOMAXPROCS": "2",
            **({"HTTPS_PROXY": proxy, "HTTP_PROXY": proxy} if proxy else {}),
        }

    def run(
        self, *args: str, stdin: bytes | None = None, cwd: Path | None = None, on_line: Callable[[Any], None] | None = None
    ) -> list[Any]:
        """Runs it to its end. @returns its lines of JSON. @throws RoomError, one of the kinds above where it is known"""
        authority = [f"--cacert={self.offsite.authority}"] if self.offsite.authority else []
        command = ["restic", *args, "--json", "--option=s3.connections=4", "--option=s3.bucket-lookup=path", *authority]
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *command],
            env=self.environment(),
            cwd=cwd,
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            found, said, gave_up = Conversation(process, self.offsite.patience, on_line).hold(stdin)
        except BaseException:
            # A run that is told to stop takes its lock in the bucket away; one that is killed leaves it.
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            raise
        if process.returncode == 0 and not gave_up:
            return found
        raise self.failure(args[0], process.returncode, said, gave_up)

    def text(self, *args: str) -> str:
        """What it prints as it is, for a file that is small. @throws RoomError"""
        done = subprocess.run(["restic", *args], env=self.environment(), stdin=subprocess.DEVNULL, capture_output=True, check=False)
        if done.returncode == 0:
            return done.stdout.decode()
        raise self.failure(args[0], done.returncode, done.stderr.decode(errors="replace"), False)

    def failure(self, verb: str, code: int, said: str, gave_up: bool) -> RoomError:
        where = self.repository.removeprefix("s3:")
        text = readable(said)
        if code == MISSING and not NO_BUCKET.search(said):
            return Missing(f"There is no repository at {where}.")
        if code == WRONG_KEY:
            return WrongKey(
                f"The operator's key (id {key_id(self.offsite.key)}) does not open the repository at {where}: it was made with another one.",
                "Set omniai:offsiteKey to the key that belongs to it; or, if the copies there are another stack's or no longer wanted, "
                "name another folder in omniai:offsiteBucket. Nothing was changed there.",
            )
        if code == LOCKED or "unable to create lock" in said:
            return Locked(
                f"The repository at {where} is locked: {text}", "A lock that its program left behind counts for 30 minutes; run this again."
            )
        if NO_BUCKET.search(said):
            return Offended(f"The bucket of {where} does not exist.", "Create it, or correct omniai:offsiteBucket.")
        if "No space left on device" in said:
            return RoomError(f"The backup volume is full. {text}", files.ROOM_REMEDY)
        if FULL.search(plain(said)):
            return Offended(
                f"The bucket of {where} takes nothing more: {text}",
                "Raise its quota, or lower omniai:offsiteDays and deploy; copies that are complete stay.",
            )
        if DENIED.search(said):
            return Offended(
                f"The bucket of {where} denies the access: {text}",
                "Correct omniai:offsiteAccessKeyId and omniai:offsiteSecretKey; the key has to read, list, write and delete in the bucket.",
            )
        if CERTIFICATE.search(said):
            return Offended(
                f"The certificate of {where} is not trusted: {text}",
                "Correct omniai:offsiteBucket, or give the authority that signed it as omniai:offsiteAuthority.",
            )
        if DAMAGED.search(said) and not gave_up:
            return Damaged(
                f"The repository at {where} is damaged: {text}",
                "Copies that do not need the damaged part stay good (npm run backup -- list); begin a new one in another folder of omniai:offsiteBucket.",
            )
        if verb == "restore" and code == 1 and not gave_up:
            return RoomError(
                f"Not all of the copy could be read from {where}: {text}",
                "Look what is wrong there: npm run backup -- check. An older copy may be whole: npm run backup -- fetch --id COPY.",
            )
        why = f"it went on failing for {self.offsite.patience} s: " if gave_up else ""
        if gave_up or REFUSED.search(said):
            return RoomError(
                f"The bucket of {where} cannot be reached or does not work ({why}{text})",
                "Nothing is lost: it is tried again by itself. See the bucket's own status, and the gate: npm run logs -- offsite.",
            )
        return RoomError(f"restic {verb} failed with code {code}: {text}")


class Conversation:
    """What restic says, line by line, until it ends; and the point at which waiting makes no sense any more."""

    def __init__(self, process: "subprocess.Popen[bytes]", patience: int, on_line: Callable[[Any], None] | None) -> None:
        self.process = process
        self.patience = patience
        self.on_line = on_line
        self.done = -1
        self.failing_since: float | None = None
        self.late = False
        self.hopeless = 0

    def hold(self, stdin: bytes | None) -> tuple[list[Any], str, bool]:
        """@returns its JSON, what it complained about, and whether it was given up"""
        import selectors

        found: list[Any] = []
        complaints: list[str] = []
        gave_up = False
        killed_at: float | None = None
        if stdin is not None and self.process.stdin is not None:
            self.process.stdin.write(stdin)
            self.process.stdin.close()
        selector = selectors.DefaultSelector()
        rests = {self.process.stdout: b"", self.process.stderr: b""}
        for stream in rests:
            selector.register(stream, selectors.EVENT_READ)  # type: ignore[arg-type]
        while selector.get_map():
            for key, _ in selector.select(timeout=1):
                chunk = os.read(key.fd, 65536)
                *lines, rests[key.fileobj] = (rests[key.fileobj] + chunk).split(b"\n")  # type: ignore[index]
                if not chunk:
                    lines.append(rests[key.fileobj])  # type: ignore[index]
                    selector.unregister(key.fileobj)
                for line in filter(None, lines):
                    self.hear(line.decode(errors="replace"), key.fileobj is self.process.stdout, found, complaints)
            if self.late or self.hopeless > 1:
                self.late, self.hopeless = False, 0
                # It takes its lock in the bucket away, if it still can.
                self.process.send_signal(signal.SIGINT)
                gave_up = True
                self.failing_since = None
                killed_at = killed_at or time.monotonic() + GRACE
            if killed_at is not None and time.monotonic() > killed_at:
                self.process.kill()
        self.process.wait()
        return found, "\n".join(complaints[-40:]), gave_up

    def hear(self, line: str, answers: bool, found: list[Any], complaints: list[str]) -> None:
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        kind = value.get("message_type") if isinstance(value, dict) else None
        if kind == "status":
            done = value.get("bytes_done", value.get("bytes_restored", 0))
            if done > self.done:
                self.done = done
                self.failing_since = None
        elif answers and value is not None and kind not in ("error", "exit_error"):
            found.append(value)
        else:
            complaints.append(line)
            if MENDED.search(line):
                # Both may come in one piece: what was late is over then.
                self.failing_since, self.late = None, False
            elif RETRY.search(line):
                now = time.monotonic()
                self.failing_since = self.failing_since or now
                # By what it says and not by the clock alone: a check is silent for hours while all goes well again.
                self.late = now > self.failing_since + self.patience
                self.hopeless += 1 if HOPELESS.search(plain(line)) else 0
        if self.on_line is not None and value is not None:
            self.on_line(value)


def plain(said: str) -> str:
    """Without names and addresses, for what goes by restic's words."""
    return NAMES.sub("", said)


def readable(said: str) -> str:
    """The last of it, without the JSON around. restic repeats itself while it tries again."""
    texts: list[str] = []
    for line in said.splitlines():
        try:
            value = json.loads(line)
            error = value.get("error")
            line = error.get("message", "") if isinstance(error, dict) else value.get("message", line)
        except (ValueError, AttributeError):
            pass
        line = re.sub(r"returned error, retrying after [0-9.]+m?s", "failed", line.strip())
        if line and not NOISE.search(line) and line not in texts:
            texts.append(line)
    telling = [text for text in texts if DAMAGED.search(text)][:1]
    return "\n".join(dict.fromkeys([*telling, *texts[-1:]])) or "it gave no reason"


def key_id(key: Path) -> str:
    """Names a key without showing anything of it. The same in ops (ops/commands/backup/key.ts)."""
    import hashlib

    try:
        return hashlib.sha256(key.read_text("utf-8").strip().encode()).hexdigest()[:8]
    except OSError:
        return "unknown"
