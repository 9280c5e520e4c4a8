"""The account and the certificates of an ACME authority, out of a copy off-site."""

import base64
import shutil
from typing import Any

from . import courier, offsite, outgoing
from .restic import Restic
from .settings import Settings

FETCHING = "fetching-certificates"


def from_copy(settings: Settings, identity: str | None) -> dict[str, Any]:
    """In base64; None where the copy has none. @throws RoomError"""
    repository = Restic(settings, offsite.required())
    chosen = courier.choose(courier.existing(repository), identity)
    found = repository.run("ls", "--no-lock", chosen["id"], f"/{outgoing.CERTIFICATES}")
    if not any(line.get("type") == "file" for line in found):
        return {"content": None, "copy": courier.as_json(chosen)}
    target = settings.root / FETCHING
    shutil.rmtree(target, ignore_errors=True)
    try:
        courier.download(settings, repository, chosen, target, outgoing.CERTIFICATES)
        [file] = target.iterdir()
        content = base64.b64encode(file.read_bytes()).decode()
    finally:
        shutil.rmtree(target, ignore_errors=True)
    return {"content": content, "copy": courier.as_json(chosen)}
