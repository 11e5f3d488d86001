"""From a source of clips to training batches, in an order that a step number fixes.

Reads store/reader.py (or clips in memory); used by pretrain/loop.py and retrieve/encode/. Nothing here has a state to
save: the order of an epoch follows from (seed, epoch), and the random choices for a clip from (seed, epoch, clip). So
training resumed at step s reads exactly what an unbroken run would have read, whatever the number of workers.
Axes: B clips.
"""

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch.utils.data import DataLoader, get_worker_info
from torch.utils.data import Dataset as TorchDataset

from vlsa.base.errors import LostProcess, StoreError, VlsaError
from vlsa.base.kept import Kept
from vlsa.base.processes import num_processes, rank
from vlsa.config import ModelConfig, TrainConfig
from vlsa.data.batch import Batch, ClipTensors
from vlsa.data.clip import Clip, ClipFacts, Dataset, ListedDataset, cut, digests_of
from vlsa.data.loading.cached_clips import CachedClips
from vlsa.data.loading.packed_batch import PackedBatch
from vlsa.data.loading.readers import fresh_processes, leave_signals_to_the_loop
from vlsa.data.loading.sound_controls import ShiftedSound
from vlsa.data.loading.step_sampler import StepSampler
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.data.loading.transform import (
    LARGEST_SQUARE,
    Crop,
    Window,
    choose_window,
    clip_shapes,
    clip_tensors,
    write_clip,
)

CONTENT_MARK = "-"
KEPT_ROWS = 8192
"""Rows that each reading process keeps: at most some 20 MB."""


@dataclass(frozen=True, eq=False)
class MemoryRow:
    """Facts of a clip held in memory."""

    clip: Clip
    split: str

    @property
    def id(self) -> str:
        return self.clip.id

    @property
    def texts(self) -> tuple[str, ...]:
        return self.clip.texts

    @property
    def duration_seconds(self) -> float:
        return self.clip.duration_seconds

    @property
    def frame_seconds(self) -> np.ndarray:
        return np.empty(0) if self.clip.frame_seconds is None else self.clip.frame_seconds

    @property
    def num_samples(self) -> int:
        return 0 if self.clip.sound is None else len(self.clip.sound)

    @property
    def sample_rate_hz(self) -> int:
        return self.clip.sample_rate_hz or 0

    @cached_property
    def content_digest(self) -> str:
        """Checksums of its frames and audio."""
        return " ".join(_checksum(part) for part in (self.clip.frames, self.clip.frame_seconds, self.clip.sound))


def _checksum(array: np.ndarray | None) -> str:
    return "none" if array is None else f"{array.shape}{zlib.crc32(np.ascontiguousarray(array)):08x}"


class MemoryClips(ListedDataset):
    """A source that holds decoded clips: for generated data, and for machines without media libraries."""

    def __init__(self, splits: dict[str, Sequence[Clip]]) -> None:
        super().__init__([MemoryRow(clip, split) for split, clips in splits.items() for clip in clips])

    def read(
        self, clip: MemoryRow, *, frame_indices: Sequence[int] | None = None, sound_range: tuple[int, int] | None = None
    ) -> Clip:
        """The asked part of a clip."""
        indices = range(len(clip.frame_seconds)) if frame_indices is None else frame_indices
        first, last = sound_range or (0, clip.num_samples)
        return cut(clip.clip, indices, first, last)


def read_tensors(
    source: Dataset,
    row: ClipFacts,
    config: ModelConfig,
    tokenizer: Tokenizer,
    rng: np.random.Generator | None = None,
    crop: Crop = LARGEST_SQUARE,
) -> ClipTensors:
    """Read a window of a clip from a source (rng None = the middle) and turn it into tensors."""
    clip, window = _read_window(source, row, config, rng)
    return clip_tensors(clip, window, config, tokenizer, rng, crop)


def _read_window(
    source: Dataset, row: ClipFacts, config: ModelConfig, rng: np.random.Generator | None
) -> tuple[Clip, Window]:
    window = choose_window(row.frame_seconds, row.duration_seconds, config, rng)
    first, last = (min(sample, row.num_samples) for sample in window.sample_range(row.sample_rate_hz))
    return source.read(row, frame_indices=window.frame_indices, sound_range=(first, last)), window


class TrainingClips:
    """The training split as batches of tensors; clips are asked for by (epoch, row)."""

    def __init__(
        self, source: Dataset, model: ModelConfig, train: TrainConfig, tokenizer: Tokenizer, split: str = "train"
    ) -> None:
        self.model, self.train, self.tokenizer = model, train, tokenizer
        self.crop = Crop(least_area=train.crop_area, most_stretch=train.crop_stretch)
        self.rows = source.rows(split)
        self._kept: Kept[int, ClipFacts] = Kept(KEPT_ROWS)
        self.source = CachedClips(source, self.rows, train.cache_gib * 2**30) if train.cache_gib else source
        if train.sound_shift_seconds:
            self.source = ShiftedSound(self.source, train.sound_shift_seconds)
        if len(self.rows) < train.batch_size:
            smaller = f", or --set train.batch_size={len(self.rows)}" if self.rows else ""
            raise StoreError(
                f"{getattr(source, 'path', 'clips')}: {len(self.rows)} clips in split {split}, fewer than one batch of "
                f"{train.batch_size}; a step needs a whole batch. Add clips{smaller}."
            )

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, keys: list[tuple[int, int]], *, is_shared: bool = False) -> PackedBatch:
        """The clips of these keys side by side; `is_shared`: for another process."""
        rows = [self._row(number) for _, number in keys]
        packed = PackedBatch.empty(clip_shapes(self.model), [row.id for row in rows], is_shared=is_shared)
        for (epoch, number), row, room in zip(keys, rows, packed.rows(), strict=True):
            text_rng = np.random.default_rng([self.train.seed, epoch, number])
            rng = text_rng if self.train.augment else None
            clip, window = _read_window(self.source, row, self.model, rng)
            write_clip(room, clip, window, self.model, self.tokenizer, rng, self.crop, text_rng)
        return packed

    def _row(self, number: int) -> ClipFacts:
        """A row of a small store is taken apart once."""
        return self._kept.get(number, self.rows.__getitem__)


def fingerprint(source: Dataset) -> str:
    """Digest of the training clips: of their ids, texts and extents, then of their media where rows have a digest."""
    facts, content = digests_of(source.rows("train"))
    return f"{facts}{CONTENT_MARK}{content}" if content else facts


def without_content(digest: str) -> str:
    """The part of a fingerprint that runs of vlsa 0.3 recorded."""
    return digest.partition(CONTENT_MARK)[0]


def first_clips(clips: TrainingClips, num_clips: int) -> Batch:
    """The first of the clips of step 0, the same on every rank."""
    keys = next(iter(StepSampler(len(clips), clips.train, 0)))
    return clips.batch(keys[:num_clips]).unpacked()


class BatchReader(TorchDataset["PackedBatch | ReadFailure"]):
    """Whole batches of training clips.

    What a user can fix comes back as a value: the DataLoader would raise it anew from its traceback, as another error.
    """

    def __init__(self, clips: TrainingClips) -> None:
        self.clips = clips

    def __getitem__(self, keys: list[tuple[int, int]]) -> "PackedBatch | ReadFailure":
        try:
            return self.clips.batch(keys, is_shared=get_worker_info() is not None)
        except (VlsaError, OSError) as error:
            return ReadFailure(error)


@dataclass(frozen=True)
class ReadFailure:
    """An error on its way from a reading process to the training."""

    error: Exception


@contextmanager
def training_batches(
    clips: TrainingClips, first_step: int, device: torch.device | None = None
) -> Iterator[Iterator[Batch]]:
    """This process's batches of all steps from `first_step` on, ready to be copied to a device; readers end with it.

    Reading raises what a clip's error is. When a reading process has died, any error of the block comes as LostProcess:
    PyTorch raises that death from a signal handler, within whatever code happens to run.
    """
    loader = DataLoader(
        BatchReader(clips),
        sampler=StepSampler(len(clips), clips.train, first_step, rank=rank(), num_ranks=num_processes()),
        batch_size=None,
        num_workers=clips.train.num_workers,
        multiprocessing_context=fresh_processes(__name__) if clips.train.num_workers else None,
        worker_init_fn=leave_signals_to_the_loop,
        persistent_workers=False,
        pin_memory=device is not None and device.type == "cuda",
    )
    batches = iter(loader)
    readers = getattr(batches, "_workers", ())
    try:
        yield _whole(batches)
    except Exception as error:
        if any(reader.exitcode for reader in readers) and not isinstance(error, LostProcess):
            raise _lost_reader(error) from error
        raise
    finally:
        if readers:
            with suppress(RuntimeError):  # a death that is said by now
                batches._shutdown_workers()  # else the kill below counts as a death
        for reader in readers:  # each leaves a first SIGTERM to the loop; Python's exit sends one and waits
            reader.kill()


def _whole(items: Iterator["PackedBatch | ReadFailure"]) -> Iterator[Batch]:
    while (item := _received(items)) is not None:
        if isinstance(item, ReadFailure):
            raise item.error
        yield item.unpacked()


def _received(items: Iterator["PackedBatch | ReadFailure"]) -> "PackedBatch | ReadFailure | None":
    """The next item, None at the end. Raises LostProcess where a socket closed within it: its reader is dying."""
    try:
        return next(items, None)
    except (OSError, EOFError) as error:  # errors of reading come as items
        raise _lost_reader(error) from error


def _lost_reader(error: Exception) -> LostProcess:
    cause = " ".join(str(error).split())[:200] or type(error).__name__
    return LostProcess(
        f"train.num_workers: a reading process died ({cause}), often because memory ran "
        "out; the current step cannot be finished. The last checkpoint is whole: run the same command again, with a "
        "smaller train.num_workers or train.cache_gib if this comes back."
    )
