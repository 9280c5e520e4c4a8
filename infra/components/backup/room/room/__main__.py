"""The room's own command: `python3 -m room VERB`. The stack's operator reaches it by `npm run backup` and `restore`."""

import argparse
import os
import signal
import sys
from typing import Any, NoReturn

from . import settings as settings_module
from .settings import BUSY, RoomError, Settings



def end(number: int, _: Any) -> NoReturn:
    """As an exception, so that what is half made is removed on the way out."""
    raise SystemExit(128 + number)


def status_of(settings: Settings) -> dict[str, Any]:
    """How things are, for people and programs."""
    from . import catalog, errand, files, health, lock, look

    log = files.read_json(settings.runtime / "wal.json")
    situation = look.situation(settings, [*(log or {}).get("problems", []), *errand.trouble(settings)])
    backups = situation.backups
    # Redis' copies are in the problems: a fresh one must not stand for an old backup of PostgreSQL.
    good = catalog.of_postgres(health.past(situation))
    return {
        "stack": settings.stack,
        "at": settings.at,
        "zone": settings.zone,
        "problems": health.problems(situation),
        "newest": catalog.as_json(good[0]) if good else None,
        "backups": len(backups),
        "verified": len(catalog.proved(backups)),
        "freeBytes": situation.free,
        "running": None if lock.is_free(settings) else files.read_json(settings.running),
        "failure": situation.failure,
        "offsite": errand.view(settings),
        "log": log,
        "external": settings.external is not None,
    }


def run(verb: str, given: argparse.Namespace, settings: Settings) -> None:
    """One verb, its modules loaded only now: the loop lives for weeks and shall be small."""
    from .progress import say

    if verb == "serve":
        from .serve import Room

        Room(settings).run()
        return
    from . import catalog, lock, work

    if verb == "backup":
        lock.wait_until_free(settings, "", given.wait)
        taken = work.backup(settings, given.day, given.kind)
        say("done", backups=[catalog.as_json(catalog.choose(settings, identity)) for identity in taken])
    elif verb == "list":
        say("done", backups=[catalog.as_json(one) for one in catalog.every(settings)], status=status_of(settings))
    elif verb == "status":
        say("done", status=status_of(settings))
    elif verb == "verify":
        identity = work.prove(settings, given.id)
        say("done", backup=catalog.as_json(catalog.choose(settings, identity)))
    elif verb == "prune":
        say("done", removed=work.prune(settings))
    elif verb == "upgrade":
        import json

        from . import upgrade

        if given.only_wait:
            upgrade.wait(settings, given.wait)
            say("done")
        elif given.id is None:
            say("done", **upgrade.take(settings, given.wait))
        else:
            say("done", **upgrade.bring(settings, given.id, json.loads(given.writes) if given.writes else None, given.wait))
    elif verb == "restore":
        if given.redis or (given.id or "").startswith("redis-"):
            from . import redis_restore

            say("done", **redis_restore.beside(settings, given.id, keep=given.keep))
            return
        from . import restore

        wanted = restore.Wanted(given.id, restore.parse_moment(given.to) if given.to else None)
        say("done", **restore.beside(settings, wanted, keep=given.keep))
    else:
        run_offsite(verb, given, settings)


def run_offsite(verb: str, given: argparse.Namespace, settings: Settings) -> None:
    from . import courier, rekey, sealed
    from .progress import say

    if verb == "offsite":
        say("done", copy=courier.send(settings, given.wait))
    elif verb == "copies":
        say("done", copies=courier.listed(settings))
    elif verb == "check":
        courier.check_now(settings)
        say("done")
    elif verb == "fetch":
        say("done", **courier.fetch(settings, given.copy, given.wait))
    elif verb == "state":
        say("done", **sealed.from_copy(settings, given.copy))
    elif verb == "rekey":
        say("done", **rekey.add(settings, sys.stdin.read()))
    elif verb == "seal":
        say("done", sealed=sealed.seal(settings, sys.stdin.buffer.read()))
    elif verb == "unseal":
        say("done", content=sealed.unseal(settings))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="room")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ("serve", "list", "status", "prune", "copies", "check", "rekey", "seal", "unseal"):
        verbs.add_parser(verb)
    backup = verbs.add_parser("backup")
    backup.add_argument("--day")
    backup.add_argument("--kind", choices=("dump", "base", "redis"))
    backup.add_argument("--wait", type=int, default=0)
    upgrade = verbs.add_parser("upgrade")
    upgrade.add_argument("--id")
    upgrade.add_argument("--writes")
    upgrade.add_argument("--only-wait", action="store_true")
    upgrade.add_argument("--wait", type=int, default=0)
    verbs.add_parser("verify").add_argument("--id")
    verbs.add_parser("offsite").add_argument("--wait", type=int, default=0)
    fetch = verbs.add_parser("fetch")
    fetch.add_argument("--copy")
    fetch.add_argument("--wait", type=int, default=0)
    verbs.add_parser("state").add_argument("--copy")
    restore = verbs.add_parser("restore")
    restore.add_argument("--id")
    restore.add_argument("--to")
    restore.add_argument("--redis", action="store_true")
    restore.add_argument("--keep", action="store_true")
    return parser.parse_args()


def main() -> int:
    from .progress import say

    # Whoever reads a backup has the data.
    os.umask(0o077)
    given = parse()
    settings = settings_module.load()
    if given.verb != "serve":
        # Where memory runs out, a run is given up, and the loop goes on receiving the log.
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write("500")
        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, end)
    try:
        run(given.verb, given, settings)
    except RoomError as error:
        say("error", what=error.what, remedy=error.remedy)
        from .lock import Busy

        return BUSY if isinstance(error, Busy) else 1
    except Exception as error:
        from .files import in_words

        failure = in_words(error)
        say("error", what=failure.what, remedy=failure.remedy)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
