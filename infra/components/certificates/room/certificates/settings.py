"""What the stack tells the room, and where the room keeps things."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

# What the edge reads (infra/components/edge/acme.ts).
CHALLENGES = "challenges"
CURRENT = "current"


@dataclass(frozen=True)
class Settings:
    """Where things are, for whom a certificate is, and who gives it. All times in seconds."""

    hosts: tuple[str, ...]
    # The address of the authority's directory (RFC 8555, 7.1.1).
    directory: str
    # Whom the authority writes to; empty for nobody.
    email: str
    # The file that has certbot change the zone at Cloudflare (DNS-01); empty for HTTP-01 through the edge.
    cloudflare: str
    # Authorities in PEM to believe beside the usual ones; empty for none.
    authority: str
    # Where the edge answers HTTPS, as host and port.
    edge: tuple[str, int]
    # The account and the certificates.
    root: Path
    # Shared with the edge.
    handover: Path
    runtime: Path
    # Shared with the backup room; None where nothing goes off-site.
    copy: Path | None
    # How often certbot is asked where the authority has not said when to ask again.
    every: float = 3600
    # The first wait after a failure. It doubles, because authorities count failures: Let's Encrypt allows 5 an hour.
    retry: float = 300
    longest_retry: float = 6 * 3600

    @property
    def name(self) -> str:
        """Of the certificate on the disk: for other hosts or of another authority it is another one."""
        return hashlib.sha256("\n".join([self.directory, *sorted(self.hosts)]).encode()).hexdigest()[:16]

    @property
    def key(self) -> str:
        """Of all that a failure can hang on: with other settings nothing has failed yet."""
        way = "dns" if self.cloudflare else "http"
        told = [self.name, self.email, way, *(read(path) for path in (self.cloudflare, self.authority))]
        return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]

    @property
    def visited(self) -> str:
        """A host that a client can ask for: none with a *. The config has one."""
        return next(host for host in self.hosts if not host.startswith("*"))

    @property
    def lineage(self) -> Path:
        return self.root / "live" / self.name

    @property
    def renewal(self) -> Path:
        """What certbot keeps of the certificate for its next run."""
        return self.root / "renewal" / f"{self.name}.conf"


def read(path: str) -> str:
    return Path(path).read_text("utf-8") if path else ""


def from_environment() -> Settings:
    """@throws KeyError, ValueError for a variable that the stack has not set, or not well"""
    env = os.environ
    host, _, port = env["OMNIAI_EDGE"].rpartition(":")
    return Settings(
        hosts=tuple(env["OMNIAI_ACME_HOSTS"].split()),
        directory=env["OMNIAI_ACME_DIRECTORY"],
        email=env.get("OMNIAI_ACME_EMAIL", ""),
        cloudflare=env.get("OMNIAI_ACME_CLOUDFLARE_FILE", ""),
        authority=env.get("OMNIAI_ACME_AUTHORITY_FILE", ""),
        edge=(host, int(port)),
        root=Path("/certificates"),
        handover=Path("/handover"),
        runtime=Path("/run/room"),
        copy=Path(env["OMNIAI_ACME_COPY"]) if "OMNIAI_ACME_COPY" in env else None,
        every=float(env.get("OMNIAI_ACME_EVERY_SECONDS", "3600")),
        retry=float(env.get("OMNIAI_ACME_RETRY_SECONDS", "300")),
    )
