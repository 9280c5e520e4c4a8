"""What a restored server has otherwise than the one that it was made of. Pure: it compares what was counted in both."""

import re
from collections.abc import Iterable
from typing import Any

# A table that is written to meanwhile cannot be counted at exactly one moment from outside.
SLACK = 1000
# That `objects` of a manifest are without what hangs on an extension's tables and types, as `counts` are: those of a few versions.
WITHOUT_HANGING = "withoutExtensions"
# Of `counts`, what those did not have.
NEW_COUNTS = ("large objects", "policies")
# How many values of a sequence one record of the log covers (SEQ_LOG_VALS in PostgreSQL).
AHEAD = 32


def differences(before: dict[str, Any], after: dict[str, Any], restored: dict[str, Any]) -> list[str]:
    """Pure: what the restored server has otherwise than the live one had just before and just after the moment."""
    lines = either("role", before["roles"], after["roles"], restored["roles"])
    for name in sorted({*before["databases"], *restored["databases"]}):
        if name not in restored["databases"]:
            lines.append(f"database {name} is missing")
            continue
        empty: dict[str, Any] = {"tables": {}, "sequences": {}, "extensions": {}, "objects": {}, "writes": {}}
        first = before["databases"].get(name, empty)
        last = after["databases"].get(name, empty)
        own = restored["databases"][name]
        lines += either(f"{name}: extension", first["extensions"], last["extensions"], own["extensions"])
        lines += either(f"{name}: number of", first["objects"], last["objects"], own["objects"])
        lines += between(f"{name}: rows of", first["tables"], last["tables"], own["tables"], first["writes"], last["writes"])
        lines += sequences(f"{name}: sequence", first["sequences"], last["sequences"], own["sequences"])
    return lines


def either(what: str, first: dict[str, Any], last: dict[str, Any], own: dict[str, Any]) -> list[str]:
    return [
        f"{what} {key}: {first.get(key, 'none')} became {own.get(key, 'none')}"
        for key in sorted({*first, *last, *own})
        if own.get(key) not in (first.get(key), last.get(key))
    ]


def sequences(what: str, first: dict[str, int], last: dict[str, int], own: dict[str, int]) -> list[str]:
    """In the log a sequence is ahead of itself, by up to 32 values. It is never behind."""
    return [
        f"{what} {key}: {first[key]} became {own.get(key, 'none')}"
        for key in sorted({*first} & {*last})
        if not first[key] <= own.get(key, -1) <= last[key] + AHEAD
    ]


def between(
    what: str, first: dict[str, int], last: dict[str, int], own: dict[str, int], wrote: dict[str, int], written: dict[str, int]
) -> list[str]:
    """What nobody writes to has to be the same; what somebody writes to has to lie near both."""
    lines = []
    for key in sorted({*first, *last, *own}):
        limits = [values[key] for values in (first, last) if key in values]
        value = own.get(key)
        if value is None or not limits:
            # Made or dropped at this very moment.
            if key in first and key in last:
                lines.append(f"{what} {key}: {first[key]} became none")
            continue
        writes = written.get(key, 0) - wrote.get(key, 0)
        slack = writes + SLACK if writes or limits[0] != limits[-1] else 0
        if not min(limits) - slack <= value <= max(limits) + slack:
            lines.append(f"{what} {key}: {' to '.join(map(str, sorted(set(limits))))} became {value}")
    return lines


def same(what: str, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Nobody writes to what was dumped in one snapshot."""
    return [
        f"{what} {key}: {before.get(key, 'none')} became {after.get(key, 'none')}"
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    ]


WORD = re.compile(r'"((?:[^"]|"")+)"|([^\W\d][\w$]*)')


def named(statement: str, roles: Iterable[str]) -> set[str]:
    """Pure: which of these roles a statement names, in quotes or without."""
    words = {quoted.replace('""', '"') or plain for quoted, plain in WORD.findall(statement)}
    return words & {*roles}


def database(one: dict[str, Any], restored: dict[str, Any], newer: bool) -> list[str]:
    """Pure: what a database restored from a dump has otherwise than its manifest says, its sequences aside.

    @param newer whether it was restored into a later major version, which brings its own versions of the same extensions.
    """
    before, after = one["extensions"], restored["extensions"]
    if newer:
        before, after = dict.fromkeys(before, "there"), dict.fromkeys(after, "there")
    return [
        *same(f"{one['name']}: rows of", unquoted(one["tables"]), unquoted(restored["tables"])),
        *same(f"{one['name']}: extension", before, after),
        *same(f"{one['name']}: number of", *numbers(one, restored)),
    ]


def numbers(one: dict[str, Any], restored: dict[str, Any]) -> tuple[dict[str, int], dict[str, int]]:
    """Pure: what of both can be compared: the counts, which manifests of older versions do not have, or those that they have."""
    if "counts" in one:
        return one["counts"], restored["counts"]
    if WITHOUT_HANGING in one:
        return one["objects"], {kind: count for kind, count in restored["counts"].items() if kind not in NEW_COUNTS}
    return one["objects"], restored["objects"]


NEEDLESS = re.compile(r'(?<![^.])"([a-z_][a-z0-9_]*)"(?![^.])')


def unquoted(by_name: dict[str, int]) -> dict[str, int]:
    """Pure: the same by names without the quotes that only a keyword wants: which words those are, each version says otherwise."""
    return {NEEDLESS.sub(r"\1", name): value for name, value in by_name.items()}


def written(before: dict[str, int], after: dict[str, int], answer: dict[str, Any]) -> str | None:
    """Pure: why the old server may have something that the new one does not.

    @param before and after: how many rows were written in each database. @param answer of the comparison of both servers.
    """
    if "notCompared" in answer:
        return f"The new server could not be compared with the old one: {answer['notCompared']}"
    changed = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
    changed += [one["table"] for one in answer["changes"]]
    return f"Something was written while PostgreSQL was being copied ({', '.join(changed[:5])})." if changed else None
