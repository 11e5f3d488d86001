"""The indexes of the page by name, and the models that they share.

Opens indexes; feeds the routes. A model is loaded once, however many indexes it made.
"""

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from vlsa.retrieve.index.file_facts import FileFacts
from vlsa.serve.archive.ids import MediaId
from vlsa.serve.archive.open_index import OpenIndex
from vlsa.serve.http.problems import UnknownIdError
from vlsa.serve.http.settings import ServeSettings

if TYPE_CHECKING:
    from vlsa.retrieve.encode.encoders import Encoder

LONGEST_NAME = 64


class Catalogue:
    """All indexes that are served."""

    def __init__(self, indexes: Sequence[OpenIndex]) -> None:
        self._by_name = {index.name: index for index in indexes}

    @classmethod
    def open(cls, settings: ServeSettings, encoder: "Encoder | None" = None) -> "Catalogue":
        """Open all; `encoder` is the model of all, if it is loaded already. Raises SearchIndexError."""
        names = unique_names([path.absolute().name for path in settings.indexes])
        return cls(
            [OpenIndex.open(name, path, settings, encoder) for name, path in zip(names, settings.indexes, strict=True)]
        )

    def __iter__(self) -> Iterator[OpenIndex]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    @property
    def names(self) -> list[str]:
        """Of all, in the order in which they were given."""
        return [*self._by_name]

    def index(self, name: str) -> OpenIndex:
        """The index of a name. Raises UnknownIdError."""
        if name not in self._by_name:
            known = ", ".join(self._by_name)
            raise UnknownIdError(f"{name[:64]!r}: no such index; nothing was searched. There are: {known}.")
        return self._by_name[name]

    def file(self, media: MediaId) -> tuple[OpenIndex, FileFacts]:
        """A file and its index. Raises UnknownIdError."""
        index = self.index(media.index)
        return index, index.file(media)


def unique_names(titles: Sequence[str]) -> list[str]:
    """Names for ids: letters, digits, `.`, `_` and `-`, no two alike."""
    names: list[str] = []
    for title in titles:
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", title)[: LONGEST_NAME - 4].strip("-") or "index"
        number, name = 1, plain
        while name in names:
            number += 1
            name = f"{plain}-{number}"
        names.append(name)
    return names
