"""What belongs together: joins of names in any order. Feeds dedup.py and splits.py."""

from collections.abc import Iterable


class Groups:
    """Disjoint groups of names, each named by one of its members."""

    def __init__(self, names: Iterable[str]) -> None:
        self._above = {name: name for name in names}

    def of(self, name: str) -> str:
        """The group of a name."""
        top = name
        while self._above[top] != top:
            top = self._above[top]
        while self._above[name] != top:
            self._above[name], name = top, self._above[name]
        return top

    def join(self, one: str, other: str) -> bool:
        """Make one group of those of two names; False if they are one already."""
        first, second = self.of(one), self.of(other)
        self._above[second] = first
        return first != second
