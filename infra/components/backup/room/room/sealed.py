"""The stack's own state and secrets, sealed: a small repository of restic's on the backup volume, which goes off-site with the backups."""

import contextlib
import shutil
from typing import Any

from . import courier, files, lock, offsite, outgoing, status
from .restic import Missing, Restic, WrongKey, key_id
from .settings import RoomError, Settings

NAME = "stack.json"
# Where a repository with another key is made, until it takes the place of the one before; and where that one goes.
ASIDE, OLD = "sealing", "sealed-old"


def repository_of(settings: Settings, name: str = outgoing.SEALED) -> Restic:
    return Restic(settings, offsite.required(), str(settings.root / name))


def seal(settings: Settings, content: bytes) -> dict[str, Any]:
    """Keeps one more version; what is in the repository never changes, so that it can be copied at any moment. After a change
    of the key another repository takes its place. @throws RoomError"""
    if not content:
        raise RoomError("There is nothing to seal.")
    conf = offsite.required()
    with lock.held(settings, "sealing the stack's state", "sealed-"):
        clear_leftovers(settings)
        try:
            identity = seal_in_place(settings, content)
        except Exception as error:
            failure = files.in_words(error)
            with contextlib.suppress(OSError):
                outgoing.update_seal(settings, failure={"at": status.now(), "what": failure.what})
            raise failure from error
        outgoing.update_seal(settings, at=status.now(), key=key_id(conf.key), failure=None)
        return {"id": identity, "bytes": len(content)}


def seal_in_place(settings: Settings, content: bytes) -> str:
    repository = repository_of(settings)
    try:
        repository.run("cat", "config")
    except Missing:
        repository.run("init")
    except WrongKey:
        return seal_anew(settings, content)
    return keep(settings, repository, content)


def seal_anew(settings: Settings, content: bytes) -> str:
    """With the key that the stack has now. The old one goes: nobody could open it, or somebody who must not."""
    repository = repository_of(settings, ASIDE)
    repository.run("init")
    identity = keep(settings, repository, content)
    here = settings.root / outgoing.SEALED
    here.rename(settings.root / OLD)
    (settings.root / ASIDE).rename(here)
    files.sync(settings.root)
    clear_leftovers(settings)
    return identity


def clear_leftovers(settings: Settings) -> None:
    """Also what a run left that was killed."""
    for name in (ASIDE, OLD):
        shutil.rmtree(settings.root / name, ignore_errors=True)


def keep(settings: Settings, repository: Restic, content: bytes) -> str:
    """@returns the id of the version"""
    found = repository.run("backup", f"--host={settings.stack}", "--stdin", f"--stdin-filename={NAME}", stdin=content)
    summary = next(line for line in found if line.get("message_type") == "summary")
    return str(summary["snapshot_id"][:8])


def from_copy(settings: Settings, identity: str | None) -> dict[str, Any]:
    """The stack's state out of a copy off-site, without the rest of it. @throws RoomError"""
    conf = offsite.required()
    repository = Restic(settings, conf)
    chosen = courier.choose(courier.existing(repository), identity)
    target = settings.root / "fetching-sealed"
    shutil.rmtree(target, ignore_errors=True)
    try:
        courier.download(settings, repository, chosen, target, outgoing.SEALED)
        content = Restic(settings, conf, str(target)).text("dump", "--no-lock", "latest", f"/{NAME}")
    finally:
        shutil.rmtree(target, ignore_errors=True)
    return {"content": content, "copy": courier.as_json(chosen)}


def unseal(settings: Settings) -> str:
    """The newest version as it was handed in. @throws RoomError"""
    repository = repository_of(settings)
    try:
        return repository.text("dump", "latest", f"/{NAME}")
    except Missing as error:
        raise RoomError("The stack's state was never sealed.", "npm run up seals it, once there are copies off-site.") from error
    except WrongKey as error:
        raise RoomError("The stack's state is sealed with another key than the stack has now.", "npm run up seals it anew.") from error
