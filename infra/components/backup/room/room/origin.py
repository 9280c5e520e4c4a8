"""Of which server a backup is: of the one that the stack has now, or of one that it had before."""

import hashlib

from .catalog import Backup
from .settings import Settings


def identity(settings: Settings) -> str:
    """Of a server that others run, which not every provider shows the system identifier of. Another host, port or database is
    another server, whatever is in it."""
    where = f"{settings.host}:{settings.port}/{settings.external}"
    return f"external-{hashlib.sha256(where.encode()).hexdigest()[:12]}"


def is_present(settings: Settings, one: Backup) -> bool:
    """Whether a backup counts for the server of now. What is damaged may be of any, and copies of Redis are of the stack's own.

    The stack's own server has a new system identifier after each restore and upgrade, so all of them are the same one here.
    """
    found = one.manifest
    if found is None or found["kind"] == "redis":
        return True
    if settings.external is None:
        return "external" not in found
    return bool(found["server"]["systemId"] == identity(settings))


def present(settings: Settings, backups: list[Backup]) -> list[Backup]:
    """In their order, without those of a former server."""
    return [one for one in backups if is_present(settings, one)]


def former(settings: Settings, backups: list[Backup]) -> frozenset[str]:
    """The ids of those of a former server."""
    return frozenset(one.id for one in backups if not is_present(settings, one))
