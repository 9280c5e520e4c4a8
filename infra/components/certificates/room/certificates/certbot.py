"""certbot: how it is asked, and what it said in words for an operator."""

import configparser
import re
from datetime import UTC, datetime
from pathlib import Path

from . import cloudflare
from .settings import CHALLENGES, Settings
from .state import write_whole

# As much as a person reads.
LONGEST = 600
# Where certbot notes when the authority wants to be asked again about a renewal, in the file of the certificate.
SECTION, NOTE = "acme_renewal_info", "ari_retry_after"


def arguments(settings: Settings) -> list[str]:
    """Pure: one command for the first certificate and for each renewal. certbot itself asks the authority whether it is
    time (ARI, RFC 9773), and does nothing where it is not."""
    way = (
        ["--dns-cloudflare", "--dns-cloudflare-credentials", settings.cloudflare]
        if settings.cloudflare
        else ["--webroot", "--webroot-path", str(settings.handover / CHALLENGES)]
    )
    folders = [("--config-dir", settings.root), ("--work-dir", settings.runtime / "work"), ("--logs-dir", settings.runtime / "logs")]
    return [
        "certbot",
        "certonly",
        "--non-interactive",
        "--keep-until-expiring",
        "--agree-tos",
        *(["--email", settings.email] if settings.email else ["--register-unsafely-without-email"]),
        *["--server", settings.directory, "--cert-name", settings.name, "--key-type", "ecdsa"],
        *["--max-log-backups", "0"],
        *[part for flag, folder in folders for part in (flag, str(folder))],
        *way,
        *[part for host in settings.hosts for part in ("--domain", host)],
    ]


def why(said: str) -> str:
    """Pure: why certbot failed, out of all that it printed: what the authority objects to, for each name, or its last
    words before it points to its log."""
    objections = re.findall(r"(?:Domain|Identifier):\s*(\S+)\s*\n\s*Type:\s*(\S+)\s*\n\s*Detail:\s*(.+)", said)
    if objections:
        return clipped("; ".join(f"{domain}: {detail.strip()} ({kind})" for domain, kind, detail in objections))
    unexpected = re.search(r"An unexpected error occurred:\s*\n(.+)", said)
    if unexpected:
        return clipped(unexpected.group(1))
    noise = re.compile(r"^(Ask for help|See the logfile|Saving debug log|- - -|Plugins selected|\s*$)")
    lines = [line.strip() for line in said.splitlines() if not noise.match(line)]
    last = lines[-1] if lines else "certbot said nothing"
    todo = cloudflare.remedy(last)
    return clipped(f"{todo} certbot says: {last}" if todo else last)


def clipped(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def ask_again(renewal: Path) -> datetime | None:
    """When the authority wants to be asked again about a renewal, by what certbot noted; None where it has not said."""
    notes = configparser.ConfigParser(strict=False, interpolation=None, default_section="\0")
    try:
        # What stands before the first section belongs to none.
        notes.read_string("[certbot]\n" + renewal.read_text("utf-8").replace("[[", "[").replace("]]", "]"))
        noted = notes.get(SECTION, NOTE)
        # Without a zone it is the container's own time.
        return datetime.fromisoformat(noted.strip("\"' ")).astimezone(UTC)
    except (OSError, ValueError, configparser.Error):
        return None


def forget_note(renewal: Path) -> None:
    """Has certbot ask the authority whatever it has noted: keeping that time is the room's part. certbot notes it before it
    renews. So after a renewal that failed it would take nothing for due, not ask, and end as one that succeeded.
    @throws OSError where it cannot be written"""
    try:
        text = renewal.read_text("utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        # There is none yet, or it is not certbot's, who says so.
        return
    kept = re.sub(rf"^[ \t]*{NOTE}[ \t]*=.*\n?", "", text, flags=re.MULTILINE)
    if kept != text:
        write_whole(renewal, kept)
