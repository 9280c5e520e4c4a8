"""Pure: what is in a dump, by the list that pg_restore gives of it."""

from collections.abc import Iterable

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


def is_filling(line: str, views: list[tuple[str, ...]]) -> bool:
    """Pure: whether a line of a dump's list fills one of these materialized views. @param views as schema and name"""
    entry = entry_of(line)
    return any(entry.startswith(f"MATERIALIZED VIEW DATA {schema} {name} ") for schema, name in views)


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


def is_of_member(line: str, members: list[tuple[str, ...]]) -> bool:
    """Pure: whether a line of a dump's list needs what an extension has made: "9; 0 16390 TABLE DATA schema name owner". Such a line
    is of nothing else: the extension itself makes what it has.

    @param members of the extension, as `external.members` gives them
    """
    entry = entry_of(line)
    for schema, name in members:
        for form in (name, quoted(name)):
            if any(entry.startswith(f"{kind} {schema} {form} ") for kind in OF_RELATIONS):
                return True
            # A comment names the kind of its object, and of a function the types that it takes. Rights are granted to nobody here.
            of = entry.removeprefix(f"COMMENT {schema} ")
            if of != entry and any(of.partition(" ")[2].startswith(form + end) for end in " (."):
                return True
    return False
