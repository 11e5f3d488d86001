"""The clips of a store, or of a split of it, as a sequence that makes each of them when it is asked for.

Reads clip_index.py; what reads a store goes through it. A sequence holds no clips, so that it costs nothing to make,
to cut and to send to another process.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import overload

import numpy as np

from vlsa.data.clip import RowFacts, RowsDigest
from vlsa.data.store.clip_index import ClipIndex
from vlsa.data.store.shard_index import StoredClip

CLIPS_AT_A_TIME = 4096


class ClipRows(Sequence[StoredClip]):
    """The clips of a split (None = all) in the manifest's order, or those of `places` among them."""

    def __init__(self, index: ClipIndex, split: str | None, places: range | None = None) -> None:
        self._index, self._split = index, split
        self._places = range(index.num_of(split)) if places is None else places

    def __len__(self) -> int:
        return len(self._places)

    def __repr__(self) -> str:
        return f"ClipRows({len(self)} clips)"

    @overload
    def __getitem__(self, item: int) -> StoredClip: ...
    @overload
    def __getitem__(self, item: slice) -> "ClipRows": ...
    def __getitem__(self, item: int | slice) -> "StoredClip | ClipRows":
        if isinstance(item, slice):
            return ClipRows(self._index, self._split, self._places[item])
        place = self._places[item]
        return self._index.clip(int(self._index.numbers(self._split, place, place + 1)[0]))

    def __iter__(self) -> Iterator[StoredClip]:
        for first in range(0, len(self), CLIPS_AT_A_TIME):
            for number in self[first : first + CLIPS_AT_A_TIME]._numbers().tolist():
                yield self._index.clip(number)

    def facts(self, places: np.ndarray | None = None) -> RowFacts:
        """Lengths and modalities of all of these clips, or of those at `places` among them."""
        return self._index.facts(self._numbers(places))

    def sources(self, places: np.ndarray | None = None) -> list[str]:
        """The media file of each clip, or of those at `places`; each file is looked up once."""
        firsts, which = np.unique(self._index.column("first_of_source")[self._numbers(places)], return_inverse=True)
        names = [self._index.clip(number).source for number in firsts.tolist()]
        return [names[number] for number in which.tolist()]

    @property
    def digests(self) -> tuple[str, str | None]:
        """Of facts and of media; see `RowsDigest`."""
        if self._places == range(self._index.num_of(self._split)):
            facts, content = self._index.digests[self._split or ""]
            return str(facts), content
        digest = RowsDigest()
        for clip in self:
            digest.add(clip)
        return digest.facts, digest.content

    def places_of(self, hashes: np.ndarray, name_of: Callable[[int], str]) -> np.ndarray:
        """Where the clips with ids of these hashes (`id_hash`) are among all clips of a store, NO_CLIP where nowhere.

        `name_of` gives the id of a hash by its number; it is asked where several clips have that hash.
        """
        assert self._split is None and self._places == range(len(self._index)), self
        return self._index.find_all(hashes, name_of)

    def _numbers(self, chosen: np.ndarray | None = None) -> np.ndarray:
        places = self._places
        if not len(places):
            return np.empty(0, np.int64)
        first, last = min(places[0], places[-1]), max(places[0], places[-1])
        wanted = np.arange(places.start, places.stop, places.step) - first
        return self._index.numbers(self._split, first, last + 1)[wanted if chosen is None else wanted[chosen]]
