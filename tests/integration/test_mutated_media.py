"""Damaged files of every container: the job ends, each file is kept or named, and what is kept is what the file holds.

Some are tried here; `VLSA_MUTATED_FILES=2000 pytest -s tests/integration/test_mutated_media.py` tries more. What became
of them is printed.
"""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise, starmap
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from mutated_media import mutate, write_whole_files
from PIL import Image

from vlsa.data.ingest.scan import scan
from vlsa.data.media.suffixes import MEDIA_SUFFIXES
from vlsa.data.reasons import REASONS
from vlsa.data.store.prepare import prepare
from vlsa.data.store.reader import ClipStore, StoredClip
from vlsa.data.store.shards import StoreSettings

NUM_FILES = int(os.environ.get("VLSA_MUTATED_FILES", "54"))
SETTINGS = StoreSettings(short_side_px=48, frames_per_second=8, sample_rate_hz=8000, window_seconds=1.0)
ALIKE = 0.7
"""Of what is stored and the same of a full decode: 1 but for size, JPEG and rate; noise has about 0."""
NEAR_SECONDS, JITTER_SECONDS = 0.1, 0.005
PIECE_SAMPLES = 1024
DECODE_ANYTHING = ("vp8", "vp9", "av1", "ffv1", "qtrle", "amrnb")
"""Codecs that make something of almost any bytes, and another thing after a seek than before."""
UNCONFIRMED_SHARE = 1 / 500
"""Of the clips of other codecs."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ClipStore, list]:
    """The folder of mutated files, their store, and what was left out."""
    root = tmp_path_factory.mktemp("mutated")
    whole, folder = write_whole_files(root / "whole"), root / "footage"
    folder.mkdir()
    for number in range(NUM_FILES):
        mutate(whole, number, folder)
    rows, rejections = scan(folder, window_seconds=SETTINGS.window_seconds, test_share=0.0)
    prepare(rows, root / "store", SETTINGS, rejections=rejections)
    store = ClipStore.open(root / "store")
    return folder, store, [*rejections, *store.rejections]


def test_every_file_is_kept_or_named_with_a_reason(made):
    folder, store, rejections = made
    kept = {Path(clip.source).name for clip in store.clips}
    left_out = {Path(rejection.path).name for rejection in rejections}
    assert kept | left_out == {path.name for path in folder.iterdir() if path.suffix in MEDIA_SUFFIXES}
    assert {rejection.reason for rejection in rejections} <= set(REASONS)
    assert all(rejection.message for rejection in rejections)
    print(*table(store, rejections), sep="\n")


def test_what_is_kept_is_what_a_full_decode_finds_at_its_time(made):
    _, store, _ = made
    by_file: dict[str, list[StoredClip]] = {}
    for clip in store.clips:
        by_file.setdefault(store.media_path(clip), []).append(clip)
    found = [fault for path, clips in by_file.items() for fault in unconfirmed(Path(path), store, clips)]
    faults = [fault for fault in found if not any(codec in fault.split()[0] for codec in DECODE_ANYTHING)]
    print(f"{len(store.clips)} clips of {len(by_file)} files kept; not confirmed: {len(faults)}, {len(found)} in all")
    print(*found, sep="\n")
    assert len(by_file) >= NUM_FILES / 4
    assert len(faults) <= 1 + len(store.clips) * UNCONFIRMED_SHARE


def table(store: ClipStore, rejections: list) -> Iterator[str]:
    """A line for each mutation: clips kept, and left out by reason."""
    kinds = sorted({name_of(clip.source) for clip in store.clips} | {name_of(one.path) for one in rejections})
    for kind in kinds:
        kept = sum(name_of(clip.source) == kind for clip in store.clips)
        reasons = Counter(one.reason for one in rejections if name_of(one.path) == kind)
        yield f"{kind:16} {kept:5} kept  {dict(reasons.most_common())}"


def name_of(path: str) -> str:
    """How a file was mutated."""
    return Path(path).name.split("-")[1]


def unconfirmed(path: Path, store: ClipStore, clips: list[StoredClip]) -> Iterator[str]:
    """What a plain decode of the whole file, from its first byte, does not show or sound like."""
    frames, sound = full_decode(path)
    for stored in clips:
        clip = store.read(stored)
        where = f"{path.name} {stored.start_seconds:g}-{stored.stop_seconds:g} s"
        if clip.frames is not None:
            times = clip.start_seconds + clip.frame_seconds
            worst = min(starmap(frames.likeness, zip(clip.frames, times, strict=True)))
            if worst < ALIKE:
                yield f"{where}: a frame is {worst:.2f} like that of a full decode"
        if clip.sound is not None:
            likeness = sound.likeness(clip.sound, clip.start_seconds)
            if likeness < ALIKE:
                yield f"{where}: the audio is {likeness:.2f} like that of a full decode"


@dataclass
class Frames:
    """All frames of a file."""

    seconds: list[float] = field(default_factory=list)
    images: list[np.ndarray] = field(default_factory=list)
    """uint8 H W."""

    def likeness(self, image: np.ndarray, seconds: float) -> float:
        """Correlation of an image (uint8 H W 3) with the nearest of the frames that are shown about then."""
        grey = image.mean(axis=2)
        in_order = all(one <= other for one, other in pairwise(self.seconds))
        near = [
            one
            for time, one in zip(self.seconds, self.images, strict=True)
            if abs(time - seconds) < NEAR_SECONDS or not in_order
        ]
        return max((correlation(grey, resized(one, grey.shape)) for one in near), default=0.0)


@dataclass
class Sound:
    """All audio of a file: where each sample is, and its value."""

    seconds: list[np.ndarray] = field(default_factory=list)
    samples: list[np.ndarray] = field(default_factory=list)

    def add(self, start_seconds: float, samples: np.ndarray, rate_hz: int) -> None:
        """Samples that come next. Rounded time stamps leave neither gaps nor overlaps."""
        end = self.seconds[-1][-1] + 1 / rate_hz if self.seconds else start_seconds
        start = end if abs(end - start_seconds) < JITTER_SECONDS else start_seconds
        self.seconds.append(start + np.arange(len(samples)) / rate_hz)
        self.samples.append(samples)

    def likeness(self, sound: np.ndarray, start_seconds: float) -> float:
        """Cosine of the spectrograms of a stretch (float32 S at 8 kHz) and of the same one here."""
        if not self.seconds:
            return 0.0
        seconds, samples = np.concatenate(self.seconds), np.concatenate(self.samples)
        if (np.diff(seconds) < 0).any():
            return self._likeness_anywhere(sound)
        return cosine(spectrogram(sound), spectrogram(heard(seconds, samples, start_seconds, len(sound))))

    def _likeness_anywhere(self, sound: np.ndarray) -> float:
        """Where time stamps step back: of each piece that sounds, with what is most like it, wherever; the mean."""
        samples = np.concatenate(self.samples)
        seconds = np.arange(len(samples)) * np.median(np.diff(np.concatenate(self.seconds)))
        starts = np.arange(0, seconds[-1], 0.008)
        here = [spectrogram(heard(seconds, samples, start, PIECE_SAMPLES)) for start in starts]
        pieces = [sound[first : first + PIECE_SAMPLES] for first in range(0, len(sound) - PIECE_SAMPLES, PIECE_SAMPLES)]
        found = [max(cosine(spectrogram(piece), one) for one in here) for piece in pieces if piece.any()]
        return float(np.mean(found))


def heard(seconds: np.ndarray, samples: np.ndarray, start_seconds: float, num_samples: int) -> np.ndarray:
    """A stretch at 8 kHz, zero where there is nothing."""
    times = start_seconds + np.arange(num_samples) / SETTINGS.sample_rate_hz
    after = np.clip(np.searchsorted(seconds, times), 1, len(seconds) - 1)
    in_hole = seconds[after] - seconds[after - 1] > JITTER_SECONDS
    return np.where(in_hole, 0, np.interp(times, seconds, samples, left=0, right=0))


def full_decode(path: Path) -> tuple[Frames, Sound]:
    """Everything that decodes, packet after packet, by the media library alone."""
    frames, sound = Frames(), Sound()
    with av.open(str(path), options={"protocol_whitelist": "file"}, metadata_errors="replace") as container:
        streams = [*container.streams.video[:1], *container.streams.audio[:1]]
        zero = (container.start_time or 0) / 1e6
        for stream in streams:
            stream.codec_context.options = {"err_detect": "crccheck+explode"}  # what is broken is left out
        for frame in decoded(container, streams):
            seconds = float(frame.pts * frame.time_base) - zero
            if isinstance(frame, av.VideoFrame):
                frames.seconds.append(seconds)
                frames.images.append(frame.to_ndarray(format="gray"))
            else:
                samples = frame.to_ndarray().astype(np.float64)
                samples = samples.reshape(-1, frame.layout.nb_channels).T if not frame.format.is_planar else samples
                sound.add(seconds, samples.mean(axis=0), frame.sample_rate)
    return frames, sound


def decoded(container: Any, streams: list) -> Iterator[Any]:
    """Frames with a time; what does not decode is left out."""
    packets = container.demux(streams)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.FFmpegError, UnicodeDecodeError, IndexError):
            return
        with suppress(av.FFmpegError, UnicodeDecodeError):
            yield from (frame for frame in packet.decode() if frame.pts is not None)


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    return cosine(one - one.mean(), other - other.mean())


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float((one * other).sum() / max(np.linalg.norm(one) * np.linalg.norm(other), 1e-9))


def resized(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.asarray(Image.fromarray(image).resize(shape[::-1], Image.Resampling.BILINEAR), float)


def spectrogram(sound: np.ndarray) -> np.ndarray:
    pieces = sound[: len(sound) // 256 * 256].reshape(-1, 256)
    return np.abs(np.fft.rfft(pieces * np.hanning(256), axis=1))
