"""Which clips of a store are there more than once: groups of near-duplicates, and of each which to keep.

Reads near_duplicates.py; feeds `vlsa data dedup`, and by its report splits.py and the exports.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from vlsa.base.errors import ConfigError, StoreError
from vlsa.base.files import read_json_lines, write_json_lines
from vlsa.data.curate.groups import Groups
from vlsa.data.curate.near_duplicates import Link
from vlsa.data.store.reader import StoredClip

BYS = ("either", "both", "video", "audio")


@dataclass(frozen=True)
class DuplicateGroup:
    """Clips that are linked with each other, directly or through others of the group."""

    clips: tuple[StoredClip, ...]
    """In the order of the store."""
    links: tuple[Link, ...]
    kept: frozenset[str]
    """Ids of clips that --keep-one keeps: each other clip of the group is linked with one of them directly."""


def links_by(links: Sequence[Link], by: str, clips: Mapping[str, StoredClip]) -> list[Link]:
    """The links that count: by video, by audio, by either, or by both (what one of two clips lacks does not count).

    Raises ConfigError for another word.
    """
    if by not in BYS:
        raise ConfigError(f"by {by!r} is not known; no clips can be compared. Use one of {', '.join(BYS)}.")
    if by != "both":
        return [link for link in links if by in ("either", link.by)]
    found = {(link.a, link.b, link.by) for link in links}
    return [
        link for link in links if all((link.a, link.b, way) in found for way in _ways(clips[link.a], clips[link.b]))
    ]


def _ways(a: StoredClip, b: StoredClip) -> list[str]:
    ways = [("video", a.has_video and b.has_video), ("audio", a.has_sound and b.has_sound)]
    return [name for name, exists in ways if exists]


def duplicate_groups(clips: Sequence[StoredClip], links: Sequence[Link]) -> list[DuplicateGroup]:
    """The groups of clips that are linked, the largest first."""
    groups = Groups(clip.id for clip in clips)
    for link in links:
        groups.join(link.a, link.b)
    links_of: dict[str, list[Link]] = {}
    for link in links:
        links_of.setdefault(groups.of(link.a), []).append(link)
    members: dict[str, list[StoredClip]] = {name: [] for name in links_of}
    for clip in clips:
        if (name := groups.of(clip.id)) in members:
            members[name].append(clip)
    found = [DuplicateGroup(tuple(members[n]), tuple(links_of[n]), _kept(members[n], links_of[n])) for n in links_of]
    return sorted(found, key=lambda group: -len(group.clips))


def _kept(clips: Sequence[StoredClip], links: Sequence[Link]) -> frozenset[str]:
    """A clip is kept unless it is linked with a better one that is kept: the ends of a chain may share nothing."""
    linked: dict[str, set[str]] = {clip.id: set() for clip in clips}
    for link in links:
        linked[link.a].add(link.b)
        linked[link.b].add(link.a)
    kept: set[str] = set()
    for clip in sorted(clips, key=_worth, reverse=True):
        if not linked[clip.id] & kept:
            kept.add(clip.id)
    return frozenset(kept)


def _worth(clip: StoredClip) -> tuple[float, ...]:
    """More modalities first, then text, then larger frames, then longer."""
    height_px, width_px = clip.size_px
    return clip.has_video + clip.has_sound, bool(clip.texts), height_px * width_px, clip.duration_seconds


def write_links(path: Path, links: Iterable[Link]) -> None:
    """Keep links as JSON lines, for `vlsa data split --near-duplicates`."""
    write_json_lines(path, map(asdict, links))


def read_links(path: Path, known: Mapping[str, StoredClip]) -> list[Link]:
    """What `write_links` wrote. Raises StoreError: unreadable, malformed, or of clips that the store does not have."""
    try:
        links = [Link(**{field.name: line[field.name] for field in fields(Link)}) for line in read_json_lines(path)]
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise StoreError(
            f"{path}: not a report of near-duplicates ({error}); what belongs together is not known. "
            "Make one with `vlsa data dedup STORE --out FILE`."
        ) from error
    for link in links:
        if not {link.a, link.b} <= known.keys():
            raise StoreError(f"{path}: names a clip that the store does not have ({link.a}, {link.b}). Make it again.")
    return links


def write_ids(path: Path, ids: Iterable[str]) -> None:
    """Ids of clips, one a line."""
    path.write_text("".join(f"{name}\n" for name in ids), encoding="utf-8")


def read_ids(path: Path, known: Mapping[str, StoredClip]) -> set[str]:
    """What `write_ids` wrote. Raises StoreError: unreadable, or an id that the store does not have."""
    try:
        ids = {line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()}
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{path}: cannot be read ({error}); which clips to leave out is not known.") from error
    if unknown := sorted(ids - known.keys()):
        raise StoreError(f"{path}: the store has no clip {unknown[0]!r}; it may be of another store. Check the path.")
    return ids
