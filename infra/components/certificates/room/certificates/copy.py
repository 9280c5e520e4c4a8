"""A copy of the account and of the certificates, for the backup room to send off-site: a rebuilt host then asks the authority for
nothing that it had."""

import io
import os
import tarfile
from pathlib import Path

# What certbot needs to go on (its own names), and what the room knows of its tries.
PARTS = ("accounts", "archive", "live", "renewal", "tries.json")
NAME = "certificates.tar"


class Copy:
    """One file, which is whole or the one before. Without a folder, in a stack that sends nothing off-site, there is none."""

    def __init__(self, folder: Path | None, root: Path) -> None:
        self.folder = folder
        self.root = root
        self.seen: object = None

    def keep(self) -> bool:
        """Writes it anew where something has changed, be it the file itself; not while certbot runs. @returns whether it did.
        @throws OSError, also where its folder is gone"""
        if self.folder is None:
            return False
        place = self.folder / NAME
        kept = signature(self.root)
        if (kept, stamps([place])) == self.seen:
            return False
        content = pack(self.root)
        changed = not place.exists() or place.read_bytes() != content
        if changed:
            aside = self.folder / f".{NAME}"
            aside.unlink(missing_ok=True)
            # For the group, too: it is the backup room's (certificates.ts).
            with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o440), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            aside.rename(place)
        self.seen = (kept, stamps([place]))
        return changed

    def bring_back(self) -> bool:
        """Into a volume that has no account: one of a host that was rebuilt. @returns whether it did. @throws OSError, tarfile.TarError"""
        if self.folder is None:
            return False
        place = self.folder / NAME
        if (self.root / "accounts").exists() or not place.exists():
            return False
        with tarfile.open(place) as archive:
            # The account comes last: with it the volume counts as filled.
            members = sorted(archive.getmembers(), key=lambda one: one.name.split("/")[0] == "accounts")
            archive.extractall(self.root, members, filter="data")
        return True


def files(root: Path) -> list[Path]:
    found = [path for part in PARTS for path in [root / part, *(root / part).rglob("*")]]
    return sorted(path for path in found if path.is_symlink() or path.exists())


def signature(root: Path) -> object:
    return stamps(files(root))


def stamps(paths: list[Path]) -> object:
    """By which a change is seen; those that are not there have none."""
    found = [(path, path.lstat()) for path in paths if path.is_symlink() or path.exists()]
    return tuple((str(path), stat.st_ino, stat.st_mtime_ns, stat.st_size) for path, stat in found)


def pack(root: Path) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for path in files(root):
            archive.add(path, str(path.relative_to(root)), recursive=False)
    return content.getvalue()
