"""A server of the room's own, for a restore: its data on the backup volume, reached by a socket that only the room sees."""

import shutil
import subprocess
import time
from contextlib import contextmanager
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .manifest import Manifest
from .progress import call, last_lines, step
from .server import Facts, tool_version
from .settings import RoomError, Settings

# A restore wants memory for indexes more than a cache.
RESTORE_SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "32MB",
    "maintenance_work_mem": "48MB",
    "max_wal_size": "256MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "ssl": "off",
    "log_min_messages": "warning",
}
START_SECONDS = 120


@dataclass(frozen=True)
class Scratch:
    """A running server."""

    folder: Path
    data: Path
    host: str
    port: int
    user: str


def make(folder: Path, found: Manifest) -> Path:
    """A new, empty cluster with the locale, the first role and the checksums of the server that was backed up. Of a server that
    others run, also with another locale where that one is not here.

    @throws RoomError with what initdb says
    """
    about = found["server"]
    try:
        return make_with(folder / "data", about)
    except RoomError as error:
        # What is made of a dump of the stack's own server may take that one's place: it has to sort as that did.
        if "external" not in found or "invalid locale name" not in error.what:
            raise
        instead = "C.UTF-8" if about["encoding"] == "UTF8" else "C"
        step(f"the locale {about['collate']} is not here; {instead} sorts instead")
        return make_with(folder / "data", {**about, "collate": instead, "ctype": instead, "localeProvider": "c"})


def make_with(data: Path, about: Facts) -> Path:
    """@throws RoomError with what initdb says"""
    providers = {"c": "libc", "i": "icu", "b": "builtin"}
    provider = providers[about["localeProvider"]]
    locale = [] if provider == "libc" else [f"--{provider}-locale={about['locale']}"]
    call(
        [
            *("initdb", "--no-sync", "--no-instructions", "--auth=trust", f"--pgdata={data}"),
            f"--username={about['bootstrapRole']}",
            f"--encoding={about['encoding']}",
            f"--lc-collate={about['collate']}",
            f"--lc-ctype={about['ctype']}",
            f"--locale-provider={provider}",
            *locale,
            *(["--data-checksums"] if about["checksums"] else []),
        ],
        "The scratch server could not be made",
    )
    return data


@contextmanager
def workspace(settings: Settings, name: str) -> Iterator[Path]:
    """A folder for a restore that goes when the restore is over, however it ends."""
    folder = settings.scratch / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running(
    settings: Settings, folder: Path, data: Path, about: Facts, recovering: bool = False, **more: str
) -> Iterator[Scratch]:
    """The server on that data. It ends with the block, and with the room when that is killed.

    @param recovering goes on by the log first, however long that takes.
    """
    if recovering:
        (data / "recovery.signal").touch()
    sockets = settings.runtime / "scratch"
    sockets.mkdir(mode=0o700, exist_ok=True)
    log = folder / "log"
    options = {
        **RESTORE_SETTINGS,
        **without_events(),
        "unix_socket_directories": str(sockets),
        "port": "5432",
        "shared_preload_libraries": about["preload"],
        **more,
    }
    with log.open("ab") as output:
        process = subprocess.Popen(
            [
                *("setpriv", "--pdeathsig", "QUIT", "--", "postgres", "-D", str(data)),
                *(part for key, value in options.items() for part in ("-c", f"{key}={value}")),
            ],
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
        )
    scratch = Scratch(folder, data, str(sockets), 5432, about["bootstrapRole"])
    try:
        wait_until_ready(process, scratch, log, None if recovering else START_SECONDS)
        yield scratch
    finally:
        stop(process)


def without_events() -> dict[str, str]:
    """No code of an event trigger's runs when the room's superuser comes in, or makes something. PostgreSQL before 17 knows no such setting."""
    return {"event_triggers": "off"} if int(tool_version("pg_restore").split()[2].split(".")[0]) >= 17 else {}


def wait_until_ready(process: subprocess.Popen[bytes], scratch: Scratch, log: Path, seconds: int | None) -> None:
    """@throws RoomError with the server's last lines"""
    started = time.monotonic()
    while seconds is None or time.monotonic() < started + seconds:
        if process.poll() is not None:
            break
        ready = subprocess.run(
            ["pg_isready", "-q", "-h", scratch.host, "-p", str(scratch.port), "-d", "postgres", "-U", scratch.user],
            check=False,
        )
        if ready.returncode == 0:
            return
        time.sleep(0.1)
    raise RoomError(f"The scratch server did not start:\n{last_lines(log.read_text('utf-8', 'replace'))}")


def stop(process: subprocess.Popen[bytes]) -> None:
    """A fast shutdown; what is asked of the data afterwards finds it clean."""
    if process.poll() is not None:
        return
    process.send_signal(2)
    try:
        process.wait(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
