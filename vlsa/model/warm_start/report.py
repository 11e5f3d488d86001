"""What a warm start did to each weight, as rows of a table.

Made by apply.py; printed by the command line.
"""

from dataclasses import dataclass, field

HEADER = ("weight", "action", "from", "note")


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    weight: str
    action: str
    """taken, resized (its shape was changed on the way), fresh (ours, as without --init), or left out (theirs)."""
    origin: str = ""
    note: str = ""

    @property
    def cells(self) -> tuple[str, str, str, str]:
        return self.weight, self.action, self.origin, self.note


@dataclass
class Report:
    """All rows, and what was begun from."""

    rows: list[Row] = field(default_factory=list)
    sources: tuple[str, ...] = ()
    """Each source with the digest of what was read: what the run records."""

    def add(self, weight: str, action: str, origin: str = "", note: str = "") -> None:
        """One more row."""
        self.rows.append(Row(weight, action, origin, note))

    def cells(self) -> list[tuple[str, str, str, str]]:
        """The table under `HEADER`."""
        return [row.cells for row in self.rows]
