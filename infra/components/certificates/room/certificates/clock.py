"""Whether this machine's clock is right, by the authority's. A wrong one makes good certificates look bad."""

import ssl
import urllib.request
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# A difference that matters, in seconds.
WRONG = 60


def remark(directory: str, seconds: float = 5) -> str:
    """A sentence for an operator when the clocks differ; empty when they do not, or when the authority does not answer. What
    it says is only told, so its certificate, which a wrong clock would refuse, does not matter."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with urllib.request.urlopen(directory, timeout=seconds, context=context) as answer:
            theirs = parsedate_to_datetime(answer.headers["Date"])
    except (OSError, TypeError, ValueError):
        return ""
    return told((datetime.now(UTC) - theirs).total_seconds())


def told(ahead: float) -> str:
    """Pure."""
    if abs(ahead) < WRONG:
        return ""
    return f" This machine's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the authority's."
