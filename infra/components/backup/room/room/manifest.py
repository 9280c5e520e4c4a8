"""A backup's manifest: what it holds, as one JSON file that carries its own checksum."""

import hashlib
import json
from pathlib import Path
from typing import Any

from .files import read_json, write_json
from .settings import RoomError

FORMAT = 1
NAME = "manifest.json"
# Beside it: that the backup was restored and compared, or what was found wrong with it.
VERIFIED = "verified.json"
DAMAGED = "damaged.json"

Manifest = dict[str, Any]


def checksum(manifest: Manifest) -> str:
    """Over everything but the checksum itself, in one spelling."""
    content = {key: value for key, value in manifest.items() if key != "checksum"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def write(folder: Path, manifest: Manifest) -> None:
    write_json(folder / NAME, {**manifest, "checksum": checksum(manifest)})


def read(folder: Path) -> Manifest:
    """@throws RoomError when it is missing, damaged, or of another backup"""
    manifest = read_json(folder / NAME)
    if not isinstance(manifest, dict):
        raise RoomError(f"Backup {folder.name} has no readable manifest.")
    if manifest.get("checksum") != checksum(manifest):
        raise RoomError(f"The manifest of backup {folder.name} is damaged: its checksum is another one.")
    if manifest.get("format") != FORMAT:
        raise RoomError(
            f"Backup {folder.name} has format {manifest.get('format')}; this room reads format {FORMAT}.",
            "Restore it with the version of this project that made it.",
        )
    if manifest.get("id") != folder.name:
        raise RoomError(f"Folder {folder.name} holds the manifest of backup {manifest.get('id')}.")
    return manifest


def files_of(manifest: Manifest) -> list[dict[str, Any]]:
    """Every file of the backup, with its bytes and its sha256."""
    if manifest["kind"] == "dump":
        return [manifest["globals"], *manifest["databases"]]
    return list(manifest["files"])
