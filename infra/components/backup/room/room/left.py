"""What of a dump cannot be restored here, because it is its provider's own, and nothing in the database needs it."""

from dataclasses import dataclass, field

from .progress import step


@dataclass
class Left:
    """What was left out, or is otherwise."""

    # What PostgreSQL said of each statement about roles that it refused, and the roles that are not compared for that.
    statements: list[str] = field(default_factory=list)
    roles: set[str] = field(default_factory=set)
    extensions: list[str] = field(default_factory=list)
    # What only a superuser may make, by its kind and its name.
    objects: list[str] = field(default_factory=list)
    # The locale of the database, and the one that sorts here in its place.
    locale: tuple[str, str] | None = None

    def words(self) -> list[str]:
        locale = [f"locale {self.locale[0]} ({self.locale[1]} sorts instead)"] if self.locale else []
        return [*self.statements, *(f"extension {name}" for name in self.extensions), *self.objects, *locale]

    def say(self) -> None:
        for words in self.words():
            step(f"not restored here, because it is the provider's own: {words}")
