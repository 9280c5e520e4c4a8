"""What a copy of Redis has otherwise than Redis had. Pure."""

from typing import Any

# Keys that come and go between two looks.
SLACK = 64


def number(version: str) -> tuple[int, int]:
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def differences(before: dict[str, Any], after: dict[str, Any], own: dict[str, Any]) -> list[str]:
    """Pure: what the loaded copy has otherwise than Redis had just before and just after it was taken.

    Keys that expire may have gone meanwhile. The others, and where the event log was, lie between both looks.
    """
    lines = []
    if own["epoch"] not in (before["epoch"], after["epoch"]):
        lines.append(f"epoch of the event log: {before['epoch'] or 'none'} became {own['epoch'] or 'none'}")
    if before["epoch"] == after["epoch"]:
        lines += outside("number of the newest event", before["count"], own["count"], after["count"])
        if not place(before["last"]) <= place(own["last"]) <= place(after["last"]):
            lines.append(f"newest event: {before['last']} to {after['last']} became {own['last']}")
    lasting = [one["keys"] - one["expires"] for one in (before, after, own)]
    slack = SLACK + max(lasting[0], lasting[1]) // 100
    lines += outside("keys that do not expire", min(lasting[:2]) - slack, lasting[2], max(lasting[:2]) + slack)
    return lines


def outside(what: str, least: int, value: int, most: int) -> list[str]:
    return [] if least <= value <= most else [f"{what}: {least} to {most} became {value}"]


def place(identity: str) -> tuple[int, int]:
    first, second = identity.split("-")
    return int(first), int(second)
