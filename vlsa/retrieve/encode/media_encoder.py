"""From media files, clips and words to unit vectors, whatever runs the model: windows, batches, means.

Reads media files (data/media.py) or decoded clips; the base of the encoders of encoders.py and exported/, which add one
method: the forward pass of a batch.
Axes: N items given, D width of the matching space, B clips of a forward pass.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32

from vlsa.base.errors import MediaError, VlsaError
from vlsa.config import ModelConfig
from vlsa.data.clip import Batch, Clip
from vlsa.data.ingest.manifest import ClipRow
from vlsa.data.loading.loader import MemoryClips, MemoryRow, read_tensors
from vlsa.data.loading.tokenizer import TextCoverage, Tokenizer
from vlsa.data.loading.transform import choose_window
from vlsa.retrieve.encode.embed import unit_length
from vlsa.retrieve.encode.sampling import WindowSpec, read_window, window_starts

Media = str | os.PathLike[str] | Clip
"""A media file, or a clip already decoded."""


class MediaEncoder(ABC):
    """Everything about encoding but the forward pass: nothing is hidden, and the choice of frames is regular."""

    def __init__(
        self,
        config: ModelConfig,
        tokenizer: Tokenizer,
        *,
        about: Mapping[str, Any] | None = None,
        batch_size: int = 32,
    ) -> None:
        self.config, self.tokenizer, self.batch_size = config, tokenizer, batch_size
        self._about = dict(about or {})

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Equal for two encoders only if their vectors can be compared."""

    @abstractmethod
    def forward(self, modality: str, batch: Batch) -> Float32[np.ndarray, "B D"]:
        """Unit vectors of one modality of a batch; rows without it carry no meaning."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(width={self.width}, take={self.take}, about={self._about})"

    @property
    def width(self) -> int:
        """D."""
        return self.config.encoder.width

    @property
    def take(self) -> WindowSpec:
        """What the model takes of a stretch of a media file."""
        audio, video = self.config.audio, self.config.video
        return WindowSpec(
            window_seconds=audio.window_seconds,
            num_frames=video.num_frames,
            short_side_px=video.size_px,
            sample_rate_hz=audio.sample_rate_hz,
        )

    @property
    def about(self) -> Mapping[str, Any]:
        """Where the model comes from, for results and indexes."""
        return {**self._about, "fingerprint": self.fingerprint}

    def encode_video(self, clips: Sequence[Media]) -> Float32[np.ndarray, "N D"]:
        """Vectors of what is seen in video files, image files or clips.

        A file longer than the window gives the mean over up to eight windows. Raises MediaError for a file without a
        picture; a decoded clip without one gives a row of zeros.
        """
        return self._encode_media(clips, "video")

    def encode_audio(self, clips: Sequence[Media]) -> Float32[np.ndarray, "N D"]:
        """Vectors of what is heard in sound files, video files or clips, as `encode_video`.

        Raises MediaError for a file without sound, or with nothing but silence; a decoded clip without sound, or with
        less than one patch of it, gives a row of zeros.
        """
        return self._encode_media(clips, "audio")

    def encode_text(self, texts: Sequence[str]) -> Float32[np.ndarray, "N D"]:
        """Vectors of words. Raises VlsaError for an empty text."""
        _check_list("encode_text", texts)
        if not all(text.strip() for text in texts):
            raise VlsaError("encode_text: a text is empty; its vector would mean nothing. Leave it out.")
        # Texts of like length come into one batch, since a batch is as long as its longest.
        by_length = sorted(range(len(texts)), key=lambda number: len(texts[number]))
        vectors = np.zeros((len(texts), self.width), np.float32)
        for first in range(0, len(texts), self.batch_size):
            part = by_length[first : first + self.batch_size]
            words = words_batch([texts[number] for number in part], self.config, self.tokenizer)
            vectors[part] = self.forward("text", words)
        return unit_length(vectors)

    def coverage(self, text: str) -> TextCoverage:
        """Which words of a text the model knows, and how many fit into it."""
        return self.tokenizer.coverage(text, self.config.text.num_tokens)

    def frame_indices(self, frame_seconds: np.ndarray, duration_seconds: float) -> tuple[int, ...]:
        """The frames of a clip that the model looks at."""
        return choose_window(frame_seconds, duration_seconds, self.config, None).frame_indices

    def _encode_media(self, items: Sequence[Media], modality: str) -> Float32[np.ndarray, "N D"]:
        """Mean over each item's windows; a file in which the modality is nowhere is an error."""
        _check_list(f"encode_{modality}", items)
        windows = ((n, window) for n, item in enumerate(items) for window in self._windows(item, modality))
        vectors = self._encode(windows, len(items), modality)
        for item, vector in zip(items, vectors, strict=True):
            if not vector.any() and not isinstance(item, Clip):
                raise _absent(os.fspath(item), modality)
        return vectors

    def _windows(self, item: Media, modality: str) -> Iterator[Clip]:
        """The parts of an item that are looked at, reduced to one modality; none when it is absent."""
        for clip in [item] if isinstance(item, Clip) else self._read(os.fspath(item), modality):
            kept = _only_picture(clip) if modality == "video" else _only_sound(clip)
            if kept:
                yield kept

    def _read(self, path: str, modality: str) -> Iterator[Clip]:
        from vlsa.data.media.decode import decode_image, is_image, probe

        if os.path.isfile(path) and is_image(path):
            yield decode_image(path, self.config.video.size_px)
            return
        facts, picture = probe(path), modality == "video"
        end_seconds = facts.video_end_seconds if picture else facts.audio_end_seconds
        for start_seconds in window_starts(end_seconds, self.take.window_seconds) if end_seconds else ():
            stop_seconds = min(start_seconds + self.take.window_seconds, end_seconds)
            row = ClipRow("window", path, start_seconds, stop_seconds, (), "test")
            try:
                yield read_window(self.take, row, picture=picture, sound=not picture, facts=facts)
            except MediaError as error:
                if error.reason != "nothing":  # a silent window adds nothing; the others may be heard
                    raise

    def _encode(self, clips: Iterable[tuple[int, Clip]], num_items: int, modality: str) -> Float32[np.ndarray, "N D"]:
        """Unit vectors of items from (item, clip) pairs, in batches that do not care where an item ends."""
        total = np.zeros((num_items, self.width), np.float32)
        stream, memory = iter(clips), MemoryClips({})
        while part := list(islice(stream, self.batch_size)):
            numbers = [number for number, _ in part]
            rows = [MemoryRow(clip, "") for _, clip in part]
            batch = Batch.stack([read_tensors(memory, row, self.config, self.tokenizer) for row in rows])
            np.add.at(total, numbers, self.forward(modality, batch))
        return unit_length(total)


def words_batch(texts: Sequence[str], config: ModelConfig, tokenizer: Tokenizer) -> Batch:
    """Texts as a batch that has nothing but words, and these only as far as the longest text goes.

    Padding beyond it costs time and changes a vector by rounding alone.
    """
    encoded = [tokenizer.encode(text, config.text.num_tokens) for text in texts]
    words, padding = (torch.stack(parts) for parts in zip(*encoded, strict=True))
    longest = int((~padding).sum(dim=1).max())
    num_texts = len(texts)
    return Batch(
        ids=tuple(texts),
        video=torch.zeros(num_texts, 0, 3, 0, 0, dtype=torch.uint8),
        frame_seconds=torch.zeros(num_texts, 0),
        frame_padding=torch.ones(num_texts, 0, dtype=torch.bool),
        sound=torch.zeros(num_texts, 0),
        num_samples=torch.zeros(num_texts, dtype=torch.int64),
        words=words[:, :longest],
        word_padding=padding[:, :longest],
    )


def _check_list(where: str, items: Sequence[object]) -> None:
    if isinstance(items, str):
        raise VlsaError(f"{where}: one string given, which would be read letter by letter. Give a list: [{items!r}].")


def _only_picture(clip: Clip) -> Clip | None:
    if clip.frames is None:
        return None
    return Clip(**_place(clip), frames=clip.frames, frame_seconds=clip.frame_seconds)


def _only_sound(clip: Clip) -> Clip | None:
    if clip.sound is None:
        return None
    return Clip(**_place(clip), sound=clip.sound, sample_rate_hz=clip.sample_rate_hz)


def _place(clip: Clip) -> dict[str, Any]:
    names = ("id", "source", "start_seconds", "stop_seconds")
    return {name: getattr(clip, name) for name in names}


def _absent(path: str, modality: str) -> MediaError:
    what, other = ("picture", "audio") if modality == "video" else ("sound to hear", "video")
    return MediaError(
        f"{path}: no {what} in it, so there is nothing to encode as {modality}. "
        f"Choose another file, or encode it as {other}.",
        reason=f"no_{'picture' if modality == 'video' else 'sound'}",
    )
