"""New splits of a store in which nothing stands twice: no file, no near-duplicates, no group that a person names.

Clips that belong together are tied into one group, and a group gets one split: by share, or by date. Reads the rows of
a store, links of near_duplicates.py and metadata.csv; feeds splits_file.py.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from vlsa.base.errors import ConfigError
from vlsa.data.curate.groups import Groups
from vlsa.data.curate.near_duplicates import Link
from vlsa.data.curate.splits_file import ResplitStore
from vlsa.data.ingest.listing import METADATA_NAME, relative_name
from vlsa.data.ingest.manifest import SPLITS
from vlsa.data.ingest.metadata import by_listed_name, read_metadata
from vlsa.data.store.reader import ClipStore, StoredClip

FOLDER = "folder"


@dataclass(frozen=True)
class Tie:
    """Why two files stand in one split."""

    why: str
    """`video` or `audio` (near-duplicates), or the column and its value: `camera=A7`."""
    one: str
    other: str
    """The files."""


@dataclass(frozen=True)
class NewSplits:
    """Which split each clip gets, and what was tied together."""

    split_of: Mapping[str, str]
    """By the id of a clip."""
    group_of: Mapping[str, int]
    """Number of the group, by the id of a clip."""
    ties: tuple[Tie, ...]
    """Between different files that were in no common group before."""

    @property
    def num_by_split(self) -> dict[str, int]:
        """Clips of each split."""
        counts = Counter(self.split_of.values())
        return {split: counts[split] for split in SPLITS if counts[split]}


def parse_shares(text: str) -> dict[str, float]:
    """`train=0.8,val=0.1,test=0.1`; what is missing of 1 is train's. Raises ConfigError."""
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, _, number = part.partition("=")
        try:
            shares[name.strip()] = float(number)
        except ValueError:
            shares[name.strip()] = -1.0
    total = sum(shares.values())
    if set(shares) - set(SPLITS) or not min(shares.values()) >= 0 or not total <= 1 + 1e-9:
        raise ConfigError(
            f"shares {text!r}: each must be train, val or test with a number from 0 on, 1 in all; clips could not be "
            "dealt. Write for example train=0.8,val=0.1,test=0.1."
        )
    rest = 1 - sum(share for name, share in shares.items() if name != "train")
    shares = shares if "train" in shares else {"train": rest, **shares}
    if not sum(shares.values()) > 0:
        raise ConfigError(f"shares {text!r}: none is above 0; no clip would be in any split. Give one of them more.")
    return shares


def one_name_a_file(store: ClipStore | ResplitStore, clips: Sequence[StoredClip]) -> list[StoredClip]:
    """The clips with one source for each file: the first by which the store knows it, whatever the others are.

    A file may have several names: relative and absolute ones, and links.
    """
    names: dict[str, str] = {}
    renamed = []
    for clip in clips:
        name = names.setdefault(os.path.realpath(store.media_path(clip)), clip.source)
        renamed.append(clip if name == clip.source else replace(clip, source=name))
    return renamed


def columns_of(
    store: ClipStore | ResplitStore, clips: Sequence[StoredClip], column: str, metadata: Path | None
) -> dict[str, str]:
    """The value of a column for each source that has one: `folder`, or a column of FOLDER/metadata.csv.

    Raises ConfigError without the table or the column, CaptionError if it cannot be read.
    """
    paths = {clip.source: store.media_path(clip) for clip in clips}
    if column == FOLDER:
        return {source: str(Path(path).parent) for source, path in paths.items()}
    if metadata is None:
        raise ConfigError(f"column {column}: no table has it. Name the folder of {METADATA_NAME} with --metadata.")
    names = {source: relative_name(metadata, path) for source, path in paths.items()}
    table = by_listed_name(read_metadata(metadata), names.values())
    values = {source: table.get(name, {}).get(column, "") for source, name in names.items()}
    found = {source: value for source, value in values.items() if value}
    if not found:
        known = ", ".join(sorted({name for row in table.values() for name in row})) or "none"
        raise ConfigError(
            f"{metadata / METADATA_NAME}: column {column} has a value for none of the files of the store; nothing "
            f"could be grouped by it. Columns: {known}; paths are relative to {metadata}."
        )
    return found


def split_by_share(
    clips: Sequence[StoredClip],
    links: Sequence[Link],
    values: Mapping[str, str],
    column: str,
    shares: Mapping[str, float],
    seed: int,
) -> NewSplits:
    """Deal groups so that each split gets about its share of the clips; the seed decides which.

    `values`: of sources, by `columns_of`; files of one value stay together.
    """
    groups, ties = _tied(clips, links, values, column)
    sizes = Counter(groups.of(clip.source) for clip in clips)
    left = {split: share * len(clips) for split, share in shares.items() if share > 0}
    chosen: dict[str, str] = {}
    # The largest first, each to the split that lacks most: so the shares come out as nearly as the groups allow.
    for name in sorted(sizes, key=lambda name: (-sizes[name], _draw(seed, name))):
        split = max(left, key=lambda one: left[one])
        chosen[name] = split
        left[split] -= sizes[name]
    return _new_splits(clips, groups, ties, chosen)


def split_by_date(
    clips: Sequence[StoredClip], links: Sequence[Link], dates: Mapping[str, str], first_dates: Mapping[str, str]
) -> NewSplits:
    """Clips from a date on are val or test, earlier ones train; a group has the date of its latest clip.

    `dates`: of sources; `first_dates`: where val, test begin, as 2024-06-01. So nothing of training is later than that.
    Raises ConfigError: a date that is none, or a file without one.
    """
    starts = sorted(((parse_date(text, split), split) for split, text in first_dates.items()), reverse=True)
    groups, ties = _tied(clips, links, {}, "")
    latest: dict[str, date] = {}
    for clip in clips:
        day = parse_date(dates.get(clip.source, ""), clip.source)
        group = groups.of(clip.source)
        latest[group] = max(latest.get(group, day), day)
    chosen = {group: next((split for start, split in starts if day >= start), "train") for group, day in latest.items()}
    return _new_splits(clips, groups, ties, chosen)


def parse_date(text: str, where: str) -> date:
    """2024-06-01, or the first ten letters of a time. Raises ConfigError."""
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise ConfigError(
            f"{where}: {text!r:.40} is not a date; whether it comes before or after another is not known. "
            "Write it as 2024-06-01."
        ) from None


def _tied(
    clips: Sequence[StoredClip], links: Sequence[Link], values: Mapping[str, str], column: str
) -> tuple[Groups, tuple[Tie, ...]]:
    """Groups of sources, and what joined them."""
    source_of = {clip.id: clip.source for clip in clips}
    groups = Groups(dict.fromkeys(source_of.values()))
    ties = []
    first_of: dict[str, str] = {}
    for source in dict.fromkeys(source_of.values()):
        if value := values.get(source, ""):
            other = first_of.setdefault(value, source)
            if other != source and groups.join(other, source):
                ties.append(Tie(f"{column}={value}", other, source))
    near = [(link.by, source_of[link.a], source_of[link.b]) for link in links if {link.a, link.b} <= source_of.keys()]
    ties += [Tie(by, one, other) for by, one, other in near if groups.join(one, other)]
    return groups, tuple(ties)


def _new_splits(
    clips: Sequence[StoredClip], groups: Groups, ties: tuple[Tie, ...], chosen: Mapping[str, str]
) -> NewSplits:
    numbers = {name: number for number, name in enumerate(dict.fromkeys(groups.of(clip.source) for clip in clips))}
    return NewSplits(
        split_of={clip.id: chosen[groups.of(clip.source)] for clip in clips},
        group_of={clip.id: numbers[groups.of(clip.source)] for clip in clips},
        ties=ties,
    )


def _draw(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed} {name}".encode(errors="surrogateescape")).hexdigest()
