"""Pure: what the superuser of a scratch server runs of the script that pg_dumpall writes of a server.

pg_dumpall copies parts of that server's answers as they are, and psycopg2 sends a text with several statements as it is. So a statement
is run only if all of it is one that pg_dumpall writes about one role: what is not understood here is not run.
"""

import re

# In quotes a semicolon ends nothing. A line with a backslash is psql's own, and no statement.
PIECES = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|^\\[^\n]*|;|[^'";\\-]+|[\\-]""", re.MULTILINE)

# As fmtId writes one: without quotes only where it needs none, so that it is never a keyword of another meaning (ALL, CURRENT_USER).
NAME = r"""(?:(?!(?:all|current_role|current_user|none|public|session_user|user)\b)[a-z_][a-z0-9_]*|"(?:[^"]|"")+")"""
PLAIN = r"'(?:[^']|'')*'"
# With a backslash in it, where each is doubled.
TEXT = rf"(?:{PLAIN}|E'(?:[^'\\]|''|\\\\)*')"
RIGHTS = "".join(rf"(?: (?:NO)?{right})?" for right in ("SUPERUSER", "INHERIT", "CREATEROLE", "CREATEDB", "LOGIN", "REPLICATION", "BYPASSRLS"))
OPTION = r"(?:ADMIN OPTION|(?:ADMIN|INHERIT|SET) (?:TRUE|FALSE))"
ABOUT_ROLES = re.compile(
    "|".join(
        (
            rf"CREATE ROLE (?P<created>{NAME})",
            rf"ALTER ROLE (?P<altered>{NAME}) WITH{RIGHTS}(?: CONNECTION LIMIT -?[0-9]+)?(?: PASSWORD {PLAIN})?(?: VALID UNTIL {PLAIN})?",
            rf"ALTER ROLE (?P<set>{NAME})(?: IN DATABASE {NAME})? SET {NAME} TO {TEXT}(?:, {TEXT})*",
            rf"GRANT {NAME} TO {NAME}(?: WITH {OPTION}(?:, {OPTION})*)?(?: GRANTED BY {NAME})?",
            rf"COMMENT ON ROLE {NAME} IS {TEXT}",
        )
    )
)


def statements(script: str) -> list[str]:
    """Pure: those of a script, without its comments and without what is psql's alone."""
    found, current = [], ""
    for piece in PIECES.findall(script):
        if piece == ";":
            found.append(current.strip())
            current = ""
        elif not piece.startswith(("--", "\\")):
            current += piece
    return [one for one in found if one]


def is_about_roles(statement: str) -> bool:
    """Pure: whether it is one statement, and of those that pg_dumpall writes about roles. Rights to a parameter (GRANT SET ON PARAMETER)
    are none: they would be everybody's here."""
    return ABOUT_ROLES.fullmatch(statement) is not None


def created(statement: str) -> str | None:
    """Pure: the role that a statement makes, if it is one that does."""
    found = ABOUT_ROLES.fullmatch(statement)
    return bare(found["created"]) if found else None


def of_role(statement: str) -> str | None:
    """Pure: the role that a statement about roles changes, if it does."""
    found = ABOUT_ROLES.fullmatch(statement)
    return bare(found["altered"] or found["set"]) if found else None


def bare(name: str | None) -> str | None:
    """Pure: without the quotes of a statement."""
    return name[1:-1].replace('""', '"') if name and name.startswith('"') else name


RIGHT = r"(?:SET|ALTER SYSTEM|ALL)"
ABOUT_PARAMETERS = re.compile(
    "|".join(
        (
            rf"GRANT {RIGHT}(?:, ?{RIGHT})* ON PARAMETER (?:{NAME}\.)*{NAME} TO (?:PUBLIC|{NAME})(?: WITH GRANT OPTION)?",
            # Around what another role than the superuser has granted.
            rf"SET SESSION AUTHORIZATION {NAME}",
            "RESET SESSION AUTHORIZATION",
        )
    )
)


def is_about_parameters(statement: str) -> bool:
    """Pure: whether it is one statement that lets roles set something, or says as whom the next one does. Of the stack's own server alone: where one's own roles are no
    more trusted than anybody, it would be everybody's right."""
    return ABOUT_PARAMETERS.fullmatch(statement) is not None
