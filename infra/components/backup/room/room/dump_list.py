"""Pure: what is in a dump, by the list that pg_restore gives of it."""

from collections.abc import Container, Iterable

# What only a superuser may make, and what nothing in the database needs in order to be restored.
OF_SUPERUSERS = (
    "EVENT TRIGGER",
    "PUBLICATION",
    "PUBLICATION TABLE",
    "PUBLICATION TABLES IN SCHEMA",
    "SUBSCRIPTION",
    "SUBSCRIPTION TABLE",
    "FOREIGN DATA WRAPPER",
    "SERVER",
    "USER MAPPING",
)
# Its rows are in none of this database's files, and a server is needed to make it.
FOREIGN = "FOREIGN TABLE"
# Lines of a dump's list that are of a table or a sequence which the dump does not make.
OF_RELATIONS = ("TABLE DATA", "SEQUENCE SET", "POLICY", "ROW SECURITY")


def listed(text: str) -> list[str]:
    """Pure: the lines of a dump's list that are of something in it. pg_restore writes no name over two lines, and ends each with
    this one character: a name that has another one which Python takes for an end is still one line. What came after it would be an
    entry of its own else, of somebody's choice."""
    return [line for line in text.split("\n") if line and not line.startswith(";")]


def is_filling(line: str, views: Iterable[tuple[str, ...]], roles: Iterable[str]) -> bool:
    """Pure: whether a line of a dump's list fills one of these materialized views.

    @param views as schema and name. @param roles of the server, PostgreSQL's own aside: what follows the name has to be the view's owner, or
    it is the rest of a longer name
    """
    entry, owners = entry_of(line), {as_listed(role) for role in roles}
    for schema, name in views:
        start = f"MATERIALIZED VIEW DATA {as_listed(schema)} {as_listed(name)} "
        owner = entry.removeprefix(start)
        if owner != entry and (owner in owners or owner.startswith("pg_")):
            return True
    return False


def as_listed(name: str) -> str:
    """Pure: a name as pg_restore writes it into a line of its list."""
    return name.replace("\n", " ").replace("\r", " ")


def made(lines: Iterable[str]) -> set[str]:
    """Pure: the tables and sequences that a dump makes itself, by its list: each as "schema name owner"."""
    kinds = ("TABLE ", "SEQUENCE ")
    entries = [entry_of(line) for line in lines if not is_of_kind(line, OF_RELATIONS)]
    return {entry.removeprefix(kind) for entry in entries for kind in kinds if entry.startswith(kind)}


def entry_of(line: str) -> str:
    """Pure: "TABLE DATA schema name owner" of "9; 0 16390 TABLE DATA schema name owner"."""
    return line.partition("; ")[2].partition(" ")[2].partition(" ")[2]


def is_of_kind(line: str, kinds: Iterable[str]) -> bool:
    """Pure: whether a line of a dump's list is of one of these kinds. That is pg_dump's own word, and comes before all names."""
    return entry_of(line).startswith(tuple(f"{kind} " for kind in kinds))


def is_comment_on(line: str, kinds: Iterable[str]) -> bool:
    """Pure: whether a line of a dump's list is a comment on something of one of these kinds, which have no schema: "COMMENT - KIND name"."""
    return entry_of(line).startswith(tuple(f"COMMENT - {kind} " for kind in kinds))


def is_of_foreign_table(line: str) -> bool:
    """Pure: whether a line of a dump's list is a foreign table, or a comment on one: "COMMENT schema FOREIGN TABLE name"."""
    words = entry_of(line).split(" ")
    return is_of_kind(line, [FOREIGN]) or (words[0] == "COMMENT" and words[2:4] == FOREIGN.split(" "))


def is_of_extension(line: str, names: Iterable[str]) -> bool:
    """Pure: whether a line of a dump's list is one of these extensions: "3; 3079 16385 EXTENSION - name"."""
    # An extension has no owner there.
    return entry_of(line).removesuffix(" ") in {f"EXTENSION - {name}" for name in names}


def quoted(name: str) -> str:
    """Pure: as PostgreSQL's programs write a name in a statement where it needs quotes."""
    return '"' + name.replace('"', '""') + '"'


def is_of_member(line: str, members: Iterable[tuple[str, ...]], own: Container[str]) -> bool:
    """Pure: whether a line of a dump's list needs what an extension has made: "9; 0 16390 TABLE DATA schema name owner". Such a line
    is of nothing else: the extension itself makes what it has.

    @param members of the extension, as `external.members` gives them
    @param own what the dump makes itself, as `made` gives it: its names may be a member's with more words
    """
    entry = entry_of(line)
    if any(entry.removeprefix(f"{kind} ") in own for kind in OF_RELATIONS):
        return False
    for schema, name in members:
        for form in (as_listed(name), as_listed(quoted(name))):
            if any(entry.startswith(f"{kind} {as_listed(schema)} {form} ") for kind in OF_RELATIONS):
                return True
            # A comment names the kind of its object, and of a function the types that it takes. Rights are granted to nobody here.
            of = entry.removeprefix(f"COMMENT {as_listed(schema)} ")
            if of != entry and any(of.partition(" ")[2].startswith(form + end) for end in " (."):
                return True
    return False
