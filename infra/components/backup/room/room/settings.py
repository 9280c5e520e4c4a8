"""What the stack tells the room, and where the room keeps things."""

import os
from dataclasses import dataclass
from pathlib import Path


# With this code a program of the room ends that found another run under way.
BUSY = 3


class RoomError(Exception):
    """What happened, to what, and what to do next."""

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


class BadBackup(RoomError):
    """A backup is not what it has to be. Only this condemns one: a server that is away or a full disk says nothing about it.

    @param id of the backup at fault, which may be one that another builds on.
    """

    def __init__(self, id: str, what: str) -> None:
        super().__init__(what)
        self.id = id


@dataclass(frozen=True)
class Settings:
    """Where things are and when they are due."""

    stack: str
    host: str
    port: int
    user: str
    # The time of day at which a day's backup is due, in `zone`.
    at: str
    zone: str
    # On how many different days the kept backups were taken.
    days: int
    root: Path
    runtime: Path
    # Where Redis is; None for a room that takes no copies of one.
    redis: str | None = None
    redis_port: int = 6379
    redis_user: str = "omniai_backup"
    redis_password_file: str = ""
    # The database of a PostgreSQL that others run, of which dumps are all that can be had; None for the stack's own server.
    external: str | None = None
    # The way out to that one, as an HTTP proxy; empty where it is reached directly.
    gate: str = ""
    # How often the loop looks, in seconds.
    every: float = 10
    # Changes that are not received for longer are worth a call, in seconds.
    lag: float = 60
    # A receiver that the server does not know for so long hangs, in seconds. The server itself gives one up after 60.
    hangs: float = 30

    @property
    def dumps(self) -> Path:
        return self.root / "dumps"

    @property
    def bases(self) -> Path:
        return self.root / "base"

    @property
    def copies(self) -> Path:
        return self.root / "redis"

    @property
    def scratch(self) -> Path:
        return self.root / "scratch"

    @property
    def status(self) -> Path:
        return self.root / "status.json"

    @property
    def running(self) -> Path:
        return self.root / "running.json"


def load() -> Settings:
    """From the environment. libpq reads the password from the file that PGPASSFILE names."""
    password_file = os.environ.get("OMNIAI_PGPASS_FILE")
    if password_file:
        os.environ["PGPASSFILE"] = password_file
    os.environ["PGAPPNAME"] = "omniai-backup"
    os.environ["PGCONNECT_TIMEOUT"] = "10"
    return Settings(
        stack=os.environ.get("OMNIAI_STACK", "dev"),
        host=os.environ.get("PGHOST", "postgres"),
        port=int(os.environ.get("PGPORT", "5432")),
        user=os.environ.get("PGUSER", "omniai_backup"),
        at=os.environ.get("OMNIAI_BACKUP_TIME", "02:00"),
        zone=os.environ.get("OMNIAI_TIME_ZONE", "UTC"),
        days=int(os.environ.get("OMNIAI_BACKUP_DAYS", "7")),
        root=Path(os.environ.get("OMNIAI_BACKUP_FOLDER", "/backup")),
        runtime=Path(os.environ.get("OMNIAI_RUNTIME_FOLDER", "/run/room")),
        redis=os.environ.get("OMNIAI_REDIS_HOST") or None,
        redis_port=int(os.environ.get("OMNIAI_REDIS_PORT", "6379")),
        redis_user=os.environ.get("OMNIAI_REDIS_USER", "omniai_backup"),
        redis_password_file=os.environ.get("OMNIAI_REDIS_PASSWORD_FILE", ""),
        external=os.environ.get("OMNIAI_EXTERNAL_DATABASE") or None,
        gate=os.environ.get("OMNIAI_OFFSITE_PROXY", ""),
        every=float(os.environ.get("OMNIAI_ROOM_EVERY", Settings.every)),
        lag=float(os.environ.get("OMNIAI_ROOM_LAG", Settings.lag)),
        hangs=float(os.environ.get("OMNIAI_ROOM_HANGS", Settings.hangs)),
    )
