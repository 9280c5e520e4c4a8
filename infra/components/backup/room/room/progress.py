"""What a run says while it works: one line of JSON for each step, for a program to read."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO

from .settings import BadBackup, RoomError

# How often a long step says how far it is, in seconds.
EVERY = 1.0


def say(event: str, **more: Any) -> None:
    """One line on standard output."""
    print(json.dumps({"event": event, **more}), flush=True)


def step(text: str, **more: Any) -> None:
    say("step", text=text, **more)


def call(
    command: Sequence[str],
    what: str,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    stdout: Any = subprocess.DEVNULL,
    watch: Callable[[], None] | None = None,
    bad: tuple[str, int] | None = None,
) -> None:
    """Runs a program to its end, with it when the room is killed. @throws RoomError with its last lines

    @param bad the backup that it looks at, and the code with which it says that this is at fault: then BadBackup is thrown.
    """
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", "--", *command],
        env=env,
        stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
    )
    # The standard input of these programs is short, so that it never waits for their output.
    if stdin is not None and process.stdin is not None:
        try:
            process.stdin.write(stdin)
            process.stdin.close()
        except BrokenPipeError:
            pass
        process.stdin = None
    while True:
        try:
            _, errors = process.communicate(timeout=EVERY)
            break
        except subprocess.TimeoutExpired:
            if watch is not None:
                watch()
    if process.returncode == 0:
        return
    text = printable(errors.decode(errors="replace")).strip()
    if process.returncode < 0:
        text = f"{text}\nit was ended by signal {-process.returncode}".strip()
    if "No space left on device" in text:
        raise RoomError(
            f"{what}: the backup volume is full. {last_lines(text)}",
            "Make room on the disk of the volume, or remove backups: npm run backup -- prune.",
        )
    said = f"{what}: {last_lines(text) or f'it ended with code {process.returncode}'}"
    if bad is not None and process.returncode == bad[1]:
        raise BadBackup(bad[0], said)
    raise RoomError(said)


ERROR = re.compile(r"\b(error|ERROR|FATAL|PANIC):")


def last_lines(text: str, count: int = 6) -> str:
    """Pure: the end of what a program said, after the line with its error where that is further up: of a long statement the
    reason comes first."""
    lines = text.splitlines()
    last = lines[-count:]
    if any(ERROR.search(line) for line in last):
        return "\n".join(last)
    reason = next((line for line in reversed(lines) if ERROR.search(line)), None)
    return "\n".join(last if reason is None else [reason, *last[1:]])


# How much is shown of what a program has found, which may be as long as it likes.
LINES, WIDTH = 6, 300


def first_lines(report: BinaryIO) -> str:
    """The beginning of what a program has found, for people."""
    lines = printable(report.read(LINES * WIDTH).decode(errors="replace")).splitlines()
    return "\n".join(line[:WIDTH] for line in lines[:LINES])


def printable(text: str) -> str:
    """Pure: with ends of lines, and without other characters that a terminal obeys or that are not seen: names are of others' choice."""
    return "".join(character if character == "\n" or character.isprintable() else " " for character in text)


class Ticker:
    """Calls a function at most once for each EVERY seconds."""

    def __init__(self) -> None:
        self.last = 0.0

    def due(self) -> bool:
        now = time.monotonic()
        if now < self.last + EVERY:
            return False
        self.last = now
        return True
