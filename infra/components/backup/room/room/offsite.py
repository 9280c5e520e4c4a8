"""What the stack says about the copies off-site: the bucket, its keys, and how often and how long."""

import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from . import files
from .settings import RoomError, Settings

# The first copy takes long, and so may the one after a full base backup: that much is given to a copy that is under way.
UNDER_WAY = timedelta(hours=26)
# A copy may be missed, also a few in a row, before anybody is called.
MISSED = 3
LEAST = timedelta(hours=1)


@dataclass(frozen=True)
class Offsite:
    """The repository in the bucket, and how restic gets there."""

    # As restic writes it: s3:https://host/bucket/stack
    repository: str
    # The operator's key, which encrypts everything before it leaves.
    key: Path
    # How many minutes lie between two copies.
    minutes: int
    # Of how many days a copy is kept.
    days: int
    # The gate, as an HTTP proxy; empty where the bucket can be reached directly.
    proxy: str
    # Whom to believe about the bucket's certificate; None for the usual ones.
    authority: Path | None
    # So many seconds may the bucket fail in a row until a run is given up.
    patience: int

    @property
    def interval(self) -> timedelta:
        return timedelta(minutes=self.minutes)


def configured() -> Offsite | None:
    """None for a stack without copies off-site."""
    repository = os.environ.get("OMNIAI_OFFSITE_REPOSITORY", "")
    if not repository:
        return None
    authority = os.environ.get("OMNIAI_OFFSITE_AUTHORITY_FILE", "")
    # restic reads the bucket's own keys from it.
    os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.environ.get("OMNIAI_OFFSITE_CREDENTIALS_FILE", "")
    return Offsite(
        repository=repository,
        key=Path(os.environ.get("OMNIAI_OFFSITE_KEY_FILE", "/run/secrets/offsite-key")),
        minutes=int(os.environ.get("OMNIAI_OFFSITE_MINUTES", "10")),
        days=int(os.environ.get("OMNIAI_OFFSITE_DAYS", "30")),
        proxy=os.environ.get("OMNIAI_OFFSITE_PROXY", ""),
        authority=Path(authority) if authority else None,
        patience=int(os.environ.get("OMNIAI_OFFSITE_PATIENCE", "120")),
    )


def required() -> Offsite:
    """@throws RoomError for a stack without copies off-site"""
    found = configured()
    if found is None:
        raise RoomError(
            "This stack keeps no copies off-site.",
            "Set omniai:offsiteBucket and its keys (docs/runbook.md, \"Off-site copies\"), make a key (npm run backup -- key), and deploy.",
        )
    return found


def place(settings: Settings) -> Path:
    return settings.root / "offsite.json"


def read(settings: Settings) -> dict[str, Any]:
    """What happened last: `last` copy, `failure`, and when the repository was looked after."""
    found = files.read_json(place(settings))
    return found if isinstance(found, dict) else {}


def update(settings: Settings, **changes: Any) -> None:
    files.write_json(place(settings), {**read(settings), **changes})
