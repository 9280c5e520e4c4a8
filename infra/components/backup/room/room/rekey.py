"""Another operator's key for the copies off-site: added first, and the old one removed once a copy was sent with the new one."""

import os
import tempfile
from typing import Any

from . import lock, offsite
from .progress import step
from .restic import Restic, key_id
from .settings import RoomError, Settings

# So many seconds is a copy waited for that is under way.
PATIENCE = 300


def add(settings: Settings, new: str) -> dict[str, Any]:
    """The repository then opens with both. @returns the ids of the keys, which show nothing of them. @throws RoomError"""
    conf = offsite.required()
    if not new.strip():
        raise RoomError("There is no new key.")
    lock.wait_until_free(settings, "offsite-", PATIENCE)
    with lock.held(settings, "adding a key to the copies off-site", "offsite-"):
        repository = Restic(settings, conf)
        former = [one["id"] for one in keys(repository)]
        step("adding the new key")
        # In memory: the repository's own key is a file as well.
        with tempfile.NamedTemporaryFile("w", dir=settings.runtime, encoding="utf-8") as file:
            file.write(f"{new.strip()}\n")
            file.flush()
            os.fsync(file.fileno())
            repository.run("key", "add", f"--new-password-file={file.name}")
        offsite.update(settings, retire=former)
        return {"former": key_id(conf.key), "keys": len(keys(repository))}


def keys(repository: Restic) -> list[dict[str, Any]]:
    found = repository.run("key", "list")
    return list(found[0]) if found else []


def retire(settings: Settings, repository: Restic) -> None:
    """Removes what a rotation has replaced. Called after a copy was sent; never removes the key that it was sent with."""
    former = set(offsite.read(settings).get("retire", []))
    if not former:
        return
    there = keys(repository)
    current = {one["id"] for one in there if one.get("current")}
    if current <= former:
        # The new one is not deployed yet.
        return
    for one in there:
        if one["id"] in former:
            step("removing the former key")
            repository.run("key", "remove", one["id"])
    offsite.update(settings, retire=[])
