"""From media files, clips and texts to unit vectors, whatever the model: windows, crops, batches, means.

Reads media files (data/media/) or decoded clips; the base of batch_encoder.py (VLSA) and of public/. An encoder adds
its window, how a window becomes the input of the model, and the forward pass.
Axes: N items given, D width of a vector in all its spaces, B rows of a forward pass.
"""

import copy
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float32

from vlsa.base.errors import MediaError, VlsaError
from vlsa.config import num_shared
from vlsa.data.clip import Clip
from vlsa.data.ingest.manifest import ClipRow
from vlsa.data.ingest.segments import floor_ms
from vlsa.data.loading.tokenizer import TextCoverage
from vlsa.retrieve.encode.embed import Means, batches
from vlsa.retrieve.encode.fusion import Fusion
from vlsa.retrieve.encode.protocol import Media
from vlsa.retrieve.encode.sampling import COVERING, Sampling, WindowSpec, decode_windows
from vlsa.retrieve.encode.unit_vectors import unit_length


class MediaEncoder(ABC):
    """Everything about encoding but the model: nothing is masked, and the choice of frames is regular."""

    width: int
    """D, of all spaces together."""
    spaces: tuple[str, ...]
    """Where vectors are compared: "all", or the pair of modalities of each space."""
    fusion: Fusion = "cosine"
    """How two modalities are fused: by the mean of cosines that share a scale, or by rank."""

    def __init__(
        self, *, about: Mapping[str, Any] | None = None, batch_size: int = 32, sampling: Sampling = COVERING
    ) -> None:
        self.batch_size, self.sampling, self._about = batch_size, sampling, dict(about or {})

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Equal for two encoders only if their vectors can be compared."""

    @property
    @abstractmethod
    def window(self) -> WindowSpec:
        """What the model encodes of a stretch of media."""

    @abstractmethod
    def views(self, window: Clip) -> Iterator[Any]:
        """The inputs of the model for a window of one modality: one for each crop of its frames."""

    @abstractmethod
    def forward_media(self, modality: str, views: Sequence[Any]) -> Float32[np.ndarray, "B D"]:
        """A vector of one modality for each view; rows without it carry no meaning."""

    @abstractmethod
    def forward_text(self, texts: Sequence[str]) -> Float32[np.ndarray, "B D"]:
        """A vector for each text."""

    @abstractmethod
    def coverage(self, text: str) -> TextCoverage:
        """Which words of a text the model knows, and how many fit into it."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(width={self.width}, window={self.window}, about={self._about})"

    def with_sampling(self, sampling: Sampling) -> "MediaEncoder":
        """The same model with another rule for long and wide media."""
        other = copy.copy(self)
        other.sampling = sampling
        return other

    @property
    def about(self) -> Mapping[str, Any]:
        """Where the model comes from and how media are sampled, for results and indexes."""
        return {**self._about, "sampling": self.sampling.as_dict(), "fingerprint": self.fingerprint}

    def encode_video(self, clips: Sequence[Media]) -> Float32[np.ndarray, "N D"]:
        """Vectors of the frames of video files, image files or clips.

        Media longer than the window, or wider than high, give the mean over windows and crops (`sampling`). Raises
        MediaError for a file without video; a decoded clip without frames gives a row of zeros.
        """
        return self._encode_media(clips, "video")

    def encode_audio(self, clips: Sequence[Media]) -> Float32[np.ndarray, "N D"]:
        """Vectors of the audio of audio files, video files or clips, as `encode_video`.

        Raises MediaError for a file without audio, or with nothing but silence; a decoded clip without audio, or with
        less than one patch of it, gives a row of zeros.
        """
        return self._encode_media(clips, "audio")

    def encode_text(self, texts: Sequence[str]) -> Float32[np.ndarray, "N D"]:
        """Vectors of texts. Raises VlsaError for an empty one."""
        _check_list("encode_text", texts)
        self._require_space("text")
        if not all(text.strip() for text in texts):
            raise VlsaError("encode_text: a text is empty; its vector would mean nothing. Leave it out.")
        # Texts of similar length share a batch, since a batch is as long as its longest.
        by_length = sorted(range(len(texts)), key=lambda number: len(texts[number]))
        vectors = np.zeros((len(texts), self.width), np.float32)
        for part in batches(by_length, self.batch_size):
            vectors[part] = self.forward_text([texts[number] for number in part])
        return unit_length(vectors, len(self.spaces))

    def _require_space(self, modality: str) -> None:
        if not num_shared(modality, modality, self.spaces):
            raise VlsaError(
                f"encode_{modality}: this model compares {', '.join(self.spaces)} alone; {modality} has no vector. "
                "Use a model that was trained on a pair with it."
            )

    def _encode_media(self, items: Sequence[Media], modality: str) -> Float32[np.ndarray, "N D"]:
        """Mean over each item's windows; a file in which the modality is nowhere is an error."""
        _check_list(f"encode_{modality}", items)
        self._require_space(modality)
        windows = ((n, window) for n, item in enumerate(items) for window in self._windows(item, modality))
        vectors = self._encode(windows, len(items), modality)
        for item, vector in zip(items, vectors, strict=True):
            if not vector.any() and not isinstance(item, Clip):
                raise _absent(os.fspath(item), modality)
        return vectors

    def _windows(self, item: Media, modality: str) -> Iterator[Clip]:
        """The windows of an item that have a modality, without the other one."""
        for window in self.window.cut(item) if isinstance(item, Clip) else self._read(os.fspath(item), modality):
            if modality == "video" and window.frames is not None:
                yield replace(window, sound=None, sample_rate_hz=None, texts=())
            elif modality == "audio" and window.sound is not None:
                yield replace(window, frames=None, frame_seconds=None, texts=())

    def _read(self, path: str, modality: str) -> list[Clip]:
        """The windows of a media file, by the extent that the index gives it: to the end of the shorter modality."""
        from vlsa.data.media.decode import decode_image, is_image, probe

        if os.path.isfile(path) and is_image(path):
            return [decode_image(path, self.window.short_side_px)]
        facts, is_video = probe(path), modality == "video"
        end_seconds = facts.video_end_seconds if is_video else facts.audio_end_seconds
        if not end_seconds:
            return []
        shorter_seconds = min(filter(None, (facts.video_end_seconds, facts.audio_end_seconds)))
        if end_seconds < 2 * shorter_seconds:  # else the other modality is a snippet, or a still image
            end_seconds = shorter_seconds
        row = ClipRow("file", path, 0.0, floor_ms(end_seconds) or end_seconds, (), "test")
        try:
            return decode_windows(self.window, row, video=is_video, audio=not is_video, facts=facts)
        except MediaError as error:
            if error.reason == "nothing":
                return []
            raise

    def _encode(self, windows: Iterable[tuple[int, Clip]], num_items: int, modality: str) -> Float32[np.ndarray, "N D"]:
        """Unit vectors of items from (item, window) pairs, in batches of views that run across windows and items."""
        items: list[int] = []

        def views() -> Iterator[tuple[int, Any]]:
            for item, window in windows:
                items.append(item)
                for view in self.views(window):
                    yield len(items) - 1, view

        of_windows, of_items = (Means(self.width, len(self.spaces)) for _ in range(2))
        for part in batches(views(), self.batch_size):
            numbers, inputs = zip(*part, strict=True)
            of_windows.add(numbers, unit_length(self.forward_media(modality, inputs), len(self.spaces)))
        if items:
            of_items.add(items, of_windows.vectors(len(items)))
        return of_items.vectors(num_items)


def _check_list(where: str, items: Sequence[object]) -> None:
    if isinstance(items, str):
        raise VlsaError(f"{where}: one string given, which would be read letter by letter. Give a list: [{items!r}].")


def _absent(path: str, modality: str) -> MediaError:
    what, other = ("video", "audio") if modality == "video" else ("audio, or nothing but silence,", "video")
    return MediaError(
        f"{path}: no {what} in it, so there is nothing to encode as {modality}. "
        f"Choose another file, or encode it as {other}.",
        reason="no_video" if modality == "video" else "no_sound",
    )
