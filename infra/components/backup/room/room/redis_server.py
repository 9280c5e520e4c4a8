"""Redis, the stack's own and one of the room's: what is in it, and how its programs are run."""

import os
import subprocess
import time
from contextlib import contextmanager
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .progress import last_lines
from .scratch import stop
from .settings import RoomError, Settings

Facts = dict[str, Any]

# From Redis' own image, with the loader and the libraries of that image; see the Dockerfile.
FOLDER = "/opt/redis"
START_SECONDS = 120
ANSWER_SECONDS = 60
# The keys of the event log that say where it is; see service/src/events/log/redis-log.ts.
META, STREAM, BARRIER = "omniai:events:meta", "omniai:events:log", "omniai:events:barrier"


def program(name: str) -> list[str]:
    return [f"{FOLDER}/loader", "--library-path", f"{FOLDER}/lib", f"{FOLDER}/{name}"]


def version() -> str:
    """What redis-server says its version is."""
    said = subprocess.run([*program("redis-server"), "--version"], check=True, capture_output=True, text=True).stdout
    return said.split("v=")[1].split()[0]


class Address:
    """Where a Redis is: the stack's by name, with the room's user; one of the room's own by its socket."""

    def __init__(self, args: list[str], environment: Mapping[str, str]) -> None:
        self.args = args
        self.environment = dict(environment)

    def command(self, *args: str) -> list[str]:
        return [*program("redis-cli"), *self.args, "--no-auth-warning", *args]

    def ask(self, *args: str) -> list[str]:
        """The lines of an answer. @throws RoomError with what Redis or its client says"""
        try:
            found = subprocess.run(
                self.command("-e", *args),
                env=self.environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=ANSWER_SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise RoomError(f"Redis does not answer {args[0]} within {ANSWER_SECONDS} s.", REMEDY) from error
        if found.returncode != 0:
            said = last_lines((found.stderr.strip() or found.stdout.strip()), 2)
            raise RoomError(f"Redis does not do what the backup room asks ({args[0]}): {said}", REMEDY)
        return found.stdout.splitlines()


REMEDY = "See how it is: npm run health, npm run logs -- redis."


def source(settings: Settings) -> Address:
    """The stack's own."""
    password = Path(settings.redis_password_file).read_text("utf-8").strip() if settings.redis_password_file else ""
    return Address(
        ["-h", settings.redis or "", "-p", str(settings.redis_port), "--user", settings.redis_user],
        # Not on the command line, where all in the room can read it.
        {**os.environ, "REDISCLI_AUTH": password},
    )


def facts(address: Address) -> Facts:
    """What is in it, as far as it can be compared."""
    info = dict(line.split(":", 1) for line in address.ask("INFO") if ":" in line)
    keyspace = dict(part.split("=") for part in info.get("db0", "keys=0,expires=0").strip().split(","))
    epoch, count = [*address.ask("HMGET", META, "epoch", "count"), "", ""][:2]
    newest = address.ask("XREVRANGE", STREAM, "+", "-", "COUNT", "1")
    return {
        "version": info["redis_version"].strip(),
        "runId": info["run_id"].strip(),
        "keys": int(keyspace["keys"]),
        "expires": int(keyspace["expires"]),
        "epoch": epoch,
        "count": int(count or 0),
        "events": int(address.ask("XLEN", STREAM)[0]),
        "last": newest[0] if newest and newest[0] else "0-0",
    }


def kinds(address: Address) -> dict[str, int]:
    """How many keys there are of each kind: the first two parts of their names. Only for a server of the room's own."""
    found: dict[str, int] = {}
    for key in address.ask("--scan"):
        kind = ":".join(key.split(":")[:2])
        found[kind] = found.get(kind, 0) + 1
    return dict(sorted(found.items()))


@contextmanager
def running(settings: Settings, folder: Path, data: Path) -> Iterator[Address]:
    """A Redis of the room's own on a dump.rdb. It ends with the block, and with the room when that is killed."""
    sockets = settings.runtime / "scratch"
    sockets.mkdir(mode=0o700, exist_ok=True)
    socket = sockets / "redis.sock"
    socket.unlink(missing_ok=True)
    log = folder / "redis.log"
    options = {
        **{"port": "0", "unixsocket": str(socket), "unixsocketperm": "700", "dir": str(data), "dbfilename": "dump.rdb"},
        **{"appendonly": "no", "save": "", "maxmemory": "0", "daemonize": "no", "loglevel": "notice", "logfile": ""},
    }
    with log.open("ab") as output:
        process = subprocess.Popen(
            [
                *("setpriv", "--pdeathsig", "KILL", "--", *program("redis-server")),
                *(part for key, value in options.items() for part in (f"--{key}", value)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    address = Address(["-s", str(socket)], os.environ)
    try:
        wait_until_loaded(process, address, log)
        yield address
    finally:
        stop(process)


def wait_until_loaded(process: subprocess.Popen[bytes], address: Address, log: Path) -> None:
    """@throws RoomError with what Redis says of the file"""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            if address.ask("PING") == ["PONG"]:
                return
        except RoomError:
            # It is still loading, or not there yet.
            pass
        time.sleep(0.1)
    said = [line for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
    raise RoomError("The scratch Redis did not take the copy:\n" + last_lines("\n".join(said), 6))
