"""Clips read straight from media files, by a list of them (`--data clips.jsonl`): for sets that are tried once.

The list is what `vlsa prepare` takes; media are decoded anew whenever a clip is read, which a store saves. Reads
manifest.py, and decode.py, in the reading processes of the training. Opened by dataset.py.
Axes: F frames, H W pixels, S samples of audio.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from vlsa.base.console import Bar
from vlsa.base.errors import MediaError, StoreError
from vlsa.base.launch import usable_cores
from vlsa.data.clip import Clip, ListedDataset, cut, each_frame_once
from vlsa.data.engine.workers import Heartbeat, Lost, Started, WorkerPool, patience_seconds
from vlsa.data.ingest import manifest
from vlsa.data.ingest.manifest import ClipRow
from vlsa.data.media import decode
from vlsa.data.media.audio import least_sound_seconds
from vlsa.data.media.container import HOLE_SECONDS
from vlsa.data.media.probe import MediaFacts
from vlsa.data.store.shards import StoreSettings
from vlsa.data.store.sources import state_of

SETTINGS = StoreSettings()
"""Frames and samples to choose from: those that `vlsa prepare` keeps for the paper's model."""
MOST_NAMED = 3


@dataclass(frozen=True, eq=False)
class RawRow:
    """Facts of a clip before it is decoded. Picklable."""

    id: str
    source: str
    start_seconds: float
    stop_seconds: float
    texts: tuple[str, ...]
    split: str
    facts: MediaFacts
    """Of its file."""

    @property
    def duration_seconds(self) -> float:
        return self.stop_seconds - self.start_seconds

    @property
    def sample_rate_hz(self) -> int:
        return SETTINGS.sample_rate_hz

    @cached_property
    def frame_seconds(self) -> np.ndarray:
        """Regular times at which the file shows something; none if that is less than half of the clip."""
        times = np.array(decode.regular_times(self.duration_seconds, SETTINGS.frames_per_second))
        if self.facts.video_end_seconds is None:
            return times[:0]
        shown = times[times < self.facts.video_end_seconds + HOLE_SECONDS - self.start_seconds]
        return shown if 2 * len(shown) >= len(times) else times[:0]

    @property
    def num_samples(self) -> int:
        heard = min((self.facts.audio_end_seconds or 0.0) - self.start_seconds, self.duration_seconds)
        whole = round(self.duration_seconds * SETTINGS.sample_rate_hz)
        return whole if heard >= least_sound_seconds(self.duration_seconds) else 0

    @cached_property
    def content_digest(self) -> str:
        """What its frames and audio depend on: times, and the size and the ends of the file."""
        return f"{_file_state(self.source)} {self.start_seconds!r} {self.stop_seconds!r}"


@functools.lru_cache(maxsize=4096)
def _file_state(path: str) -> str:
    state = state_of(path)
    return f"{state['num_bytes']} {state['ends']}"


class RawClips(ListedDataset):
    """The clips of a list, as a data set."""

    def __init__(self, path: Path, rows: Sequence[RawRow]) -> None:
        super().__init__(rows)
        self.path = path

    @classmethod
    def open(cls, path: str | Path) -> "RawClips":
        """Read a list and look into its files.

        Raises ManifestError for a list that is malformed, StoreError for files that cannot be read and clips that lie
        outside of theirs: all have to be fixed, where `vlsa prepare` would leave them out.
        """
        rows = manifest.read(path)
        facts, faults = _probed(sorted({row.path for row in rows}))
        for row in rows:
            if row.path in facts and (fault := _fault_of(row, facts[row.path])):
                faults.append(fault)
        if faults:
            more = f" And {len(faults) - MOST_NAMED} more." if len(faults) > MOST_NAMED else ""
            raise StoreError(
                f"{path}: {len(faults)} of its files or clips cannot be used. {' '.join(faults[:MOST_NAMED])}{more} "
                "Fix or remove them, or make a store, which leaves them out: `vlsa prepare LIST STORE`."
            )
        return cls(
            Path(path),
            [
                RawRow(row.id, row.path, row.start_seconds, row.stop_seconds, row.texts, row.split, facts[row.path])
                for row in rows
            ],
        )

    def read(
        self, clip: Any, *, frame_indices: Sequence[int] | None = None, sound_range: tuple[int, int] | None = None
    ) -> Clip:
        """Decode the asked part of a clip: a frame that several indices show comes once, as from a store.

        The whole clip has a frame for each of its regular times. Raises MediaError for media that are damaged there.
        """
        indices = list(range(len(clip.frame_seconds)) if frame_indices is None else frame_indices)
        first, last = sound_range or (0, clip.num_samples)
        wanted = clip.frame_seconds[indices]
        found = _decoded(clip, wanted, SETTINGS.sample_rate_hz if last > first else None)
        if found.frames is None or found.frame_seconds is None:
            return cut(found, (), first, last)
        shown = np.searchsorted(found.frame_seconds, wanted, side="right") - 1
        part = cut(found, shown.clip(min=0).tolist(), first, last)  # a file may begin late, or end early
        return part if frame_indices is None else each_frame_once(part)


def _decoded(clip: RawRow, wanted_seconds: np.ndarray, sample_rate_hz: int | None) -> Clip:
    """A clip without frames and audio where there is nothing but silence."""
    try:
        return decode.decode(
            clip.source,
            clip.start_seconds,
            clip.stop_seconds,
            frame_times_seconds=wanted_seconds.tolist() or None,
            short_side_px=SETTINGS.short_side_px,
            sample_rate_hz=sample_rate_hz,
            facts=clip.facts,
            id=clip.id,
            texts=clip.texts,
        )
    except MediaError as error:
        if error.reason != "nothing":
            raise MediaError(
                f"{error} Nothing is left out when media are read by a list; `vlsa prepare LIST STORE` leaves out "
                "what is damaged.",
                reason=error.reason,
            ) from error
        span = {"start_seconds": clip.start_seconds, "stop_seconds": clip.stop_seconds}
        return Clip(id=clip.id, source=clip.source, texts=clip.texts, **span)


def _probe(path: str, beat: Heartbeat) -> MediaFacts | str:
    beat(path, patience_seconds(path))
    try:
        return decode.probe(path)
    except MediaError as error:
        return str(error)


def _probed(paths: list[str]) -> tuple[dict[str, MediaFacts], list[str]]:
    """The facts of files, by processes that may die of one; and what is wrong with others."""
    facts, faults = {}, {}
    with Bar("looking into files") as bar:
        for event in WorkerPool(_probe, paths, min(usable_cores(), len(paths)), second_chance=True).events():
            if isinstance(event, Started):
                continue
            if isinstance(event, Lost):
                faults[event.task] = f"{event.task}: {event.message}."
            elif isinstance(event.value, str):
                faults[event.task] = event.value
            else:
                facts[event.task] = event.value
            bar.update(len(facts) + len(faults), len(paths), event.task)
    return facts, [faults[path] for path in sorted(faults)]


def _fault_of(row: ClipRow, facts: MediaFacts) -> str:
    """What is wrong with the times of a clip; nothing for one that can be read."""
    if row.stop_seconds <= row.start_seconds or row.start_seconds < 0:
        return f"{row.path}: clip {row.id}: from {row.start_seconds:g} to {row.stop_seconds:g} s is no stretch."
    span = (row.start_seconds, row.stop_seconds)
    try:
        decode.check_extent(facts, *span, SETTINGS.short_side_px, SETTINGS.frames_per_second)
    except MediaError as error:
        return str(error)
    return ""
