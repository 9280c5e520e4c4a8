"""`python3 -m certificates serve` is the room; `status` prints what it knows, as JSON."""

import signal
import sys
from pathlib import Path

from .settings import from_environment


def main(arguments: list[str]) -> int:
    if arguments == ["serve"]:
        # An operator's request waits until the loop can take it (serve.py): without that, it would end the room.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        # certbot's libraries are heavy; the other command needs none of them.
        from .serve import main as serve

        serve(from_environment())
        return 0
    if arguments == ["status"]:
        print(Path("/run/room/state.json").read_text("utf-8"), end="")
        return 0
    print("usage: python3 -m certificates serve|status", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
